"""Files of a single direction whose name says the layer: CAA's `vec_layer_15_…pt` and BiPO's `vec_ep20_layer15.pt`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from trimtab.vectors.formats._containers import load_torch, number_tensor
from trimtab.vectors.formats.base import (
    AS_IS,
    Container,
    Directions,
    Match,
    VectorFile,
    VectorFormat,
    Wanted,
    layer_of_one,
    only,
)


class LayerFiles(VectorFormat):
    """A file, or a folder with one for each layer."""

    containers: ClassVar[frozenset[Container]] = frozenset({"torch", "folder"})

    def __init__(self, title: str, name: str, method: str):
        """A tool, and the pattern of its names with a group `layer`, and `rest` for what files of one vector share."""
        self.title = title  # type: ignore[misc]  # an instance for each tool
        self._name, self._method = re.compile(name), method

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By the name."""
        if file.container == "folder":
            return Match.CERTAIN if any(self._name.fullmatch(name) for name in file.content) else Match.NO
        row = number_tensor(file.content)
        fits = row is not None and row.dim() == 1 and self._name.fullmatch(file.path.name)
        return Match.CERTAIN if fits else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """The layer of the name, as it is.

        Raises:
            VectorError: for what is no direction, or a folder with vectors of several models.
            SettingError: for a name without a layer, where none is given.
        """
        if file.container == "folder":
            return self._found(only(self._folder(file, file.content), wanted))
        name = self._name.fullmatch(file.path.name)
        row = number_tensor(file.content)
        if row is None or row.dim() != 1:
            raise file.fault(f"holds no direction [d_model], as a file of {self.title} does")
        return self._found({layer_of_one(file, wanted, int(name["layer"]) if name else None): row})

    def _folder(self, folder: VectorFile, files: Mapping[str, Path]) -> dict[int, Tensor]:
        rows: dict[int, Tensor] = {}
        shared = set()
        for name, path in files.items():
            if (match := self._name.fullmatch(name)) is None:
                continue
            row = number_tensor(load_torch(path))
            if row is None or row.dim() != 1:
                raise folder.fault(f"{name} holds no direction [d_model]")
            rows[int(match["layer"])] = row
            shared.add(match["rest"])
        if len(shared) > 1:
            raise folder.fault(
                f"holds vectors of several models or epochs ({', '.join(sorted(shared)[:5])}); part them"
            )
        if not rows:
            raise folder.fault(f"holds no file of {self.title}")
        return dict(sorted(rows.items()))

    def _found(self, rows: Mapping[int, Tensor]) -> Directions:
        return Directions(rows, AS_IS.replace("layer N of the file", "layer N of the file's name"), method=self._method)


CAA = LayerFiles("CAA", r"vec_layer_(?P<layer>\d{1,6})_?(?P<rest>.*)\.pt", "mean")
BIPO = LayerFiles("BiPO", r"vec_ep(?P<rest>\d+)_layer(?P<layer>\d{1,6})\.pt", "bipo")
