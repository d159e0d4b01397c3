"""steering-lite: safetensors with `layer15.v`, and other letters for methods that are not plain directions."""

from __future__ import annotations

import re
from typing import ClassVar

from torch import Tensor

from trimtab.vectors.formats._containers import number_tensor
from trimtab.vectors.formats.base import AS_IS, Container, Directions, Match, VectorFile, VectorFormat, Wanted, only

_NAME = re.compile(r"layer(?P<layer>\d{1,6})\.(?P<part>\w{1,40})")


class SteeringLite(VectorFormat):
    """A tensor for each layer and part, and the settings in the header."""

    title: ClassVar[str] = "steering-lite"
    containers: ClassVar[frozenset[Container]] = frozenset({"safetensors"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By its names and the `cfg` in its header."""
        fits = "cfg" in file.entries and file.content and all(_NAME.fullmatch(name) for name in file.content)
        return Match.CERTAIN if fits else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Layers as they are.

        Raises:
            VectorError: for a method with other parts than `v`: what it does is no push along one direction.
        """
        rows: dict[int, Tensor] = {}
        for name, value in file.content.items():
            match, row = _NAME.fullmatch(name), number_tensor(value)
            if match is None or match["part"] != "v":
                raise file.fault(f"{name[:60]!r} is of a method that is no push along one direction (layerN.v)")
            if row is None or row.dim() != 1:
                raise file.fault(f"{name[:60]!r} is no direction [d_model]")
            rows[int(match["layer"])] = row
        about = file.entries.get("cfg", "")
        notes = (f"its settings: {about[:200]}",) if about else ()
        return Directions(only(dict(sorted(rows.items())), wanted), AS_IS, notes=notes)


STEERING_LITE = SteeringLite()
