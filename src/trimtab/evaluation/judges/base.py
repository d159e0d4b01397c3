"""What a judge is asked and what it says: one small interface for every kind of judge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from trimtab.analysis.coherence import MOST

__all__ = ["MOST", "Exchange", "Judge", "Judgement"]


@dataclass(frozen=True)
class Exchange:
    """A reply to be judged, with what the unsteered model said to the same prompt."""

    prompt: str
    """What the user asked; a conversation as text."""
    reply: str
    """What the steered model said, or the unsteered one itself."""
    unsteered: str


@dataclass(frozen=True)
class Judgement:
    """What a judge made of one exchange."""

    score: float = math.nan
    """How much the reply shows the behavior, 0 to 10."""
    change: float = math.nan
    """The same minus that of the unsteered reply, −10 to 10."""
    coherence: float = math.nan
    """How well the reply reads and fits its prompt, 0 to 10; NaN for judges that do not look at that."""
    failure: str = ""
    """Why there is no judgement; "" where there is one. A failure is recorded and never stops a run."""


class Judge(Protocol):
    """Judges replies, one after the other or many at once."""

    @property
    def name(self) -> str:
        """What tables call it."""
        ...

    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        """Yield (index of the exchange, judgement) as they come; one for each exchange, failures included.

        It never raises for what a single exchange, a network or a remote model does.
        """
        ...
