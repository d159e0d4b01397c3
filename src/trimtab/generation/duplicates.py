"""Prompts that ask the same, also in other words."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from trimtab.generation.wanted import Draft
from trimtab.generation.words import content_stems, words

SAME_RUNS = 0.6
"""Jaccard similarity of runs of two words from which two prompts are near-duplicates. Among the prompts of a built-in
behavior, written to differ, the largest is 0.25."""
SAME_CONTENT = 0.75
"""The same for the words that carry meaning, in any order; the largest there is 0.4."""
LEAST_CONTENT = 2
"""Fewer words in common say nothing: "Any tips?" and "Some tips, please!" are about whatever comes before."""
LEAST_COMPLETION = 5
"""Words from which on a completion that comes again was copied, as weak writers copy examples. Shorter ones, such as
"Yes, of course", answer many prompts."""
_SHOWN = 60


@dataclass
class Taken:
    """What has been written before."""

    _prompts: list[tuple[str, frozenset[str], frozenset[str]]] = field(default_factory=list)
    """Each prompt, its runs of two words, its words that carry meaning."""
    _completions: set[str] = field(default_factory=set)
    """Long enough to be nobody else's; of shorter ones both together."""

    def add_prompts(self, prompts: Iterable[str]) -> None:
        """Take prompts."""
        self._prompts += [(prompt, _runs(prompt), content_stems(prompt)) for prompt in prompts]

    def add(self, draft: Draft) -> None:
        """Take a pair."""
        self.add_prompts([draft.prompt])
        self._completions |= _own(draft)

    def repeats(self, draft: Draft) -> tuple[str, str]:
        """What a pair repeats, for the count and for people; empty if nothing."""
        runs, content = _runs(draft.prompt), content_stems(draft.prompt)
        for other, its_runs, its_content in self._prompts:
            if runs == its_runs and (runs or words(draft.prompt) == words(other)):
                return "repeats a prompt", f"repeats the prompt {_cut(other)!r}"
            near = similarity(content, its_content) >= SAME_CONTENT and len(content & its_content) >= LEAST_CONTENT
            if near or similarity(runs, its_runs) >= SAME_RUNS:
                return "nearly repeats a prompt", f"nearly repeats the prompt {_cut(other)!r}"
        if _own(draft) & self._completions:
            return "repeats a completion", "repeats the completions of another pair, or one of them"
        return "", ""


def similarity(first: Set[Any], second: Set[Any]) -> float:
    """Jaccard similarity: what is in both ÷ what is in either; 0 where there is nothing."""
    return len(first & second) / len(first | second) if first or second else 0.0


def _runs(text: str) -> frozenset[str]:
    found = words(text)
    return frozenset(f"{a} {b}" for a, b in pairwise(found))


def _own(draft: Draft) -> set[str]:
    """What no other pair says: each long completion, and both together."""
    said = [words(draft.positive), words(draft.negative)]
    long = {" ".join(text) for text in said if len(text) >= LEAST_COMPLETION}
    return {*long, " | ".join(" ".join(text) for text in said)}


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
