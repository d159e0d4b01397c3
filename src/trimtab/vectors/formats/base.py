"""What every vector format is: how its files are recognized, and which directions at which layers they hold."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor

from trimtab.errors import SettingError, VectorError

Container = Literal["gguf", "torch", "numpy", "safetensors", "json", "folder"]
"""What a file is made of, whatever it means."""


class Match(IntEnum):
    """How sure it is that a file is of a format."""

    NO = 0
    POSSIBLE = 1
    """Nothing speaks against it, and others may look the same."""
    CERTAIN = 2
    """The file, or its documented name, says so."""


@dataclass(frozen=True, eq=False)
class VectorFile:
    """A file, or a folder of files, with what is in it."""

    path: Path
    container: Container
    content: Any
    """gguf: tensors by name. torch: what was saved. numpy: a tensor. safetensors: tensors by name. json: the value.
    folder: the files in it, by name."""
    entries: Mapping[str, Any] = field(default_factory=dict)
    """Keys of a GGUF file, texts in the header of safetensors."""
    sha256: str = ""

    def fault(self, reason: str) -> VectorError:
        """An error that names the file."""
        return VectorError(f"{self.path}: {reason}")


@dataclass(frozen=True)
class Wanted:
    """What the caller states of the file."""

    layer: int | None = None
    """The layer of a single direction, or the only one to take."""
    row: int | None = None
    """Which row, where rows are concepts or features: the number behind the `#`."""
    n_layers: int | None = None
    """Of the model that is at hand."""


@dataclass(frozen=True, eq=False)
class Directions:
    """What a format found in a file."""

    rows: Mapping[int, Tensor]
    """Layer of trimtab → direction [d_model]: the residual stream behind that decoder layer."""
    layer_map: str
    """How the file's layers became those of trimtab, in words."""
    n_layers: int | None = None
    """Of the model, where the file has a row for each of its layers."""
    behavior: str = ""
    model: str = ""
    method: str = ""
    token_position: str = ""
    notes: tuple[str, ...] = ()
    """What was left out, and what else matters, in sentences."""
    sha256: str = ""
    """Of the file of a folder that they are in."""
    fingerprint: str = ""
    """Of the model's weights, as trimtab takes it, where the file says it."""


class VectorFormat(ABC):
    """A format of vector files."""

    title: ClassVar[str]
    """What messages call it."""
    containers: ClassVar[frozenset[Container]]
    """What its files are made of; others are never read as it."""
    takes_rows: ClassVar[bool] = False
    """Whether a file holds rows of which one is chosen, as `FILE#7`."""

    @abstractmethod
    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """Whether the file, which is of one of its containers, is of this format."""

    @abstractmethod
    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """The directions in a file that matches, or that the caller states to be of this format.

        Raises:
            VectorError: When it is not, is of another site, or is damaged.
            SettingError: When what is wanted is missing or contradicts the file.
        """

    def hints(self, file: VectorFile) -> list[str]:
        """What can be seen of a file that could be of several formats, in short phrases."""
        return []


def only(rows: Mapping[int, Tensor], wanted: Wanted) -> Mapping[int, Tensor]:
    """The directions of the wanted layer, or all of them.

    Raises:
        SettingError: When the file has none at that layer.
    """
    if wanted.layer is None:
        return rows
    if wanted.layer not in rows:
        there = ", ".join(map(str, sorted(rows)))
        raise SettingError(f"the file has no direction at layer {wanted.layer}; it has some at {there}")
    return {wanted.layer: rows[wanted.layer]}


def layer_of_one(file: VectorFile, wanted: Wanted, named: int | None = None, example: str = "--layer 15") -> int:
    """The layer that a single direction belongs to: the file's own, or the one that is given.

    Raises:
        SettingError: When neither is known, or both and they differ.
    """
    if named is None and wanted.layer is None:
        raise SettingError(
            f"{file.path}: a single direction, and the file does not say of which layer; name it ({example}): the "
            "number of the decoder layer behind which it was read, counted from 0"
        )
    if named is not None and wanted.layer is not None and named != wanted.layer:
        raise SettingError(f"{file.path}: the file is of layer {named}, and layer {wanted.layer} is asked for")
    return int(named if named is not None else wanted.layer)  # type: ignore[arg-type]  # one of them is there


def after_input_of(block: int, file: VectorFile) -> int:
    """The layer of trimtab whose output is the input of a block (`resid_pre`).

    Raises:
        VectorError: For block 0: its input are the embeddings, which no decoder layer puts out.
    """
    if block == 0:
        raise file.fault(
            "the direction is of the input of block 0, the embeddings: trimtab steers behind decoder layers only"
        )
    return block - 1


def layer_of_hook(file: VectorFile, hook: str, block: int) -> tuple[int, str]:
    """The layer of a hook of TransformerLens at a block, and the layer map in words.

    Raises:
        VectorError: for hooks at other sites than the residual stream before or behind a block.
    """
    if hook == "hook_resid_post":
        return block, f"{hook} of block {block} is its output, layer {block} of trimtab"
    if hook == "hook_resid_pre":
        layer = after_input_of(block, file)
        return layer, f"{hook} of block {block} is its input: the output of block {layer}, layer {layer} of trimtab"
    raise file.fault(f"is of the site {hook[:60]!r}; trimtab steers the residual stream behind a decoder layer")


AS_IS = "layer N of the file is the output of block N, layer N of trimtab"
