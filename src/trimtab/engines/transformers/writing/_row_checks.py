"""The check of pushes for rows of many callers: what is wrong with one row's push is no matter of the others."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from trimtab.engines.requests import Writing
from trimtab.errors import SettingError
from trimtab.steering import PushCheck
from trimtab.steering.push_check import Key


class RowChecks(PushCheck):
    """Hands an error to the rows whose push it is, instead of raising it."""

    def __init__(self) -> None:
        super().__init__()
        self._refused: dict[int, SettingError] = {}
        """By the id of the intervention."""

    def _refuse(self, key: Key, error: SettingError) -> None:
        self._refused.setdefault(key[0], error)

    def mark_rows(self, writings: Sequence[Writing]) -> None:
        """End the texts whose push has just been refused."""
        for writing in writings:
            error = self._refused.get(id(writing.request.intervention))
            if error is not None and not writing.ended:
                writing.error = error
        self._refused.clear()

    def hold_only(self, cells: Collection[int]) -> None:
        """Hold no interventions but these, by their ids: no row will use the others.

        A row that has ended may stay in a batch until the others have, and its push is looked up in every pass.
        """
        if all(cell in cells for cell in self._cells):
            return
        self._cells = {key: cell for key, cell in self._cells.items() if key in cells}
        self._moved = {key for key in self._moved if key[0] in cells}
        self._met = {key for key in self._met if key[0] in cells}
