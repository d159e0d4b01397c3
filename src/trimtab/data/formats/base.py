"""What every pair format is: how its rows are recognized, parsed and, where it has a writer, written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from trimtab.data.pairs import Pair
from trimtab.errors import SettingError


class PairFormat(ABC):
    """A format of files with one JSON object on each line."""

    name: ClassVar[str]
    title: ClassVar[str]
    """What messages call it."""
    keys: ClassVar[tuple[str, ...]]
    """The keys that every row has, and by which it is recognized."""
    skips_defects: ClassVar[bool] = False
    """Whether rows with all keys that are no pairs are left out with a warning: nobody can repair a published file."""
    writes: ClassVar[bool] = False
    """Whether pairs can be written in it."""

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has any of the keys."""
        return any(key in row for key in self.keys)

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has all of the keys."""
        return all(key in row for key in self.keys)

    @abstractmethod
    def parse(self, row: dict[str, Any], default_id: str) -> Pair | list[str]:
        """The pair of a row, or everything that is wrong with the row.

        Args:
            row: The object on a line.
            default_id: Id of the pair where the row has none.
        """

    def dump(self, pair: Pair) -> dict[str, Any]:
        """The row of a pair.

        Raises:
            SettingError: When pairs cannot be written in this format.
        """
        raise SettingError(f"pairs cannot be written as {self.title}")
