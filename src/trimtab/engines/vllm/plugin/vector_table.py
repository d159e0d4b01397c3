"""Vectors that a vLLM process knows, each by a name that is made from its content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from trimtab.engines.vllm.wire.spec import Push, Spec
from trimtab.errors import SettingError, VectorError
from trimtab.steering import SCALES, Gate, Intervention, require_layers
from trimtab.vectors import STATISTICS


@dataclass(frozen=True, eq=False)
class Known:
    """A vector as a server holds it."""

    directions: Mapping[int, Tensor]
    """Layer → raw direction [d_model] float32."""
    gate: Gate | None = None
    statistics: Mapping[str, Mapping[int, Tensor]] = field(default_factory=dict)
    """A name of `trimtab.vectors.STATISTICS` → layer → [d_model] float32."""


@dataclass
class Vectors:
    """Vectors by name. One that is known never changes: keys and values it has steered are remembered by its name."""

    layers: int
    width: int
    _known: dict[str, Known] = field(default_factory=dict)

    def add(self, name: str, content: bytes) -> None:
        """Take in what `packed` made, under the name that `content_name` gives it.

        Raises:
            VectorError: when it is something else, for a model of another shape, or the name stands for another vector.
        """
        if name != content_name(content):
            raise VectorError(f"{name} is not the name of this vector")
        if name in self._known:
            return
        vector = unpacked(content)
        rows = [*vector.directions.items(), *(row for one in vector.statistics.values() for row in one.items())]
        for layer, direction in rows:
            if not 0 <= layer < self.layers or tuple(direction.shape) != (self.width,):
                raise VectorError(
                    f"{name}: layer {layer} × {list(direction.shape)} does not fit a model of "
                    f"{self.layers} layers × {self.width}"
                )
        self._known[name] = vector

    def __contains__(self, name: str) -> bool:
        """Whether a vector is known."""
        return name in self._known

    def drop(self, name: str) -> None:
        """Forget a vector; the caller knows that no request uses it any more."""
        self._known.pop(name, None)

    def get(self, name: str) -> Known:
        """A vector by name.

        Raises:
            SettingError: when there is none of that name.
        """
        if name not in self._known:
            raise SettingError(f"no vector {name[:130]!r} is registered")
        return self._known[name]

    def intervention(self, spec: Spec) -> Intervention | None:
        """What a request asks for, with its vectors.

        Raises:
            SettingError: for an unknown vector, or a layer that the model or the vector does not have.
        """
        whole: Intervention | None = None
        for push in reversed(spec.pushes):
            whole = self._one(push, spec, whole)
        require_layers(spec.read.layers if spec.read else (), self.layers)
        return whole

    def _one(self, push: Push, spec: Spec, also: Intervention | None) -> Intervention:
        known = self.get(push.vector)
        require_layers((*push.layers, *([] if push.vector_layer is None else [push.vector_layer])), self.layers)
        directions = {}
        for layer in push.layers:
            source = layer if push.vector_layer is None else push.vector_layer
            if source not in known.directions:
                raise SettingError(f"the vector {push.vector!r} has no direction at layer {source}")
            directions[layer] = known.directions[source]
        statistics = {name: known.statistics.get(name, {}) for name in SCALES.get(push.scale).needs}
        for name, rows in statistics.items():
            if missing := [layer for layer in push.layers if layer not in rows]:
                raise SettingError(
                    f"the scale {push.scale} needs {STATISTICS[name]}, which the vector {push.vector[:130]!r} does not "
                    f"have at layer {missing[0]}; extract it again and publish it under another name"
                )
        return Intervention(
            directions, push.strength, push.scale, spec.positions, spec.first_token, known.gate, also, statistics
        )


def content_name(content: bytes) -> str:
    """The name of what `packed` made: the same for the same numbers, and no other."""
    return hashlib.sha256(content).hexdigest()[:32]


def packed(
    directions: Mapping[int, Tensor],
    gate: Gate | None,
    statistics: Mapping[str, Mapping[int, Tensor]] = MappingProxyType({}),
) -> bytes:
    """Directions, what gates them, and what scales need besides, as the bytes of a safetensors file."""
    tensors = {f"direction.{layer}": v.float().contiguous().cpu() for layer, v in directions.items()}
    if gate is not None:
        tensors["threshold"] = torch.tensor(gate.threshold, dtype=torch.float64)
        for layer in directions:
            tensors[f"gate.{layer}"] = gate.weight[layer].float().contiguous().cpu()
            tensors[f"bias.{layer}"] = torch.tensor(gate.bias[layer], dtype=torch.float64)
    for name, rows in statistics.items():
        tensors |= {f"{name}.{layer}": rows[layer].float().contiguous().cpu() for layer in rows}
    # One tensor may stand for several layers, which safetensors refuses.
    return save({name: tensor.clone() for name, tensor in tensors.items()})


def unpacked(content: bytes) -> Known:
    """What `packed` made.

    Raises:
        VectorError: when the bytes are something else.
    """
    try:
        tensors = load(content)
        of: dict[str, dict[int, Tensor]] = {name: {} for name in ("direction", "gate", "bias", *STATISTICS)}
        for name in tensors.keys() - {"threshold"}:
            kind, layer = name.split(".")
            of[kind][int(layer)] = tensors[name]
        gate = None
        if "threshold" in tensors:
            gate = Gate(of["gate"], {k: float(v) for k, v in of["bias"].items()}, float(tensors["threshold"]))
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise VectorError(f"not a vector ({error})") from None
    if not of["direction"]:
        raise VectorError("not a vector (it has no directions)")
    return Known(of["direction"], gate, {name: of[name] for name in STATISTICS if of[name]})
