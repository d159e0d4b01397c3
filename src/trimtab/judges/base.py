"""The interface of a judge: exchanges in, judgements out."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trimtab.analysis.replies import MAX_SCORE
from trimtab.llm import Cost

__all__ = ["MAX_SCORE", "Exchange", "Judge", "Judgement"]


@dataclass(frozen=True)
class Exchange:
    """A reply to be judged, with the unsteered model's reply to the same prompt."""

    prompt: str
    """The prompt; a conversation as text."""
    reply: str
    """The reply of the steered model, or the unsteered one itself."""
    unsteered: str


@dataclass(frozen=True)
class Judgement:
    """A judge's scores for one exchange."""

    score: float = math.nan
    """How much the reply shows the behavior, 0 to 10."""
    change: float = math.nan
    """The same minus the score of the unsteered reply, −10 to 10."""
    coherence: float = math.nan
    """How well the reply reads and fits its prompt, 0 to 10; NaN for judges that do not rate coherence."""
    failure: str = ""
    """Why there is no judgement; "" where there is one. A failure is recorded and never stops a run."""


class Judge(ABC):
    """Scores replies, one by one or many at once.

    A subclass has a name and `judge`; the rest has defaults.
    """

    name: str
    """The name in tables."""
    accuracy: float | None = None
    """Share of held-out completions that it labels correctly, where that was measured."""

    @abstractmethod
    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        """Yield (index of the exchange, judgement) in any order; one for each exchange, failures included.

        It never raises because of a single exchange, the network or a remote model.
        """

    def check(self) -> None:
        """Make sure that it can judge, as far as that shows without judging; a study calls this before it runs.

        Raises:
            SettingError: When a package, a key or a setting is missing or wrong.
        """
        return

    def cost(self, exchanges: Sequence[Exchange]) -> Cost | None:
        """Upper bound of the cost of judging these; None where judging is free."""
        return None
