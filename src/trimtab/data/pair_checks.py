"""What is wrong with a file of pairs, and what is worth knowing about it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trimtab._util.wording import plural
from trimtab.data.formats.files import left_out_remark, lines_named, parse_file
from trimtab.data.hash_order import content_key, prompt_key
from trimtab.data.pairs import Behavior, Pair
from trimtab.errors import DataError

NumberedPairs = Sequence[tuple[int, Pair]]

LENGTH_RATIO = 1.5
"""From here on the length of completions is worth a remark."""


@dataclass(frozen=True)
class Report:
    """What `check` found in one file."""

    path: str
    behavior: Behavior | None
    """The pairs; None if there are problems."""
    problems: tuple[str, ...]
    """What makes the file unusable, each as `path:line: what is wrong and what to do`."""
    remarks: tuple[str, ...]
    """What is worth knowing: counts, balance, repeated prompts, lengths."""

    @property
    def ok(self) -> bool:
        """Whether the file can be used."""
        return not self.problems


def check(path: str | os.PathLike[str], *, skip_bad: bool = False) -> Report:
    """Read a file of pairs and report all that is wrong or remarkable, without raising for what is in it.

    Args:
        path: the file.
        skip_bad: leave out lines that are no pairs, and say which.
    """
    found = parse_file(path, skip_bad=skip_bad)
    name = os.fspath(path)
    if found.problems:
        return Report(name, None, tuple(found.problems.texts()), ())
    numbered = found.numbered
    try:
        behavior = Behavior(Path(path).stem, found.pairs, left_out=found.left_out)
    except DataError as error:  # the file's name
        return Report(name, None, tuple(f"{name}: {problem}" for problem in error.problems), ())
    checks: tuple[Callable[[NumberedPairs], Iterable[str]], ...] = (
        _repeated, _nearly_equal, _lengths, _options_in_prompt,
    )  # fmt: skip
    remarks = [remark for one in checks for remark in one(numbered)]
    skipped = left_out_remark(found.left_out)
    return Report(name, behavior, (), (_count(behavior), *skipped, *found.notes, *remarks, *_splittable(behavior)))


def _count(behavior: Behavior) -> str:
    n = len(behavior)
    pairs = plural(n, "pair")
    if not behavior.is_choice:
        return f"{pairs}, open"
    labels = Counter(pair.label for pair in behavior)
    counts = ", ".join(f"{label} {count}" for label, count in sorted(labels.items()))
    remark = f"{pairs}, choice; positive answers: {counts}"
    if len(labels) == 1 and not behavior[0].listed:
        return f"{remark}; without the other answer a vector points towards this one"
    if len(set(labels.values())) > 1:
        remark += f"; uneven, which {'showing both orders' if behavior[0].listed else 'weighting'} evens out"
    return remark


def _repeated(numbered: NumberedPairs) -> Iterable[str]:
    whole = _repeats(numbered, content_key)
    if whole:
        yield f"{_pairs(whole)} repeat another pair word for word: {lines_named(whole)}"
    prompts = sorted(set(_repeats(numbered, prompt_key)) - set(whole))
    if prompts:
        yield f"{_pairs(prompts)} repeat the prompt of another (split keeps them together): {lines_named(prompts)}"


def _repeats(numbered: NumberedPairs, key: Callable[[Pair], str]) -> list[int]:
    seen: set[str] = set()
    lines = []
    for line, pair in numbered:
        if key(pair) in seen:
            lines.append(line)
        seen.add(key(pair))
    return lines


def _nearly_equal(numbered: NumberedPairs) -> Iterable[str]:
    lines = [line for line, pair in numbered if _plain(pair.positive) == _plain(pair.negative)]
    if lines:
        yield f"{_pairs(lines)} differ in spaces, capitals or marks only: {lines_named(lines)}"


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.casefold())


def _lengths(numbered: NumberedPairs) -> Iterable[str]:
    positive, negative = (
        sum(len(getattr(pair, side).split()) for _, pair in numbered) / len(numbered)
        for side in ("positive", "negative")
    )
    longer, shorter = max(positive, negative), min(positive, negative)
    if longer > LENGTH_RATIO * shorter:
        yield (
            f"positive completions have {positive:.1f} words on average, negative ones {negative:.1f}; "
            "a vector from these texts may be about length"
        )


def _options_in_prompt(numbered: NumberedPairs) -> Iterable[str]:
    lines = [
        line
        for line, pair in numbered
        if pair.is_choice and pair.listed and re.search(r"^\s*\(?A\)", _last_words(pair), re.MULTILINE)
    ]
    if lines:
        yield f"{_pairs(lines)} list options in the prompt; trimtab lists them again below: {lines_named(lines)}"


def _last_words(pair: Pair) -> str:
    """The last thing the user says, as it stands."""
    return pair.prompt if isinstance(pair.prompt, str) else pair.prompt[-1]["content"]


def _splittable(behavior: Behavior) -> Iterable[str]:
    try:
        behavior.split()
    except DataError as error:
        yield str(error).removeprefix(f"{behavior.name}: ")


def _pairs(lines: Sequence[int]) -> str:
    return f"{len(lines)} of the pairs"
