"""The entry point of `vllm.general_plugins`: vLLM calls it in each of its processes.

It changes nothing for an engine whose `additional_config` has no key `trimtab`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.errors import ModelError, SettingError, TrimtabError

if TYPE_CHECKING:
    from trimtab.engines.vllm.store import Vectors

_installed = False


def register() -> None:
    """Make this process's vLLM able to steer."""
    global _installed
    if _installed:
        return
    _installed = True
    from vllm.v1.engine.input_processor import InputProcessor

    InputProcessor.process_inputs = _admitting(InputProcessor.process_inputs)
    _refuse_beams()
    if not is_supported():
        return  # for whoever does not steer nothing changes; whoever asks for steering is told at the door
    from vllm.v1.worker.cpu_model_runner import CPUModelRunner
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    from trimtab.engines.vllm import cache_keys

    cache_keys.install()
    for runner in (GPUModelRunner, CPUModelRunner):
        if "load_model" in vars(runner):
            runner.load_model = _arming(runner.load_model)
    _refuse_other_runners()


def is_supported() -> bool:
    """Whether this version of vLLM is one of those the plugin was written for."""
    import vllm

    from trimtab.engines.vllm.settings import SUPPORTED

    return str(vllm.__version__).startswith(tuple(f"{version}." for version in SUPPORTED))


def require_supported() -> None:
    """Refuse a vLLM whose insides are not known here.

    Raises:
        ModelError: when this version of vLLM is none of those the plugin was written for.
    """
    import vllm

    from trimtab.engines.vllm.settings import SUPPORTED

    if not is_supported():
        raise ModelError(
            f"vLLM {vllm.__version__} is not supported: trimtab steers vLLM {', '.join(SUPPORTED)}. "
            f"Install that, for example vllm=={SUPPORTED[-1]}.0."
        )


def _arming(load_model: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(load_model)
    def load_and_arm(self: Any, *args: Any, **kwargs: Any) -> Any:
        from trimtab.engines.vllm.runner import arm

        loaded = load_model(self, *args, **kwargs)
        if not hasattr(self, "trimtab"):
            arm(self)
        return loaded

    return load_and_arm


def _refuse_other_runners() -> None:
    """The V2 runner (GPU) lays its batch out otherwise: an engine that is to steer must not take it."""
    try:
        from vllm.v1.worker.gpu.model_runner import GPUModelRunner as V2
    except ImportError:  # it needs Triton
        return
    original = V2.load_model

    @wraps(original)
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        from trimtab.engines.vllm.runner import refuse_unsupported
        from trimtab.engines.vllm.settings import plugin_settings

        if plugin_settings(self.vllm_config.additional_config) is not None:
            refuse_unsupported(self.vllm_config)
        return original(self, *args, **kwargs)

    V2.load_model = refuse


def _admitting(process_inputs: Callable[..., Any]) -> Callable[..., Any]:
    """Requests are checked where they come in: a wrong one gets an error of its own, the engine goes on."""

    @wraps(process_inputs)
    def check_and_process(self: Any, request_id: str, prompt: Any, params: Any, *args: Any, **kwargs: Any) -> Any:
        admit(self, params)
        return process_inputs(self, request_id, prompt, params, *args, **kwargs)

    return check_and_process


def _refuse_beams() -> None:
    """Beam search makes requests of its own, without the extra arguments of the one that came in."""
    for name in ("chat_completion", "completion"):
        # Only a server has these modules; importing them would slow every other process down.
        module = sys.modules.get(f"vllm.entrypoints.openai.{name}.protocol")
        for kind in vars(module).values() if module else ():
            if isinstance(kind, type) and "to_beam_search_params" in vars(kind):
                kind.to_beam_search_params = _unsteered_only(kind.to_beam_search_params)  # type: ignore[attr-defined]


def _unsteered_only(to_params: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(to_params)
    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        from trimtab.engines.vllm.spec import KEY

        if KEY in (getattr(self, "vllm_xargs", None) or {}):
            from vllm.exceptions import VLLMValidationError

            raise VLLMValidationError(f"{KEY}: beam search is not steered; ask without it")
        return to_params(self, *args, **kwargs)

    return refuse


def admit(processor: Any, params: Any) -> None:
    """Refuse a request whose steering cannot be done.

    Raises:
        vllm.exceptions.VLLMValidationError: with what is wrong; vLLM's servers answer it as a bad request.
    """
    from trimtab.engines.vllm.settings import plugin_settings
    from trimtab.engines.vllm.spec import KEY, parse_spec

    given = (getattr(params, "extra_args", None) or {}).get(KEY)
    if given is None:
        return
    try:
        require_supported()
        vectors, spec = vectors_of(processor), parse_spec(given)
        settings = plugin_settings(processor.vllm_config.additional_config)
        if spec.read is not None and not (settings and settings.reads):
            raise SettingError("this server keeps no states: nobody could fetch them, and they would wait for ever")
        vectors.intervention(spec)
    except TrimtabError as error:
        from vllm.exceptions import VLLMValidationError

        raise VLLMValidationError(str(error)) from None


def vectors_of(processor: Any) -> Vectors:
    """The vectors that an engine's door knows.

    Raises:
        SettingError: when the engine was not started to steer.
    """
    from trimtab.engines.vllm.settings import plugin_settings
    from trimtab.engines.vllm.spec import KEY
    from trimtab.engines.vllm.store import Vectors

    if not hasattr(processor, "trimtab_vectors"):
        config = processor.vllm_config
        settings = plugin_settings(config.additional_config)
        if settings is None:
            raise SettingError(
                f"this server does not steer: start it with --additional-config '{{\"{KEY}\": {{}}}}' and, on a GPU, "
                "VLLM_USE_V2_MODEL_RUNNER=0"
            )
        count = int(config.model_config.hf_text_config.num_hidden_layers)
        folder = Path(settings.vectors) if settings.vectors else None
        processor.trimtab_vectors = Vectors(count, int(config.model_config.get_hidden_size()), folder)
    vectors: Vectors = processor.trimtab_vectors
    return vectors
