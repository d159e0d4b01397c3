"""Loading a model and its tokenizer, ready to be read and steered."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from trimtab.errors import ModelError, TrimtabError
from trimtab.inputs.bounded_files import exists, expand_user
from trimtab.models._checkpoint import checkpoint_fingerprint
from trimtab.models._completeness import load_whole
from trimtab.models.architecture import locate_modules
from trimtab.models.backbone import Backbone, Identity
from trimtab.models.bundled import BUNDLED, describe_source, resolve
from trimtab.models.context import context_of
from trimtab.models.facts import Facts, facts_of
from trimtab.models.fingerprint import fingerprint_of, sampled, weights_of
from trimtab.models.kinds.adapters import Adapter, adapter_state, find_adapter, unwrapped, with_adapter
from trimtab.models.kinds.device_maps import Device, device_map_for, main_device, offload_folder
from trimtab.models.kinds.multimodal import class_for, text_tokenizer, with_processor_template
from trimtab.models.kinds.placement import input_device
from trimtab.models.kinds.quantization import (
    Quantization,
    check_quantization,
    is_quantized,
    quantization_config,
    require_plain,
)
from trimtab.models.kinds.tensor_parallel import check_division, divided_options
from trimtab.models.precision import DType, choose_dtype
from trimtab.models.quiet import quiet_loading
from trimtab.models.streaming.layer_stream import LayerStream
from trimtab.models.streaming.stream_choice import Wanted, load_if_streamed, plan_if_streamed
from trimtab.models.streaming.stream_plan import StreamPlan
from trimtab.models.streaming.streamed_model import sampling, skeleton_of


def load_backbone(
    name: str = BUNDLED,
    *,
    dtype: DType | torch.dtype = "auto",
    device: Device = "auto",
    trust_remote_code: bool = False,
    quantization: Quantization = "",
    tensor_parallel: bool = False,
    stream: bool | None = None,
) -> Backbone:
    """Load a model by the bundled name, hub id, folder or GGUF file; or an adapter, with the model under it.

    With `stream`, the decoder layers stay in its files and are read when they are needed; None does so where the whole
    model does not fit into memory.

    Raises:
        ModelError: when it cannot be found or read, or is not a causal language model trimtab understands.
        SettingError: for an unknown dtype or quantization, a device that is not there, or a mapping that does not fit.
    """
    check_division(tensor_parallel, device, quantization)
    place = main_device(device)
    number_format = choose_dtype(dtype, place)
    check_quantization(quantization)
    with quiet_loading(), _explained(name):
        from transformers import AutoConfig

        path = resolve(name)
        adapter = find_adapter(path)
        base = path if adapter is None else _base_of(name, adapter.base)
        config = AutoConfig.from_pretrained(base, trust_remote_code=trust_remote_code)
        tokenizer = _tokenizer(path, base, trust_remote_code)
        wanted = Wanted(
            name=name,
            base=base,
            config=config,
            dtype=number_format,
            place=place,
            device=device,
            quantization=quantization,
            adapted=adapter is not None,
            divided=tensor_parallel,
            trust_remote_code=trust_remote_code,
        )
        found = load_if_streamed(stream, wanted)
        model, layers = (_load_all(wanted, adapter), None) if found is None else found
        # Numbers stored in float32 are others in float16, but the model is the same.
        plain = number_format == torch.float16 and adapter is None and not is_quantized(model)
        fingerprint = checkpoint_fingerprint(_files_of(path), model) if plain else ""
    return wrap(model, tokenizer, name=name, source=describe_source(name), fingerprint=fingerprint, stream=layers)


def _load_all(wanted: Wanted, adapter: Adapter | None) -> Any:
    """The whole model in memory, with its adapter."""
    load = functools.partial(class_for(wanted.config).from_pretrained, wanted.base)
    options: dict[str, Any] = {"dtype": wanted.dtype, "trust_remote_code": wanted.trust_remote_code}
    if wanted.quantization:
        require_plain(wanted.name, wanted.config)
        options["quantization_config"] = quantization_config(wanted.quantization, wanted.dtype)
    empty = functools.cache(lambda: skeleton_of(wanted.config, wanted.trust_remote_code))
    with _understood(wanted.name, None):
        options |= divided_options(adapter, empty()) if wanted.divided else {}
        spread = None
        if not wanted.divided:
            spread = device_map_for(wanted.name, wanted.device, wanted.place, wanted.dtype, empty)
    if wanted.quantization and spread is None:
        spread = {"": str(wanted.place)}
    with offload_folder(spread) as offload:
        if spread is not None:
            options |= {"device_map": spread, "offload_folder": offload and offload.path}
        model = load_whole(load, wanted.name if adapter is None else adapter.base, **options)
        if offload is not None:
            offload.belong_to(model)
    # Quantized models refuse to be moved.
    if spread is None and not wanted.divided and model.device != torch.empty(0, device=wanted.place).device:
        model.to(wanted.place)
    if adapter is not None:
        model = with_adapter(model, adapter, wanted.name)
    return model.eval().requires_grad_(False)


def wrap(
    model: Any,
    tokenizer: Any,
    *,
    name: str,
    source: str = "",
    fingerprint: str = "",
    stream: LayerStream | None = None,
) -> Backbone:
    """Take apart a transformers model that is already in memory, and leave it as it is.

    Args:
        model: a causal language model of any class; of a compiled, PEFT-wrapped or data-parallel one, the model inside.
        tokenizer: its own, or a processor that has it.
        name: what to call it.
        source: where it is from; the name by default.
        fingerprint: where it is known already.
        stream: of its decoder layers, where they are not in memory.

    Raises:
        ModelError: when trimtab does not understand its architecture, naming model and class.
    """
    with quiet_loading(), _understood(name, model):
        model, tokenizer = unwrapped(model), text_tokenizer(tokenizer)
        if stream is None:
            anatomy, seen = locate_modules(model), {}
        else:
            with sampling(model, stream) as seen:
                anatomy = locate_modules(model, stream.present)
            stream.require_fixed()
        samples = (seen[key] if key in seen else sampled(weight) for key, weight in weights_of(model))
        return Backbone(
            name=name,
            source=source or name,
            model=model,
            tokenizer=tokenizer,
            facts=facts_of(model),
            anatomy=anatomy,
            fingerprint=fingerprint or fingerprint_of(model.config, samples, adapter_state(model)),
            device=input_device(model),
            dtype=model.get_input_embeddings().weight.dtype,
            ends=_ends(tokenizer, getattr(model, "generation_config", None)),
            context=context_of(model),
            stream=stream,
        )


def peek(name: str, *, trust_remote_code: bool = False, offline: bool = False) -> tuple[Facts, Any]:
    """Architecture facts and tokenizer of a model, without loading its weights; `offline` asks the hub's cache only."""
    with quiet_loading(), _explained(name):
        path = resolve(name)
        adapter = find_adapter(path)
        base = path if adapter is None else _base_of(name, adapter.base)
        model, tokenizer = _without_weights(path, base, trust_remote_code, offline)
        with _understood(name, model):
            return facts_of(model), tokenizer


def peek_stream(
    name: str,
    *,
    stream: bool | None,
    dtype: torch.dtype,
    place: torch.device,
    device: Device = "auto",
    quantization: Quantization = "",
    offline: bool = False,
) -> StreamPlan | None:
    """How a model would be streamed if it were loaded now; None where it would be held whole.

    Arguments are those of `load_backbone`, with the `dtype` and `place` that passes compute in; `offline` asks the
    hub's cache only. What loading would raise before it reads weights is raised here.
    """
    with quiet_loading(), _explained(name):
        from transformers import AutoConfig

        path = resolve(name)
        adapter = find_adapter(path)
        base = path if adapter is None else _base_of(name, adapter.base)
        wanted = Wanted(
            name=name,
            base=base,
            config=AutoConfig.from_pretrained(base, local_files_only=offline),
            dtype=dtype,
            place=place,
            device=device,
            quantization=quantization,
            adapted=adapter is not None,
            divided=False,
            trust_remote_code=False,
        )
        return plan_if_streamed(stream, wanted)


def identify(name: str, *, dtype: torch.dtype, device: torch.device, trust_remote_code: bool = False) -> Identity:
    """What a model is, for an engine that holds its weights; they are on this machine's disk already.

    Raises:
        ModelError: when it cannot be found or read.
    """
    with quiet_loading(), _explained(name):
        from transformers import GenerationConfig

        path = resolve(name)
        model, tokenizer = _without_weights(path, path, trust_remote_code, offline=False)
        folder = _files_of(path)
        generation = None
        if (folder / "generation_config.json").is_file():
            generation = GenerationConfig.from_pretrained(folder)
        return Identity(
            name=name,
            source=describe_source(name),
            tokenizer=tokenizer,
            facts=facts_of(model),
            fingerprint=checkpoint_fingerprint(folder, model),
            device=device,
            dtype=dtype,
            ends=_ends(tokenizer, generation),
            context=context_of(model),
        )


def _files_of(path: str) -> Path:
    """The folder of a model that is on this machine's disk, in the hub's cache for example."""
    from huggingface_hub import snapshot_download

    if Path(path).is_dir():
        return Path(path)
    return Path(snapshot_download(path, local_files_only=True, allow_patterns=["*.safetensors", "*.json"]))


def _without_weights(path: str, base: str, trust_remote_code: bool, offline: bool) -> tuple[Any, Any]:
    """A transformers model on the meta device, and its tokenizer; of an adapter, those of its base model."""
    from transformers import AutoConfig

    options = {"trust_remote_code": trust_remote_code, "local_files_only": offline}
    config = AutoConfig.from_pretrained(base, **options)
    return skeleton_of(config, trust_remote_code), _tokenizer(path, base, trust_remote_code, local_files_only=offline)


def _tokenizer(path: str, base: str, trust_remote_code: bool, **options: Any) -> Any:
    """The tokenizer of a model; an adapter may bring its own."""
    from transformers import AutoTokenizer

    own = path != base and Path(path).is_dir() and not (Path(path) / "tokenizer_config.json").is_file()
    source = base if own else path
    tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=trust_remote_code, **options)
    return with_processor_template(tokenizer, Path(source))


def _base_of(name: str, base: str) -> str:
    try:
        return resolve(base)
    except ModelError as error:
        raise ModelError(
            f"model {name!r} is an adapter for {base!r}, which its adapter_config.json names: {error}"
        ) from error


def _ends(tokenizer: Any, generation_config: Any) -> frozenset[int]:
    """Tokens that end a text: the tokenizer's, and those of the model's settings for generation."""
    given = getattr(generation_config, "eos_token_id", None)
    ends = [tokenizer.eos_token_id, *(given if isinstance(given, list) else [given])]
    return frozenset(int(token) for token in ends if token is not None)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Translate what transformers and the hub raise, in this one place."""
    try:
        yield
    except TrimtabError:
        raise
    except Exception as error:  # transformers, tokenizers, safetensors and the hub raise whatever they like
        if isinstance(error, OSError) and not exists(expand_user(name)):
            raise ModelError(
                f"model {name!r}: neither a folder here nor a model that could be fetched from the hub. "
                f"The bundled one is called {BUNDLED!r}. ({_first_line(error)})"
            ) from error
        raise ModelError(f"model {name!r} cannot be loaded: {_first_line(error)}") from error


@contextmanager
def _understood(name: str, model: Any) -> Iterator[None]:
    """Explain what goes wrong with an architecture: whatever a foreign class raises while it is looked at and tried."""
    about = f"model {name!r}" + (f" ({type(model).__name__})" if model is not None else "")
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{about}: {error}") from error
    except TrimtabError:
        raise
    except Exception as error:  # configurations lack any key, and forward passes fail in any way
        raise ModelError(
            f"{about}: trimtab does not understand this architecture. It needs a causal language model made of decoder "
            f"layers, which runs on token ids alone. ({type(error).__name__}: {_first_line(error)})"
        ) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
