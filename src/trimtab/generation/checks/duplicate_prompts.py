"""Duplicate prompts, including near-duplicates in other words."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from trimtab.generation.checks._word_sets import content_stems, words
from trimtab.generation.request import Draft

SAME_RUNS = 0.6
"""Jaccard similarity of runs of two words from which two prompts are near-duplicates. Among the prompts of a built-in
behavior, written to differ, the largest is 0.25."""
SAME_CONTENT = 0.75
"""The same for the words that carry meaning, in any order; the largest there is 0.4."""
MIN_CONTENT = 2
"""Fewer words in common say nothing: "Any tips?" and "Some tips, please!" are about whatever comes before."""
MIN_COMPLETION = 5
"""Words from which on a completion that comes again was copied, as weak writers copy examples. Shorter ones, such as
"Yes, of course", answer many prompts."""
_SHOWN = 60


@dataclass
class SeenPairs:
    """Prompts and completions so far, to detect repetitions."""

    _prompts: list[tuple[str, frozenset[str], frozenset[str]]] = field(default_factory=list)
    """Each prompt, its runs of two words, its words that carry meaning."""
    _completions: set[str] = field(default_factory=set)
    """Long enough to be nobody else's; of shorter ones both together."""

    def add_prompts(self, prompts: Iterable[str]) -> None:
        """Add prompts."""
        self._prompts += [(prompt, _runs(prompt), content_stems(prompt)) for prompt in prompts]

    def add(self, draft: Draft) -> None:
        """Add a pair."""
        self.add_prompts([draft.prompt])
        self._completions |= _own(draft)

    def repeats(self, draft: Draft) -> tuple[str, str]:
        """The repetition in a pair: a name for counting and a sentence; both empty if there is none."""
        runs, content = _runs(draft.prompt), content_stems(draft.prompt)
        for other, its_runs, its_content in self._prompts:
            if runs == its_runs and (runs or words(draft.prompt) == words(other)):
                return "repeats a prompt", f"repeats the prompt {_cut(other)!r}"
            near = similarity(content, its_content) >= SAME_CONTENT and len(content & its_content) >= MIN_CONTENT
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
    """The texts that no other pair may have: each long completion, and both together."""
    texts = [words(draft.positive), words(draft.negative)]
    long = {" ".join(text) for text in texts if len(text) >= MIN_COMPLETION}
    return {*long, " | ".join(" ".join(text) for text in texts)}


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
