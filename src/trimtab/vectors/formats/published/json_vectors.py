"""Vectors in JSON: Neuronpedia's, of one layer and hook, and the `.svec` files of IBM's activation-steering."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from trimtab.errors import SettingError
from trimtab.vectors.formats._containers import number_tensor
from trimtab.vectors.formats.base import (
    AS_IS,
    Container,
    Directions,
    Match,
    VectorFile,
    VectorFormat,
    Wanted,
    layer_of_hook,
    only,
)


class Neuronpedia(VectorFormat):
    """An object with `layerNumber`, `hookType` and `vector`."""

    title: ClassVar[str] = "Neuronpedia"
    containers: ClassVar[frozenset[Container]] = frozenset({"json"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By its keys."""
        return Match.CERTAIN if {"vector", "layerNumber", "hookType"} <= file.content.keys() else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """The layer behind, or the one before the block at whose input the hook is.

        Raises:
            VectorError: for another hook, or damaged fields.
            SettingError: when another layer is asked for.
        """
        block, hook = file.content.get("layerNumber"), file.content.get("hookType")
        if not isinstance(block, int) or isinstance(block, bool) or block < 0:
            raise file.fault(f"layerNumber {block!r:.40} is no layer")
        layer, layer_map = layer_of_hook(file, str(hook), block)
        row = number_tensor(file.content.get("vector"))
        if row is None:
            raise file.fault("its vector is no list of numbers")
        if wanted.layer not in (None, layer):
            raise SettingError(f"{file.path}: of layer {layer}, not {wanted.layer}")
        strength = file.content.get("vectorDefaultSteerStrength")
        is_number = isinstance(strength, int | float) and not isinstance(strength, bool)
        return Directions(
            {layer: row},
            layer_map,
            behavior=str(file.content.get("vectorLabel") or ""),
            model=str(file.content.get("modelId") or ""),
            notes=(f"its default strength on Neuronpedia: {strength:g}",) if is_number else (),
        )


class ActivationSteering(VectorFormat):
    """An object with `directions`, lists of numbers by layer."""

    title: ClassVar[str] = "activation-steering"
    containers: ClassVar[frozenset[Container]] = frozenset({"json"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By its keys."""
        return Match.CERTAIN if isinstance(file.content.get("directions"), dict) else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Layers as they are.

        Raises:
            VectorError: for directions that are no lists of numbers by layer.
        """
        rows: dict[int, Tensor] = {}
        found = file.content.get("directions")
        for name, value in (found if isinstance(found, dict) else {}).items():
            row = number_tensor(value)
            if not name.isdecimal() or len(name) > 6 or row is None:
                raise file.fault(f"directions[{name[:40]!r}] is no list of numbers of a layer")
            rows[int(name)] = row
        if not rows:
            raise file.fault("holds no directions")
        kind = str(file.content.get("model_type") or "")
        return Directions(
            only(dict(sorted(rows.items())), wanted),
            AS_IS,
            method="pca",
            notes=(f"its model_type is {kind[:80]!r}, a kind of model and not a model",) if kind else (),
        )


NEURONPEDIA = Neuronpedia()
ACTIVATION_STEERING = ActivationSteering()
