"""The request for pairs, and a draft: a pair before it is checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from trimtab.data import Pair
from trimtab.errors import SettingError

Kind = Literal["open", "choice"]
"""Open pairs hold two replies, choice pairs two options."""
Side = Literal["positive", "negative"]

LENGTH_RATIO = 2.0
MAX_BATCH = 50
MAX_INSTRUCTION_CHARACTERS = 500
"""Characters: an instruction is a phrase or a sentence."""


class Draft(NamedTuple):
    """A pair as it was written, before it is accepted."""

    prompt: str
    positive: str
    negative: str


def draft_of(pair: Pair) -> Draft:
    """A pair as a writer would have written it: of a conversation the last message."""
    prompt = pair.prompt if isinstance(pair.prompt, str) else pair.prompt[-1]["content"]
    return Draft(prompt, pair.positive, pair.negative)


@dataclass(frozen=True)
class PairRequest:
    """The pairs to generate.

    Raises:
        SettingError: When a field is out of range.
    """

    instruction: str
    """The behavior in a phrase: "answers in one short sentence"."""
    opposite: str = ""
    """What the negative completions do; "" leaves it to the writer."""
    kind: Kind = "open"
    count: int = 60
    batch: int = 10
    """Pairs in one request."""
    seed: int = 0
    """Selects the situations."""
    temperature: float = 1.0
    """Sampling temperature; smaller models write better below 1, and repeat themselves more."""
    length_ratio: float | None = LENGTH_RATIO
    """How many times as long as the other one completion may be; None for any."""
    self_check: bool = False
    """Whether the writer is asked of every completion, without the behavior, if it answers its prompt."""
    examples: tuple[Pair, ...] = ()
    """Pairs that show the behavior; they are not repeated."""

    def __post_init__(self) -> None:
        if not self.instruction.strip():
            raise SettingError('say what the positive completions do, such as "answers in one short sentence"')
        for name, text in (("behavior", self.instruction), ("opposite", self.opposite)):
            if len(text) > MAX_INSTRUCTION_CHARACTERS:
                raise SettingError(f"the {name} has {len(text)} characters; say it in {MAX_INSTRUCTION_CHARACTERS}")
        if self.kind not in get_args(Kind):
            raise SettingError(f"the kind of pairs is {' or '.join(get_args(Kind))}, not {self.kind!r}")
        if self.count < 1:
            raise SettingError(f"{self.count} pairs: ask for at least one")
        if not 1 <= self.batch <= MAX_BATCH:
            raise SettingError(f"a batch holds 1 to {MAX_BATCH} pairs, not {self.batch}")
        if not 0 <= self.temperature <= 2:
            raise SettingError(f"the temperature is a number from 0 to 2; got {self.temperature}")
        if self.length_ratio is not None and not 1 <= self.length_ratio < math.inf:
            raise SettingError(f"the length ratio is a number from 1 on, or off; got {self.length_ratio}")

    @property
    def choice(self) -> bool:
        """Whether choice pairs are requested."""
        return self.kind == "choice"
