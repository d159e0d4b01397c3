"""The check of pushes for rows of many callers: what is wrong with one row's push is no matter of the others."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.engines.requests import Writing
from trimtab.errors import SettingError
from trimtab.steering import Intervention, PushCheck
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

    def forget(self, cell: Intervention) -> None:
        """Hold an intervention no longer: no row will use it."""
        self._cells.pop(id(cell), None)
        self._moved = {key for key in self._moved if key[0] != id(cell)}
        self._met = {key for key in self._met if key[0] != id(cell)}
