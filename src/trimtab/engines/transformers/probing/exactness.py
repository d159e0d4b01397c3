"""What may be run together with this model so that every text is what it would be alone: tried, not assumed.

Modes, the fastest first: `packed` prefix trees, one tree a row; `padded` plain rows of uneven lengths; `alone`, one
text a pass. A question is asked when a job first needs the answer, at the length of that job, once for a model.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from trimtab.engines.transformers._layer_arguments import LayerArguments
from trimtab.engines.transformers.packing.masks import has_only_attention
from trimtab.engines.transformers.probing import _trial_passes
from trimtab.engines.transformers.probing._batch_limits import batch_length_limit, unfamiliar_sizes
from trimtab.engines.transformers.probing._staircase_probe import staircase_is_exact
from trimtab.engines.transformers.streaming.shared_streams import exclusive
from trimtab.engines.transformers.streaming.together import start, together, weights_of
from trimtab.errors import ModelError, TrimtabWarning
from trimtab.models import Backbone
from trimtab.models.overflow import not_finite

Mode = Literal["packed", "padded", "alone"]
_STEP = 64
"""Lengths are rounded up to multiples of this, so that a few longer texts do not ask again."""


class UpTo:
    """A question about sizes whose answer is yes up to some size: asked only where it does not follow."""

    def __init__(self, ask: Callable[[int], bool]):
        self.ask, self.yes, self.no = ask, 0, sys.maxsize

    def is_open(self, size: int) -> bool:
        """Whether it has to be asked."""
        return self.yes < size < self.no

    def __call__(self, size: int) -> bool:
        """Whether it holds at this size."""
        if self.is_open(size):
            if self.ask(size):
                self.yes = max(self.yes, size)
            else:
                self.no = min(self.no, size)
        return size <= self.yes


class Exactness:
    """Answers for one model."""

    def __init__(self, backbone: Backbone):
        self.backbone = backbone
        config = backbone.model.config.get_text_config()
        self.arguments = LayerArguments()
        self.only_attention = has_only_attention(config)
        self._unfamiliar = unfamiliar_sizes(config)
        self._known_limit = batch_length_limit(config)
        self._alone: bool | None = None
        self._batched = UpTo(lambda n: self._holds(lambda: _trial_passes.batching_is_exact(backbone, n), failed=True))
        self._packed = UpTo(lambda n: self._holds(lambda: self._packed_is_exact(n)))
        self._padded = UpTo(lambda n: self._holds(lambda: _trial_passes.padded_is_exact(backbone, n)))
        self._slots = UpTo(lambda n: self._holds(lambda: _trial_passes.slots_are_exact(backbone, n)))
        self._cached_rows = UpTo(lambda n: self._holds(lambda: _trial_passes.cache_is_exact(backbone, n, padded=True)))
        self._cached_alone = UpTo(
            lambda n: self._holds(lambda: _trial_passes.cache_is_exact(backbone, n, padded=False))
        )
        self._stairs: dict[Mode, bool] = {}
        self._told: set[str] = set()

    def ask_together(self, columns: int, length: int, *, fastest: Mode, cells: bool) -> None:
        """With streamed weights: find out in one stream what `mode` and `stairs` will ask, in a second one if it fails.

        Args:
            columns: as for `mode`.
            length: as for `mode`.
            fastest: as for `mode`.
            cells: as for `mode`.
        """
        if weights_of(self.backbone) is not None:
            with exclusive():
                self._ask_together(columns, length, fastest, cells)

    def _ask_together(self, columns: int, length: int, fastest: Mode, cells: bool) -> None:
        if fastest == "packed" and self.only_attention:
            widest = max(columns, length)
            self._ask_side_by_side(
                [partial(self._packs, widest)] * self._packed.is_open(rounded_length(widest)),
                ["packed"] if cells else [],
            )
            if self._packs(widest) and (not cells or self._climbs("packed")):
                return
        rows = min(self._reachable(rounded_length(length)), self._known_limit)
        self._ask_side_by_side(
            [
                *[partial(self._batched, rows)] * self._batched.is_open(rows),
                *[self._is_alone] * (self._alone is None),
                *[partial(self._padded, rows)] * (fastest != "alone" and self._padded.is_open(rows)),
            ],
            [self.plain_mode(fastest)] if cells else [],
        )

    def _ask_side_by_side(self, questions: Sequence[Callable[[], bool]], climbing: Sequence[Mode]) -> None:
        """Find out answers that are not known in one stream; nothing runs where all are."""
        unknown: list[Callable[[], bool]] = list(questions)
        unknown += [partial(self._climbs, mode) for mode in climbing if mode not in self._stairs]
        if unknown:
            with together(self.backbone):
                for ask in unknown:
                    start(ask)

    @staticmethod
    def plain_mode(fastest: Mode) -> Mode:
        """How texts run together where they are not packed."""
        return "alone" if fastest == "alone" else "padded"

    def longest_in_batch(self, length: int, columns: int = 0) -> int:
        """The longest text, of those up to `length` tokens, that leaves others in its pass as they are.

        Longer ones (rotary frequencies that follow the longest text of a pass) run alone, and are written without a
        cache, whose keys are from passes with other frequencies.

        Args:
            length: tokens of the longest text.
            columns: of the widest row that packed trees would make; 0 where they are not wanted.
        """
        asked = min(self._reachable(length), self._known_limit)
        # Packed rows are tried with a text at such positions beside short ones, which answers this too.
        if (columns and self._packs(max(columns, length))) or self._packed.yes >= asked or self._batched(asked):
            return min(length, self._known_limit)
        if self._batched.no - self._batched.yes > 1:
            while self._batched.no - self._batched.yes > 1:
                self._batched((self._batched.yes + self._batched.no) // 2)
            self._packed.no = sys.maxsize  # a long batch may have been what made it inexact
        return self._batched.yes

    def mode(self, columns: int, length: int, *, fastest: Mode = "packed", cells: bool = False) -> Mode:
        """How texts run together.

        Args:
            columns: of the widest row that packed trees would make of them.
            length: tokens of the longest text.
            fastest: no faster mode than this.
            cells: whether they run in a staircase.

        Raises:
            ModelError: for a model whose rows, run alone, are not what its own plain call gives.
        """
        if fastest == "packed" and self._packs(max(columns, length)) and (not cells or self._climbs("packed")):
            return "packed"
        self.require_alone()
        if fastest != "alone" and self._padded(self._in_batch(rounded_length(length))):
            return "padded"
        if fastest != "alone":
            self._tell("gives a text other numbers when others share its pass, so each runs alone: exact, but slower")
        return "alone"

    def stairs(self, mode: Mode) -> bool:
        """Whether the one-pass sweep gives what one pass for each setting gives."""
        if not self._climbs(mode):
            self.tell_of_passes()
        return self._climbs(mode)

    def tell_of_passes(self) -> None:
        """Warn that settings are not swept in one pass."""
        self._tell("cannot be swept in one pass, so each setting takes its own pass: exact, but slow")

    def slots(self, places: int) -> bool:
        """Whether rows are written side by side, in slots of up to `places` places, exactly as each alone."""
        return self._slots(self._in_batch(rounded_length(places)))

    def plain_writing(self, length: int, fastest: Mode) -> tuple[bool, bool]:
        """Whether texts of up to `length` tokens are written together in padded rows, and with the model's cache."""
        together = self.mode(0, length, fastest=fastest) == "padded"
        length = self._in_batch(rounded_length(length))
        if together and self._cached_rows(length):
            return True, True
        if self._cached_alone(length):
            return False, True
        self._tell("writes other tokens with a cache than without, so texts run again for every token: exact, but slow")
        return together, False

    def _holds(self, ask: Callable[[], bool], *, failed: bool = False) -> bool:
        """The answer to a question; `failed` where the model cannot be run in the way that it asks about."""
        try:
            with torch.no_grad(), _trial_passes.ordinary_tokens(self.backbone):
                return ask()
        except torch.OutOfMemoryError:
            raise
        except _trial_passes.MODEL_FAILURES:
            return failed

    def _packed_is_exact(self, columns: int) -> bool:
        reach = min(self._reachable(columns), self._known_limit, self._batched.no - 1)
        if not _trial_passes.packed_is_exact(self.backbone, columns, reach):
            return False
        # What an entry of the configuration means that no family here has, only texts of that length can show.
        return min(self._unfamiliar, default=columns) >= columns or _trial_passes.long_rows_are_exact(
            self.backbone, reach
        )

    def _packs(self, columns: int) -> bool:
        return self.only_attention and self._packed(rounded_length(columns))

    def _climbs(self, mode: Mode) -> bool:
        if mode not in self._stairs:
            self._stairs[mode] = self._holds(lambda: self._staircase_is_exact(mode))
        return self._stairs[mode]

    def _staircase_is_exact(self, mode: Mode) -> bool:
        return staircase_is_exact(self.backbone, mode, self.arguments)

    def require_alone(self) -> None:
        """Refuse what cannot be run exactly even in a row of its own.

        Raises:
            ModelError: for a model whose rows, run alone, are not what its own plain call gives, or no numbers.
        """
        if not self._is_alone():
            if not self._holds(lambda: _trial_passes.plain_call_is_finite(self.backbone), failed=True):
                name, dtype = self.backbone.name, self.backbone.dtype
                raise ModelError(f"{name}: {not_finite('the states of a short trial text', dtype)}")
            raise ModelError(
                f"{self.backbone.facts.architecture}: a text run by its decoder has other states than in a call of the "
                "whole model; trimtab does not know this architecture"
            )

    def _is_alone(self) -> bool:
        if self._alone is None:
            self._alone = self._holds(lambda: _trial_passes.plain_call_is_alone(self.backbone))
        return self._alone

    def agrees(self, run: Callable[[], Tensor], expected: Tensor) -> bool:
        """Whether a way of running the model gives states [reads, d_model] as expected; not, where the model fails."""
        try:
            found = run()
        except torch.OutOfMemoryError:
            raise
        except _trial_passes.MODEL_FAILURES:
            return False
        return not _trial_passes.differ(self.backbone, found, expected)

    def forget(self) -> None:
        """Let one token pass: a model may keep what the longest text so far left behind until a short one comes."""
        if (reset := self.resetting()) is not None:
            start(reset)

    def resetting(self) -> Callable[[], Tensor] | None:
        """The pass of one token that `forget` runs; None for a model that keeps nothing, as far as is known."""
        return partial(_trial_passes.alone, self.backbone, (1,), [0]) if self.is_limited else None

    @property
    def is_limited(self) -> bool:
        """Whether some lengths are known at which a text changes others."""
        return min(self._known_limit, self._batched.no) < sys.maxsize

    def _tell(self, what: str) -> None:
        """Warn of something slow, once for each thing."""
        if what not in self._told:
            self._told.add(what)
            warnings.warn(f"{self.backbone.facts.architecture} {what}", TrimtabWarning, stacklevel=3)

    def _reachable(self, length: int) -> int:
        return min(length, self.backbone.facts.context or length)

    def _in_batch(self, length: int) -> int:
        """A length that the model takes and that does not change the others of its pass."""
        reach = self._reachable(length)
        return min(reach, self.longest_in_batch(reach))


_KNOWN: WeakValueDictionary[int, Exactness] = WeakValueDictionary()
"""By the id of the backbone, which an Exactness holds for as long as it lives: no model is held for its answers."""


def exactness_of(backbone: Backbone) -> Exactness:
    """What is known of a model, shared by all engines that run it."""
    known = _KNOWN.get(id(backbone))
    if known is None:
        known = _KNOWN[id(backbone)] = Exactness(backbone)
    return known


def rounded_length(length: int) -> int:
    """The length at which a question about it is asked."""
    return -(-length // _STEP) * _STEP
