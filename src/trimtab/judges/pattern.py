"""A regular expression as judge: whether a reply matches it, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from trimtab.data import Behavior
from trimtab.errors import SettingError
from trimtab.judges.base import MAX_SCORE, Exchange, Judge, Judgement
from trimtab.judges.settings import VERDICTS, JudgeSettings, schema_1_fingerprint

MAX_CHARACTERS = 20_000
"""Characters of a reply that are searched."""
_MAX_SECONDS = 2.0
_MAX_TIMEOUTS = 5
"""Replies on which a pattern may time out; it would on the others too, and a sweep has thousands."""
_MAX_PATTERN_CHARACTERS = 1000
_MAX_PATTERN_DEPTH = 50
"""Open parentheses and brackets at once; compiling them is recursive."""
_MAX_REPEATS = 10_000


class PatternSettings(JudgeSettings):
    """A pattern as judge, as a study file has it: `{pattern: "(?i)great"}`."""

    kind: ClassVar[str] = "pattern"

    pattern: Annotated[str, VERDICTS] = Field(min_length=1)
    """A regular expression that matches replies which show the behavior."""

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            check_pattern(pattern)
        except SettingError as error:
            raise ValueError(str(error)) from None
        return pattern

    @property
    def label(self) -> str:
        """The name in tables."""
        return self.name or f"pattern {self.pattern}"[:80]

    def former_fingerprint(self, behavior: Behavior) -> str:
        """The fingerprint by which manifests of schema 1 know this judge."""
        return schema_1_fingerprint(self, behavior, pattern=self.pattern)

    def build(self, behavior: Behavior) -> PatternJudge:
        """The same judge for every behavior."""
        return PatternJudge(self.pattern, name=self.label)


def check_pattern(pattern: str) -> Any:
    """Compile a pattern, if it is a regular expression of a size that can be compiled.

    Raises:
        SettingError: When it is not one, or is too long, too deep, or repeats too often.
    """
    import regex  # and not re, for its time limit: some patterns take years on some replies

    shown = pattern if len(pattern) <= 80 else f"{pattern[:80]}…"
    if len(pattern) > _MAX_PATTERN_CHARACTERS:
        raise SettingError(
            f"the pattern {shown!r} has {len(pattern):,} characters, more than {_MAX_PATTERN_CHARACTERS:,}"
        )
    depth = [0]
    for character in re.sub(r"\\.", "", pattern):
        depth.append(max(depth[-1] + (character in "([") - (character in ")]"), 0))
    if max(depth) > _MAX_PATTERN_DEPTH:
        raise SettingError(f"the pattern {shown!r} has more than {_MAX_PATTERN_DEPTH} parentheses inside one another")
    if any(int(count[-6:]) > _MAX_REPEATS or len(count) > 6 for count in re.findall(r"(?<=[{,])\d+", pattern)):
        raise SettingError(f"the pattern {shown!r} repeats something more than {_MAX_REPEATS:,} times")
    try:
        return regex.compile(pattern)
    except regex.error as error:
        where = "" if error.pos is None else f" at position {error.pos}, before {pattern[error.pos :][:20]!r}"
        raise SettingError(f"the pattern {shown!r} is no regular expression: {error.msg}{where}") from None
    except (RecursionError, OverflowError, MemoryError, ValueError, KeyError, IndexError, TypeError) as error:
        raise SettingError(f"the pattern {shown!r} cannot be compiled ({type(error).__name__})") from None


class PatternJudge(Judge):
    """Scores a reply 10 where a pattern matches anywhere in it, else 0; coherence is not rated.

    Args:
        pattern: A regular expression in the syntax of Python's `re`; `(?i)` in front ignores case.
        name: The name in tables.

    Raises:
        SettingError: When the pattern is not one.
    """

    def __init__(self, pattern: str, *, name: str = "pattern"):
        self.name = name
        self._pattern = check_pattern(pattern)
        self._timeouts = 0

    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        """Yield (index, judgement), in order."""
        for index, exchange in enumerate(exchanges):
            yield index, self._judged(exchange)

    def _judged(self, exchange: Exchange) -> Judgement:
        if self._timeouts >= _MAX_TIMEOUTS:
            return Judgement(failure=f"not searched: the pattern took too long on {_MAX_TIMEOUTS} replies before it")
        try:
            score, before = self._score(exchange.reply), self._score(exchange.unsteered)
        except TimeoutError:
            self._timeouts += 1
            return Judgement(failure=f"the pattern takes longer than {_MAX_SECONDS:g} s on this reply")
        return Judgement(score=score, change=score - before)

    def _score(self, reply: str) -> float:
        return MAX_SCORE if self._pattern.search(reply[:MAX_CHARACTERS], timeout=_MAX_SECONDS) else 0.0
