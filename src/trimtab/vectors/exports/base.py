"""What every export is: which file it writes, what is lost, and how the file is used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from trimtab.errors import SettingError
from trimtab.vectors.steering_vector import SteeringVector


@dataclass(frozen=True, eq=False)
class Pushes:
    """What an export writes."""

    rows: Mapping[int, Tensor]
    """Layer → what is added behind it at strength 1 [d_model], float32."""
    vector: SteeringVector
    """What it was made from."""
    is_setting: bool
    """Whether a strength is in the rows, so that 1 is the strength to use; else they are the directions as they are."""


@dataclass(frozen=True)
class Exported:
    """A file that was written."""

    path: Path
    layers: tuple[int, ...]
    losses: tuple[str, ...]
    """What the file or its reader cannot say, in sentences."""
    usage: tuple[str, ...]
    """What to type where it is used."""


class VectorExport(ABC):
    """A layout."""

    title: ClassVar[str]
    """What messages call it."""
    suffixes: ClassVar[tuple[str, ...]]
    """Endings that its files may have; the first one is the default."""
    pushes_first_token: ClassVar[bool] = True
    """Whether its readers push the first token of a text, too."""
    pushes_everywhere: ClassVar[bool] = True
    """Whether its readers push every token of prompts and replies, and no others."""

    def fitting(self, pushes: Pushes) -> tuple[Mapping[int, Tensor], tuple[str, ...]]:
        """The rows that the layout can hold, and which it cannot, in sentences."""
        return pushes.rows, ()

    @abstractmethod
    def write(self, path: Path, pushes: Pushes) -> None:
        """Write the file, whole or not at all.

        Raises:
            VectorError: When it cannot be written there.
        """

    is_typed: ClassVar[bool] = False
    """Whether `usage` is typed into a shell."""

    def usage(self, path: Path, pushes: Pushes) -> tuple[str, ...]:
        """What to type where the file is used, in lines."""
        return ()


def only_row(pushes: Pushes, title: str) -> tuple[int, Tensor]:
    """The single row of a layout that holds one layer.

    Raises:
        SettingError: When there are several.
    """
    if len(pushes.rows) != 1:
        raise SettingError(f"{title} holds the direction of one layer; choose it with --layer")
    return next(iter(pushes.rows.items()))
