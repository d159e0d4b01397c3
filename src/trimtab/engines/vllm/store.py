"""Vectors that a vLLM process knows by name: registered by a client, or safetensors files in one folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from trimtab.engines.vllm.spec import Push, Spec
from trimtab.errors import SettingError, VectorError, shortened
from trimtab.steering import Gate, Intervention
from trimtab.vectors import SteeringVector

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_name(name: str) -> bool:
    """Whether a file of a folder can have that name; it is never a path, so nothing outside of it can be meant."""
    return bool(_NAME.fullmatch(name))


@dataclass(frozen=True, eq=False)
class Known:
    """A vector as a server holds it."""

    directions: Mapping[int, Tensor]
    """Layer → raw direction [d_model] float32."""
    gate: Gate | None = None


@dataclass
class Vectors:
    """Vectors by name. One that is known never changes: keys and values it has steered are remembered by its name."""

    layers: int
    width: int
    folder: Path | None = None
    _known: dict[str, Known] = field(default_factory=dict)

    def add(self, name: str, content: bytes) -> None:
        """Take in what `packed` made.

        Raises:
            VectorError: when it is something else, for a model of another shape, or the name stands for another vector.
        """
        vector = unpacked(content)
        for layer, direction in vector.directions.items():
            if not 0 <= layer < self.layers or tuple(direction.shape) != (self.width,):
                raise VectorError(
                    f"{name}: layer {layer} × {list(direction.shape)} does not fit a model of "
                    f"{self.layers} layers × {self.width}"
                )
        known = self._known.setdefault(name, vector)
        if known is not vector and packed(known.directions, known.gate) != packed(vector.directions, vector.gate):
            raise VectorError(f"{name} is the name of another vector already")

    def drop(self, name: str) -> None:
        """Forget a vector; the caller knows that no request uses it any more."""
        self._known.pop(name, None)

    def get(self, name: str) -> Known:
        """A vector by name; from the folder when it is asked for first.

        Raises:
            SettingError: when there is none of that name.
            VectorError: when its file cannot be read or is for a model of another shape.
        """
        if name not in self._known:
            self._known[name] = self._read(name)
        return self._known[name]

    def _read(self, name: str) -> Known:
        if self.folder is None:
            raise SettingError(f"no vector {name!r} is registered, and this server was given no folder of vectors")
        file = self.folder / f"{name}.safetensors"
        if not is_name(name) or not file.is_file():
            names = sorted(p.stem for p in self.folder.glob("*.safetensors"))
            raise SettingError(f"no vector {name[:130]!r}; the folder has {', '.join(shortened(names)) or 'none'}")
        if file.resolve().parent != self.folder.resolve():
            raise SettingError(f"the vector {name!r} is a link out of the folder of vectors; put the file itself there")
        vector = SteeringVector.load(file)
        if tuple(vector.direction.shape) != (self.layers, self.width):
            raise VectorError(
                f"{file.name} is for a model of {vector.n_layers} layers × {vector.direction.shape[1]}; "
                f"this one has {self.layers} × {self.width}"
            )
        return Known(dict(enumerate(vector.direction.float())))

    def intervention(self, spec: Spec) -> Intervention | None:
        """What a request asks for, with its vectors.

        Raises:
            SettingError: for an unknown vector, or a layer that the model or the vector does not have.
            VectorError: when a vector's file cannot be used.
        """
        whole: Intervention | None = None
        for push in reversed(spec.pushes):
            whole = self._one(push, spec, whole)
        for layer in spec.read.layers if spec.read else ():
            self._require_layer(layer)
        return whole

    def _one(self, push: Push, spec: Spec, also: Intervention | None) -> Intervention:
        known = self.get(push.vector)
        for layer in (*push.layers, *([] if push.vector_layer is None else [push.vector_layer])):
            self._require_layer(layer)
        directions = {}
        for layer in push.layers:
            source = layer if push.vector_layer is None else push.vector_layer
            if source not in known.directions:
                raise SettingError(f"the vector {push.vector!r} has no direction at layer {source}")
            directions[layer] = known.directions[source]
        return Intervention(directions, push.strength, push.scale, spec.positions, spec.first_token, known.gate, also)

    def _require_layer(self, layer: int) -> None:
        if not 0 <= layer < self.layers:
            raise SettingError(f"layer {layer} is out of range: this model has layers 0 to {self.layers - 1}")


def packed(directions: Mapping[int, Tensor], gate: Gate | None) -> bytes:
    """Directions, and what gates them, as the bytes of a safetensors file."""
    tensors = {f"direction.{layer}": v.float().contiguous().cpu() for layer, v in directions.items()}
    if gate is not None:
        tensors["threshold"] = torch.tensor(gate.threshold, dtype=torch.float64)
        for layer in directions:
            tensors[f"gate.{layer}"] = gate.weight[layer].float().contiguous().cpu()
            tensors[f"bias.{layer}"] = torch.tensor(gate.bias[layer], dtype=torch.float64)
    # One tensor may stand for several layers, which safetensors refuses.
    return save({name: tensor.clone() for name, tensor in tensors.items()})


def unpacked(content: bytes) -> Known:
    """What `packed` made.

    Raises:
        VectorError: when the bytes are something else.
    """
    try:
        tensors = load(content)
        of: dict[str, dict[int, Tensor]] = {"direction": {}, "gate": {}, "bias": {}}
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
    return Known(of["direction"], gate)
