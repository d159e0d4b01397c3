"""What a file is, what is wrong with it, and what is worth knowing about the contrast in it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from trimtab._util.wording import plural
from trimtab.data._source_content import SourceContent, read_source
from trimtab.data.contrasts import AnyContrast, Example, PromptContrast
from trimtab.data.formats.base import OpenQuestion
from trimtab.data.formats.files import Reading, describe, left_out_remark, lines_named
from trimtab.data.hash_order import content_key, prompt_key
from trimtab.data.pairs import Behavior, Pair
from trimtab.errors import DataError

NumberedPairs = Sequence[tuple[int, Pair]]

LENGTH_RATIO = 1.5
"""From here on the length of completions is worth a remark."""


@dataclass(frozen=True)
class Report:
    """What `check` found in one source."""

    path: str
    contrast: AnyContrast | None
    """What it holds; None if there are problems, or one list of questions only."""
    problems: tuple[str, ...]
    """What makes the file unusable, each as `path:line: what is wrong and what to do`."""
    remarks: tuple[str, ...]
    """What the file is, first; then what is worth knowing: balance, repeated prompts, lengths."""

    @property
    def behavior(self) -> Behavior | None:
        """The pairs of completions; None if it holds no such."""
        return self.contrast if isinstance(self.contrast, Behavior) else None

    @property
    def ok(self) -> bool:
        """Whether the file can be used."""
        return not self.problems


def check(
    path: str | os.PathLike[str],
    *,
    skip_bad: bool = False,
    columns: Mapping[str, str] | None = None,
    head: int | None = None,
) -> Report:
    """Read a file and report what it is and all that is wrong or remarkable, without raising for what is in it.

    Args:
        path: the file, or another source that `trimtab.data.contrast` reads.
        skip_bad: leave out lines that are no pairs, and say which.
        columns: the file's own names of columns by key, such as `{"prompt": "question"}`.
        head: read this many rows only.
    """
    name = os.fspath(path)
    try:
        content = read_source(name, reading=Reading(skip_bad, columns, head))
        if problems := content.problems():
            return Report(name, None, tuple(problems), tuple(_what_it_is(content, None)))
        if _asks_only(content):
            return Report(name, None, (), (*_what_it_is(content, None), *content.notes()))
        found = content.contrast()
    except DataError as error:
        where = "" if name in str(error) else f"{name}: "
        return Report(name, None, tuple(f"{where}{problem}" for problem in error.problems), ())
    skipped = [line for file in content.files for line in left_out_remark(file.left_out, file.problems.unit)]
    remarks = [*_what_it_is(content, found), *skipped, *content.notes()]
    if isinstance(found, Behavior):
        checks: tuple[Callable[[NumberedPairs], Iterable[str]], ...] = (
            _repeated, _nearly_equal, _lengths, _options_in_prompt,
        )  # fmt: skip
        remarks += [remark for one in checks for remark in one(content.files[0].numbered_pairs)]
    else:
        remarks += _of_sides(found)
    return Report(name, found, (), (*remarks, *_splittable(found)))


def _asks_only(content: SourceContent) -> bool:
    """Whether a source is one list of questions, which is no contrast and nothing wrong."""
    return len(content.files) == 1 and all(isinstance(item, OpenQuestion) for item in content.files[0].items)


def _what_it_is(content: SourceContent, found: AnyContrast | None) -> Iterable[str]:
    """What the file is made of, in which format, and how much of what it holds."""
    if any(not file.container for file in content.files):
        return
    what = " and ".join(dict.fromkeys(describe(file) for file in content.files))
    if found is not None:
        yield f"{what}: {_count(found)}"
    elif content.problems():
        yield what
    else:
        count = plural(len(content.files[0].items), "item")
        yield f"{what}: {count}, one side of a contrast ('FILE vs OTHER'), or prompts to reply to"


def _of_sides(found: AnyContrast) -> Iterable[str]:
    if isinstance(found, Behavior):
        return
    for side, examples in (("positive", found.positive), ("negative", found.negative)):
        repeats = len(examples) - len({one.key for one in examples})
        if repeats and not isinstance(found, PromptContrast):
            yield f"{repeats} of the {side} examples repeat another"
    positive, negative = (
        sum(len(_words(one)) for one in side) / len(side) for side in (found.positive, found.negative)
    )
    if max(positive, negative) > LENGTH_RATIO * min(positive, negative):
        yield (
            f"positive texts have {positive:.1f} words on average, negative ones {negative:.1f}; "
            "a vector from these texts may be about length"
        )


def _words(example: Example) -> list[str]:
    prompt = example.prompt
    whole = prompt if isinstance(prompt, str) else " ".join(message["content"] for message in prompt)
    return f"{whole} {example.completion}".split()


def _count(found: AnyContrast) -> str:
    if isinstance(found, Behavior):
        return _count_pairs(found)
    follows = "with completions" if found.has_completions else "without completions"
    if isinstance(found, PromptContrast):
        raw = found.pairs[0].positive.is_raw
        asked = f", {plural(len(found.questions), 'question')}" if found.questions else ""
        return f"{plural(len(found), 'pair')} of {'raw texts' if raw else f'prompts {follows}{asked}'}"
    raw = found.positive[0].is_raw
    what = "raw texts" if raw else f"prompts {follows}"
    return f"two lists without pairs, {len(found.positive)} positive and {len(found.negative)} negative {what}"


def _count_pairs(behavior: Behavior) -> str:
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


def _splittable(found: AnyContrast) -> Iterable[str]:
    try:
        found.split()
    except DataError as error:
        yield str(error).removeprefix(f"{found.name}: ")


def _pairs(lines: Sequence[int]) -> str:
    return f"{len(lines)} of the pairs"
