"""Which tensors of a checkpoint make up which weights of which layer, by transformers' own rules."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.errors import ModelError
from trimtab.models.streaming._read_buffers import ALIGNMENT, ReadBuffers
from trimtab.models.streaming._tensor_files import StoredTensor


class NotStreamable(ModelError):
    """A model whose layers cannot be read from its files one at a time; loaded whole, it may work."""


@dataclass
class Part:
    """Tensors of a checkpoint that one weight, or a few, are made from."""

    target: str
    """The weight's name in the model; the first of them."""
    converter: Any = None
    """How transformers makes it from several tensors, as the experts of a mixture from one each; None: renamed only."""
    takes_stored: bool = False
    """Whether the converter takes tensors in the format that they are stored in, as one that dequantizes does."""
    sources: list[tuple[str, str]] = field(default_factory=list)
    """Names in the checkpoint, and the converter's pattern that each fits."""

    def make(self, read: Callable[[str], Tensor], model: Any) -> dict[str, Tensor]:
        """The weights by their names in the model, from what `read` gives for a name in the checkpoint."""
        if self.converter is None:
            return {self.target: read(self.sources[0][0])}
        converter = copy.deepcopy(self.converter)
        for name, pattern in self.sources:
            converter.add_tensor(self.target, name, pattern, functools.partial(read, name))
        made = converter.convert(self.target, model=model, config=model.config)
        return {name: value[0] if isinstance(value, list) else value for name, value in made.items()}


def parts_of(model: Any, names: Iterable[str], quantizer: Any = None) -> list[Part]:
    """How transformers makes a model's weights from the tensors of a checkpoint.

    Args:
        model: Of transformers; it may be on the meta device.
        names: Of the checkpoint's tensors. Those that the model has no place for are left out.
        quantizer: Of transformers, for a checkpoint whose weights are dequantized when they are read.
    """
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, WeightRenaming, dot_natural_key, rename_source_key

    mapping = get_model_conversion_mapping(model, hf_quantizer=quantizer)
    renamings = [entry for entry in mapping if isinstance(entry, WeightRenaming)]
    converters = [entry for entry in mapping if isinstance(entry, WeightConverter)]
    by_pattern = {pattern: converter for converter in converters for pattern in converter.source_patterns}
    places, prefix = model.state_dict(), model.base_model_prefix
    parts: dict[str, Part] = {}
    for name in sorted(names, key=dot_natural_key):  # experts are stacked in this order
        target, pattern = rename_source_key(name, renamings, converters, prefix, places)
        if target not in places and name in places:
            target, pattern = rename_source_key(name, [], [], prefix, places)
        if target in places:
            converter = None if pattern is None else by_pattern[pattern]
            part = parts.setdefault(target, Part(target, converter, _dequantizes(converter, quantizer)))
            part.sources.append((name, pattern or ""))
    return list(parts.values())


def _dequantizes(converter: Any, quantizer: Any) -> bool:
    if converter is None or quantizer is None:
        return False
    operation = quantizer.get_load_operations().get("dequantize")
    return operation is not None and any(isinstance(one, operation) for one in converter.operations)


def streamed_names(model: Any, layers: Iterable[nn.Module]) -> list[list[str]]:
    """The weights of each layer that are its own: those shared between layers, or with other parts, stay in memory."""
    count: dict[int, int] = {}
    for _, parameter in model.named_parameters(remove_duplicate=False):
        count[id(parameter)] = count.get(id(parameter), 0) + 1
    tied = model.all_tied_weights_keys
    shared = {*tied, *tied.values()}
    names = {id(module): name for name, module in model.named_modules()}
    return [
        [
            f"{names[id(layer)]}.{name}"
            for name, parameter in layer.named_parameters(remove_duplicate=False)
            if count[id(parameter)] == 1 and f"{names[id(layer)]}.{name}" not in shared
        ]
        for layer in layers
    ]


class CheckpointLayer:
    """The weights of one layer in a checkpoint."""

    def __init__(
        self,
        model: Any,
        prefix: str,
        names: Sequence[str],
        parts: Sequence[Part],
        files: Mapping[str, StoredTensor],
        buffers: ReadBuffers,
    ):
        """Check on the meta device that the parts make these weights and no others.

        Args:
            model: With this layer's weights on the meta device, in the dtype that passes compute in.
            prefix: Of the layer's weights, such as `model.layers.3.`.
            names: Of the layer's weights in the model.
            parts: What they are made from.
            files: Every tensor of the checkpoint.
            buffers: What tensors are read into.

        Raises:
            NotStreamable: When the parts make other weights too, or not all of these.
        """
        self._model, self._prefix, self._parts, self._buffers = model, prefix, parts, buffers
        self._tensors = {name: files[name] for part in parts for name, _ in part.sources}
        self._dtypes = {
            part.target: None if part.takes_stored else model.get_parameter(part.target).dtype for part in parts
        }
        self.bytes = sum(tensor.bytes for tensor in self._tensors.values())
        self.footprint = sum(tensor.bytes + ALIGNMENT for tensor in self._tensors.values())
        """Bytes of buffers that all of its tensors take."""
        made = self._make(lambda tensor: torch.empty(tensor.shape, dtype=tensor.dtype, device="meta"))
        if other := sorted(made.keys() ^ set(names)):
            raise NotStreamable(
                f"{type(model).__name__} cannot be streamed: its checkpoint does not hold {prefix[:-1]} by itself "
                f"({other[0]} is made together with weights of other parts). Load it with stream=False"
            )

    def read(self) -> dict[str, Tensor]:
        """The layer's weights by their names in the layer.

        Raises:
            ModelError: When a file cannot be read, or changed since the model was loaded.
        """
        with ExitStack() as stack:
            files = dict.fromkeys(tensor.file for tensor in self._tensors.values())
            opened = {file: stack.enter_context(file.opened()) for file in files}
            made = self._make(lambda tensor: tensor.read(opened[tensor.file], self._buffers))
        return {name.removeprefix(self._prefix): tensor for name, tensor in made.items()}

    def _make(self, read: Callable[[StoredTensor], Tensor]) -> dict[str, Tensor]:
        made: dict[str, Tensor] = {}
        for part in self._parts:
            made |= part.make(functools.partial(self._cast, read, self._dtypes[part.target]), self._model)
        return made

    def _cast(self, read: Callable[[StoredTensor], Tensor], dtype: torch.dtype | None, name: str) -> Tensor:
        """A tensor of the checkpoint in the weight's dtype; as in transformers, before several are put together."""
        stored = read(self._tensors[name])
        return stored if dtype is None else stored.to(dtype)
