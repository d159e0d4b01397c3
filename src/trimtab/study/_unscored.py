"""Behaviors of which there is a contrast without pairs of completions: nothing in them can be scored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest

from trimtab._util.summaries import Summary
from trimtab.data import AnyContrast, Behavior, Pair, PromptContrast, SetContrast


@dataclass(frozen=True, repr=False)
class UnscoredBehavior(Behavior):
    """A behavior made of pairs of prompts, or of two lists: it has no pairs of completions, so it iterates over none.

    A study takes its vector from the training part, and measures it by projection, dose and replies.
    """

    contrast: PromptContrast | SetContrast = field(kw_only=True)

    @classmethod
    def of(cls, found: PromptContrast | SetContrast) -> UnscoredBehavior:
        """The behavior of a contrast, or of a part of one."""
        return cls(found.name, (), found.description, found.part, found.left_out, contrast=found)

    def _summary(self) -> Summary:
        return self.contrast._summary()

    @property
    def hash(self) -> str:
        """Hash of the contrast."""
        return self.contrast.hash

    @property
    def prompts(self) -> tuple[Pair, ...]:
        """What can be replied to, as pairs without completions: what both prompts of an item ask alike, or both lists.

        Lists are taken in turn, so that the first few prompts are of both. Raw text has no prompts.
        """
        if isinstance(self.contrast, PromptContrast):
            asked = list(self.contrast.questions)
        else:
            lists = self.contrast.negative, self.contrast.positive
            asked = [one.prompt for one in chain.from_iterable(zip_longest(*lists)) if one is not None and one.prompt]
        unique = {repr(prompt): prompt for prompt in asked}
        return tuple(Pair(f"{self.part}-{n}", prompt, "", "") for n, prompt in enumerate(unique.values(), start=1))

    def split(
        self, shares: tuple[float, float, float] = (0.5, 0.25, 0.25), seed: int = 0
    ) -> tuple[Behavior, Behavior, Behavior]:
        """Three disjoint parts, split as the contrast is: what asks the same lies in one part.

        Raises:
            DataError: when a part would hold too few examples.
        """
        train, select, test = self.contrast.split(shares, seed)
        return self.of(train), self.of(select), self.of(test)

    def named(self, name: str) -> UnscoredBehavior:
        """The same under another name, the contrast too."""
        return replace(self, name=name, contrast=replace(self.contrast, name=name))


def examples_of(part: Behavior) -> AnyContrast:
    """The examples of a part: its pairs of completions, or the examples of its contrast."""
    return part.contrast if isinstance(part, UnscoredBehavior) else part


def prompts_of(part: Behavior) -> tuple[Pair, ...]:
    """The prompts that can be replied to."""
    return part.prompts if isinstance(part, UnscoredBehavior) else part.pairs


def size_of(part: Behavior) -> int:
    """How many pairs, or examples where there are no pairs."""
    return len(examples_of(part))
