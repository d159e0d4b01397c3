"""Where requests come in: what they ask of steering is checked, and the vectors they name are brought to the workers.

A request that cannot be done gets an error of its own, and the engine continues; later, in a worker, an error would end
it for everybody. For the same reason workers read no files. What stands in the server's folder is read here, and
travels to them once, under a name made from its content.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from trimtab.engines.vllm.plugin.plugin_settings import plugin_settings
from trimtab.engines.vllm.plugin.seams import require_supported
from trimtab.engines.vllm.plugin.vector_table import Vectors, content_name, packed
from trimtab.engines.vllm.wire.spec import KEY, Push, Spec, is_name, parse_spec
from trimtab.errors import SettingError, TrimtabError, VectorError, shortened
from trimtab.vectors import SteeringVector


class Admission:
    """The vectors that a server's requests may name, and which of them its workers have."""

    def __init__(self, config: Any):
        """`config` is vLLM's own.

        Raises:
            SettingError: when the engine was not started to steer, or its folder of vectors is not there.
        """
        settings = plugin_settings(config.additional_config)
        if settings is None:
            raise SettingError(f"this server does not steer: start it with --additional-config '{{\"{KEY}\": {{}}}}'")
        count = int(config.model_config.hf_text_config.num_hidden_layers)
        self.reads = settings.reads
        self.folder = settings.folder()
        self.vectors = Vectors(count, int(config.model_config.get_hidden_size()))
        self.lock = asyncio.Lock()
        """Held while a vector is on its way to the workers."""
        self._undelivered: dict[str, bytes] = {}
        self._files: dict[str, tuple[tuple[int, int, int], str]] = {}
        """Of the folder's vectors that were asked for: which state of the file, and its content's name."""

    def admit(self, spec: Spec) -> Spec:
        """The same steering, with each vector named by its content.

        Raises:
            SettingError: for an unknown vector, a layer that the model does not have, a read that nobody could fetch.
            VectorError: when a vector's file cannot be used.
        """
        if spec.read is not None and not self.reads:
            raise SettingError("this server keeps no states: nobody could fetch them, and they would wait for ever")
        spec = replace(spec, pushes=tuple(replace(push, vector=self._content_of(push)) for push in spec.pushes))
        self.vectors.intervention(spec)
        return spec

    def to_deliver(self, spec: Spec) -> Iterator[tuple[str, bytes]]:
        """Name and content of what the workers have to be given before a request; each is done when the next comes."""
        for name in dict.fromkeys(push.vector for push in spec.pushes):
            if name in self._undelivered:
                yield name, self._undelivered[name]
                self._undelivered.pop(name, None)

    def _content_of(self, push: Push) -> str:
        name = push.vector
        if name in self.vectors:
            return name
        if self.folder is None:
            raise SettingError(f"no vector {name[:130]!r} is registered, and this server has no folder of vectors")
        file = self.folder / f"{name}.safetensors"
        if not is_name(name) or not file.is_file():
            names = sorted(p.stem for p in self.folder.glob("*.safetensors"))
            raise SettingError(f"no vector {name[:130]!r}; the folder has {', '.join(shortened(names)) or 'none'}")
        if file.resolve().parent != self.folder.resolve():
            raise SettingError(f"the vector {name!r} is a link out of the folder of vectors; put the file itself there")
        found = file.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        if self._files.get(name, (None,))[0] != stamp:
            self._files[name] = stamp, self._take_in(file)
        return self._files[name][1]

    def _take_in(self, file: Path) -> str:
        vector = SteeringVector.load(file)
        rows, width = vector.direction.shape
        deep_enough = rows == self.vectors.layers or (rows < self.vectors.layers and not vector.is_whole)
        if width != self.vectors.width or not deep_enough:
            raise VectorError(
                f"{file.name} is for a model of {rows} layers × {width}; "
                f"this one has {self.vectors.layers} × {self.vectors.width}"
            )
        layers = vector.layers
        statistics = {name: {layer: rows[layer] for layer in layers} for name, rows in vector.statistics.items()}
        content = packed({layer: vector.direction[layer] for layer in layers}, None, statistics)
        name = content_name(content)
        if name not in self.vectors:
            # In this order: another thread that finds the vector known must find it waiting as well.
            self._undelivered[name] = content
            self.vectors.add(name, content)
        return name


def admission_of(processor: Any) -> Admission:
    """The admission of an engine, by vLLM's input processor.

    Raises:
        SettingError: when the engine was not started to steer.
    """
    if not hasattr(processor, "trimtab_admission"):
        vars(processor).setdefault("trimtab_admission", Admission(processor.vllm_config))
    admission: Admission = processor.trimtab_admission
    return admission


def spec_in(params: Any) -> Spec | None:
    """What a request says of steering; None where it says nothing.

    Raises:
        SettingError: for anything that is not a spec.
    """
    given = (getattr(params, "extra_args", None) or {}).get(KEY)
    return None if given is None else parse_spec(given)


def admitted(processor: Any, params: Any, resumable: bool = False) -> Any:
    """A request's parameters as the engine is to have them; the caller's own stay as they are.

    Args:
        processor: vLLM's input processor.
        params: its sampling parameters.
        resumable: whether the request's text may continue later, under other parameters.

    Raises:
        vllm.exceptions.VLLMValidationError: with what is wrong; vLLM's servers answer it as a bad request.
    """
    try:
        spec = spec_in(params)
        if spec is None:
            return params
        require_supported()
        admission = admission_of(processor)
        if resumable:
            raise SettingError(f"{KEY}: a request whose text comes bit by bit is not steered")
        known = admission.admit(spec)
        if known == spec:  # named by content already, as the client in this process does
            return params
    except TrimtabError as error:
        from vllm.exceptions import VLLMValidationError

        raise VLLMValidationError(str(error)) from None
    params = params.clone()
    params.extra_args = {**params.extra_args, KEY: known.to_json()}
    return params


def deliver(engine: Any, params: Any) -> None:
    """Bring to an `LLMEngine`'s workers what an admitted request names."""
    if (spec := spec_in(params)) is not None:
        for name, content in admission_of(engine.input_processor).to_deliver(spec):
            engine.collective_rpc("trimtab_register", args=(name, content))


async def deliver_async(engine: Any, params: Any) -> None:
    """Bring to an `AsyncLLM`'s workers what an admitted request names."""
    if (spec := spec_in(params)) is not None:
        admission = admission_of(engine.input_processor)
        async with admission.lock:
            for name, content in admission.to_deliver(spec):
                await engine.collective_rpc("trimtab_register", args=(name, content))
