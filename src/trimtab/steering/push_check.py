"""The check that pushes change states: one that rounds to nothing would pass for a finding that steering does nothing.

Whether a push moved any token is worked out on the device and looked at once for each pass; a push that has moved a
token once is not looked at again.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from contextvars import ContextVar

import torch
from torch import Tensor

from trimtab.errors import SettingError, TrimtabWarning
from trimtab.steering.interventions import Intervention
from trimtab.steering.positions import parse_positions
from trimtab.steering.pushes import Look

MIN_ARRIVED = 0.5
"""Part of a push that has to be left when it has been added in the type of the states, for it to count as made.

Where a state is zero, or nearly, any push survives, and it stands for nothing if it is lost in all the rest."""

Key = tuple[int, int, int]
"""(intervention, layer, number of the push at this layer)"""

Notes = list[tuple[list["Key | None"], Tensor]]

pass_of_notes: ContextVar[object] = ContextVar("trimtab_pass_of_notes", default=None)
"""Which of several passes of one thread is running, where they run side by side: each has notes of its own."""


def arrived(before: Tensor, after: Tensor, wanted: Tensor) -> Tensor:
    """At which tokens [...] at least `MIN_ARRIVED` of a push is left: of what it was to add, along what it was to add.

    States that are not finite count as pushed; their overflow is reported as a separate error.

    Args:
        before: States [..., d_model].
        after: The same, pushed and rounded to their type.
        wanted: What was to be added, not rounded.
    """
    left = ((after.float() - before.float()) * wanted).sum(-1)
    length = (wanted * wanted).sum(-1)
    return ((left >= MIN_ARRIVED * length) & (length > 0)) | ~left.isfinite()


class PushCheck:
    """Watches the pushes of one job or context."""

    def __init__(self) -> None:
        self._cells: dict[int, Intervention] = {}  # held, so that no other object gets the same id
        self._moved: set[Key] = set()
        self._met: set[Key] = set()
        """Pushes that came upon a token to push."""
        self._local = threading.local()

    def look(self, cell: Intervention, layer: int) -> Look | None:
        """What `push_each` shows its pushes to; None when all of them have moved something already."""
        keys = self.keys(cell, layer)
        if all(key is None or key in self._moved for key in keys):
            return None

        def look(order: int, marks: Tensor, before: Tensor, after: Tensor, wanted: Tensor) -> None:
            self.look_at_rows([keys[order]], marks.flatten()[None], before[None], after[None], wanted[None])

        return look

    def keys(self, cell: Intervention, layer: int) -> list[Key | None]:
        """Names of the pushes of an intervention at a layer, in order; None where the strength is 0."""
        self._cells[id(cell)] = cell
        strengths = [part.strength for part in cell.parts() if layer in part.directions]
        return [(id(cell), layer, order) if strength else None for order, strength in enumerate(strengths)]

    def look_at_rows(
        self, keys: Sequence[Key | None], marks: Tensor, before: Tensor, after: Tensor, wanted: Tensor
    ) -> None:
        """Note which rows moved, each of them a push of its own: marks [rows, …], states [rows, …, d_model]."""
        if all(key is None or key in self._moved for key in keys):
            return
        met = marks.flatten(1).any(1)
        moved = arrived(before, after, wanted).flatten(1).any(1)
        self._pending.append((list(keys), torch.stack([met, moved])))

    @property
    def _pending(self) -> Notes:
        """What the pass that runs in this thread has noted; on the device."""
        return self._notes.setdefault(pass_of_notes.get(), [])

    @property
    def _notes(self) -> dict[object, Notes]:
        """Of each pass that this thread has begun."""
        if not hasattr(self._local, "notes"):
            self._local.notes = {}
        notes: dict[object, Notes] = self._local.notes
        return notes

    def begin(self) -> None:
        """Forget a pass that was left in the middle."""
        self._notes.pop(pass_of_notes.get(), None)

    def settle(self, dtype: torch.dtype) -> None:
        """After a pass: see that what should have moved has.

        Raises:
            SettingError: for a push of which less than half is left at every token that it came upon.
        """
        pending = self._notes.pop(pass_of_notes.get(), [])
        if not pending:
            return
        flags: dict[torch.device, list[Tensor]] = {}
        for _, both in pending:
            flags.setdefault(both.device, []).append(both)
        found = {device: iter(torch.cat(some, dim=1).T.tolist()) for device, some in flags.items()}
        still: list[Key] = []
        for keys, both in pending:
            for key in keys:
                met, moved = next(found[both.device])
                if key is None or not met:
                    continue
                self._met.add(key)
                if moved:
                    self._moved.add(key)
                else:
                    still.append(key)
        for key in still:
            if key not in self._moved and not self._part(key).scaling.may_rest:
                self._refuse(key, SettingError(self._explained(key, dtype)))

    def _refuse(self, key: Key, error: SettingError) -> None:
        """What becomes of a push that changed nothing: it ends the job."""
        raise error

    def _part(self, key: Key) -> Intervention:
        cell, layer, order = key
        return [part for part in self._cells[cell].parts() if layer in part.directions][order]

    def _explained(self, key: Key, dtype: torch.dtype) -> str:
        part, layer = self._part(key), key[1]
        return (
            f"the push at layer {layer} with strength {part.strength:g} ({part.scale}, direction of norm "
            f"{float(part.directions[layer].float().norm()):.3g}) is rounded away: it is too small for "
            f"{str(dtype)[6:]}, in which less than half of it is left. Use a larger strength, or load the model in "
            "float32"
        )

    @property
    def has_met_tokens(self) -> bool:
        """Whether any push came upon a token at its positions that its gate lets through."""
        return bool(self._met)

    def warn_of_missed(self, cells: Sequence[Intervention | None]) -> None:
        """At the end: name the positions at which no text had a token, where a text may have none.

        Args:
            cells: every push that was asked for.
        """
        met = {key[0] for key in self._met}
        asked = {
            id(c): c for c in cells if c is not None and any(part.strength and part.gate is None for part in c.parts())
        }
        missed = {c.positions for key, c in asked.items() if key not in met and parse_positions(c.positions).may_miss}
        if missed:
            warnings.warn(
                f"at positions {', '.join(sorted(missed))} no text had a token to push, so these pushes did nothing",
                TrimtabWarning,
                stacklevel=3,
            )

    def warn_of_rest(self) -> None:
        """At the end: say which projections were set or removed without any effect."""
        if still := sorted({(k[1], self._part(k).scale) for k in self._met - self._moved}):
            layer, scale = still[0]
            more = f", and {len(still) - 1} more" if len(still) > 1 else ""
            warnings.warn(
                f"{scale} at layer {layer}{more} changed no state: all projections had their value already, or were "
                "within the bound",
                TrimtabWarning,
                stacklevel=3,
            )
