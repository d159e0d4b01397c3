"""A regular expression as judge: whether a reply says something, and nothing else about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trimtab.errors import SettingError
from trimtab.evaluation.judges.base import MOST, Exchange, Judgement

MOST_CHARACTERS = 20_000
"""Of a reply; what comes after is not searched."""
_MOST_SECONDS = 2.0


class PatternJudge:
    """Scores a reply 10 where a pattern is found in it, else 0. It does not look at coherence.

    Args:
        pattern: a regular expression as Python's `re` has it; `(?i)` in front ignores case.
        name: what tables call it.

    Raises:
        SettingError: when the pattern is not one.
    """

    def __init__(self, pattern: str, *, name: str = "pattern"):
        import regex  # and not re, for its time limit: some patterns take years on some replies

        self.name = name
        try:
            self._pattern = regex.compile(pattern)
        except regex.error as error:
            where = "" if error.pos is None else f" at position {error.pos}, before {pattern[error.pos :][:20]!r}"
            raise SettingError(f"the pattern {pattern!r} is no regular expression: {error.msg}{where}") from None

    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        """Yield (index, judgement) in order."""
        for index, exchange in enumerate(exchanges):
            yield index, self._judged(exchange)

    def _judged(self, exchange: Exchange) -> Judgement:
        try:
            score, before = self._score(exchange.reply), self._score(exchange.unsteered)
        except TimeoutError:
            return Judgement(failure=f"the pattern takes longer than {_MOST_SECONDS:g} s on this reply")
        return Judgement(score=score, change=score - before)

    def _score(self, reply: str) -> float:
        return MOST if self._pattern.search(reply[:MOST_CHARACTERS], timeout=_MOST_SECONDS) else 0.0
