"""refusal_direction: `direction.pt`, a tensor `[d_model]`, and beside it `direction_metadata.json` (`pos`, `layer`).

The direction was read before block `layer`, by a hook on its input (`pipeline/submodules/generate_directions.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from trimtab.errors import SettingError
from trimtab.vectors.formats._containers import json_beside, load_torch, number_tensor
from trimtab.vectors.formats.base import (
    Container,
    Directions,
    Match,
    VectorFile,
    VectorFormat,
    Wanted,
    after_input_of,
)

_TENSOR, _FACTS = "direction.pt", "direction_metadata.json"


class RefusalDirection(VectorFormat):
    """The tensor, or the folder of both files."""

    title: ClassVar[str] = "refusal_direction"
    containers: ClassVar[frozenset[Container]] = frozenset({"torch", "folder"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By the names of both files."""
        folder = _folder(file)
        named = file.container == "folder" or file.path.name == _TENSOR
        return Match.CERTAIN if named and (folder / _TENSOR).is_file() and (folder / _FACTS).is_file() else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """The layer before the block at whose input it was read.

        Raises:
            VectorError: when a file is missing or damaged, or the input is the embeddings.
            SettingError: when another layer is asked for.
        """
        folder = _folder(file)
        if not (folder / _FACTS).is_file():
            raise file.fault(f"there is no {_FACTS} beside it, which says the layer")
        facts = json_beside(folder / _FACTS)
        block = facts.get("layer") if isinstance(facts, dict) else None
        if not isinstance(block, int) or isinstance(block, bool) or block < 0:
            raise file.fault(f"{_FACTS} says no layer")
        row = number_tensor(load_torch(folder / _TENSOR) if file.container == "folder" else file.content)
        if row is None or row.dim() != 1:
            raise file.fault("holds no direction [d_model]")
        layer = after_input_of(block, file)
        if wanted.layer not in (None, layer):
            raise SettingError(f"{file.path}: of layer {layer} (the input of block {block}), not {wanted.layer}")
        return Directions(
            {layer: row},
            f"layer {block} of {_FACTS} is the input of block {block}: the output of block {layer}, layer {layer} here",
            method="mean",
            token_position=f"position {facts['pos']}" if isinstance(facts.get("pos"), int) else "",
        )


def _folder(file: VectorFile) -> Path:
    return file.path if file.container == "folder" else file.path.parent


REFUSAL_DIRECTION = RefusalDirection()
