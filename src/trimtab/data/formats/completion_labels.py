"""Answer labels spelled as completions: "(A)" and "(B)", "1." and "2.", "Yes" and "No".

A pair whose completions are nothing but the names of two options is a choice pair, however it is written. Taken for an
open pair it would give the direction of the letter. So such pairs are read as choice pairs where their options are
known for certain, and refused with what to do where they are not.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from trimtab.data.formats._inline_options import find_options
from trimtab.data.pairs import Message, Pair

Kind = Literal["letter", "number", "word"]

MIN_PAIRS = 4
"""Of fewer pairs nothing can be concluded about which answers recur."""
MOSTLY = 0.5
"""Share of the pairs answered by a word such as Yes from which a file is data of that kind, and not of open pairs some
of which happen to have so short an answer."""

_COUPLES = (
    ("yes", "no"), ("true", "false"), ("correct", "incorrect"), ("right", "wrong"), ("agree", "disagree"),
    ("oui", "non"), ("vrai", "faux"), ("ja", "nein"), ("wahr", "falsch"), ("sí", "no"), ("si", "no"), ("sim", "não"),
    ("да", "нет"), ("是", "否"),
)  # fmt: skip
_OPPOSITES = {frozenset(couple) for couple in _COUPLES}
_WORDS = sorted({word for couple in _COUPLES for word in couple}, key=len, reverse=True)

_SAYS = r"(?:(?:the\s+)?(?:correct\s+|best\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s+)?"
_BARE = re.compile(rf"[\s*]*{_SAYS}[*(\[]*([A-Z]|\d{{1,2}})[*)\].:]*\s*", re.IGNORECASE)
_BEFORE_TEXT = re.compile(
    rf"\s*{_SAYS}(?:[(\[]([A-Z]|\d{{1,2}})[)\]]:?|([A-Z]|\d{{1,2}})[).:])\s+(?=\S)", re.IGNORECASE
)
_WORD = re.compile(rf"\s*({'|'.join(map(re.escape, _WORDS))})(?:[.!]?\s*$|[,.;:!]\s+|\s*[—–]\s*)", re.IGNORECASE)


@dataclass(frozen=True)
class Label:
    """An answer label at the beginning of a completion."""

    kind: Kind
    value: str
    """A, B, …; 1, 2, …; or the word in lower case."""
    text: str
    """What follows it; "" where the completion is nothing but the label."""
    marked: bool = False
    """Whether a bracket marks it as one: "(A)"."""


def read_label(completion: str) -> Label | None:
    """The answer label that a completion is, or begins with; None if there is none."""
    if bare := _BARE.fullmatch(completion):
        return _label(bare[1], "", marked=bool(set("()[]") & set(completion)))
    if marked := _BEFORE_TEXT.match(completion):
        return _label(marked[1] or marked[2], completion[marked.end() :].strip(), marked=True)
    if word := _WORD.match(completion):
        return Label("word", word[1].casefold(), completion[word.end() :].strip())
    return None


def _label(sign: str, text: str, *, marked: bool) -> Label:
    return Label("number" if sign.isdigit() else "letter", sign.upper(), text, marked)


@dataclass(frozen=True)
class Labelled:
    """Pairs of a file after their labels were read."""

    pairs: dict[int, Pair]
    """The pairs that are choice pairs although they were written in another way, by index."""
    faults: dict[int, str]
    """Why others cannot be used, by index; −1: all of them."""
    notes: tuple[str, ...]
    """What was done, for people."""


def read_labels(pairs: Sequence[Pair]) -> Labelled:
    """Find pairs that are answered by a label without saying so, and turn them into choice pairs or say why not.

    Left alone are open pairs whose completions are texts ("Yes, …" too), numbers that are answers of their own (17 and
    18), and pairs that say `choices` with `listed: false`: their answers are taken as they stand.
    """
    found: dict[int, Pair] = {}
    faults: dict[int, str] = {}
    both = {i: _both_labels(pair.positive, pair.negative) for i, pair in enumerate(pairs) if not pair.is_choice}
    labelled = {i: labels for i, labels in both.items() if labels}
    signs = {i: labels for i, labels in labelled.items() if labels[0].kind != "word"}
    for index, labels in signs.items():
        _take(_by_options(pairs[index], labels), index, found, faults)
    # A few numbers in a file of texts are answers, whatever the prompt lists.
    numbers = [i for i, labels in signs.items() if labels[0].kind == "number" and (i in found or i in faults)]
    if len(numbers) < MOSTLY * len(both):
        for index in numbers:
            found.pop(index, None)
            faults.pop(index, None)
    _refuse_without_options({i: s for i, s in signs.items() if i not in found and i not in faults}, len(both), faults)
    words = {i: labels for i, labels in labelled.items() if _are_words(labels)}
    if len(both) >= MIN_PAIRS and len(words) >= MOSTLY * len(both):
        _by_words(pairs, words, found, faults)
    listed_in_prompt = len(found)
    _take_all(_labelled_choices(pairs), found, faults)
    notes = []
    if found:
        n_words = sum(not pair.listed for pair in found.values())
        for count, how in (
            (listed_in_prompt - n_words, "answered by the label of an option in the prompt"),
            (n_words, "answered by a word, not by a text"),
            (len(found) - listed_in_prompt, "written with labels in their choices"),
        ):
            if count:
                notes.append(f"{count} of {len(pairs)} pairs are {how}: they are read as choice pairs")
    return Labelled(found, faults, tuple(notes))


def _both_labels(positive: str, negative: str) -> tuple[Label, Label] | None:
    """The labels of two completions that differ in them, both of one kind."""
    labels = read_label(positive), read_label(negative)
    if labels[0] is None or labels[1] is None or labels[0].kind != labels[1].kind or labels[0].value == labels[1].value:
        return None
    return labels[0], labels[1]


def _are_words(labels: tuple[Label, Label]) -> bool:
    """Whether the completions are two opposite words and nothing else."""
    values = frozenset(label.value for label in labels)
    return labels[0].kind == "word" and values in _OPPOSITES and not any(label.text for label in labels)


def _take(made: Pair | str | None, index: int, found: dict[int, Pair], faults: dict[int, str]) -> None:
    if isinstance(made, Pair):
        found[index] = made
    elif made:
        faults[index] = made


def _take_all(made: Iterable[tuple[int, Pair | str]], found: dict[int, Pair], faults: dict[int, str]) -> None:
    for index, pair in made:
        _take(pair, index, found, faults)


def _by_options(pair: Pair, labels: tuple[Label, Label]) -> Pair | str | None:
    """A pair answered by the letter or number of an option in its prompt; why not; None where it lists no options."""
    question = pair.prompt if isinstance(pair.prompt, str) else pair.prompt[-1]["content"]
    listed = find_options(question)
    if listed is None:
        return None
    options = listed.options
    if missing := [label.value for label in labels if label.value not in options]:
        return f"{missing[0]} answers, but the options in the prompt are {', '.join(options)}"
    for label in labels:
        if label.text and _plain(label.text) != _plain(options[label.value]):
            return (
                f"a completion begins with {label.value} and goes on with another text than that option of the prompt; "
                f"{_REMEDY}"
            )
    kept = [value for value in options if value in {label.value for label in labels}]
    meta = {**pair.meta, "kept_options": "".join(kept)} if len(options) > len(kept) else pair.meta
    prompt: str | tuple[Message, ...] = listed.stem
    if not isinstance(pair.prompt, str):
        prompt = (*pair.prompt[:-1], Message(role=pair.prompt[-1]["role"], content=listed.stem))
    positive, negative = (options[label.value] for label in labels)
    choices = tuple(options[value] for value in kept)
    return replace(pair, prompt=prompt, positive=positive, negative=negative, choices=choices, meta=meta)


_REMEDY = (
    'write the question without its options, the options\' texts as "positive" and "negative", and both as "choices" '
    "in the order shown"
)


def _refuse_without_options(signs: dict[int, tuple[Label, Label]], n_open: int, faults: dict[int, str]) -> None:
    """Refuse labels of options that no prompt lists.

    "(A)" alone is always one. A, 1, and labels that texts follow are labels only where the same two answer most pairs:
    a question may ask for a letter, or a number.
    """
    couples: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, labels in signs.items():
        couples[tuple(sorted(label.value for label in labels))].append(index)
    for values, indices in couples.items():
        recurs = n_open >= MIN_PAIRS and len(indices) >= MOSTLY * n_open
        for index in indices:
            if recurs or all(label.marked and not label.text for label in signs[index]):
                faults[index] = (
                    f"the completions are answers by label, {' and '.join(values)}, and the prompt lists no options "
                    f"that can be told for certain, so a vector would be the label's; {_REMEDY}"
                )


def _by_words(
    pairs: Sequence[Pair], words: dict[int, tuple[Label, Label]], found: dict[int, Pair], faults: dict[int, str]
) -> None:
    """Pairs answered by Yes or No: answer words, weighted so that both count the same."""
    positives = {labels[0].value for labels in words.values()}
    couples = {frozenset(label.value for label in labels) for labels in words.values()}
    if lone := [couple for couple in couples if len(couple & positives) < 2]:
        yes = next(iter(lone[0] & positives))
        no = next(iter(lone[0] - {yes}))
        faults[-1] = (
            f"the positive answer is the word {yes!r} in every pair that is answered so, and nothing can tell a "
            f"behavior from the word; add pairs whose positive answer is {no!r}; or, if you want the word, give "
            f'the pairs "choices": ["{yes}", "{no}"] and "listed": false'
        )
        return
    spelled = _spelling(pairs, words)
    for index, labels in words.items():
        positive, negative = (spelled[label.value] for label in labels)
        # In the couple's order, whichever is positive, so that both kinds of pairs have the same two labels.
        choices = (positive, negative) if labels[0].value > labels[1].value else (negative, positive)
        found[index] = replace(pairs[index], positive=positive, negative=negative, choices=choices, listed=False)


def _spelling(pairs: Sequence[Pair], words: dict[int, tuple[Label, Label]]) -> dict[str, str]:
    """One spelling for each word: the file's where it has one, else a capital and no full stop."""
    spellings: dict[str, set[str]] = defaultdict(set)
    for index, labels in words.items():
        for label, text in zip(labels, (pairs[index].positive, pairs[index].negative), strict=True):
            spellings[label.value].add(text.strip())
    return {word: next(iter(ways)) if len(ways) == 1 else word.capitalize() for word, ways in spellings.items()}


def _labelled_choices(pairs: Sequence[Pair]) -> Iterator[tuple[int, Pair | str]]:
    """Choice pairs whose choices carry labels of their own, which would stand under trimtab's: "(A) (B) No"."""
    both = {
        i: labels
        for i, pair in enumerate(pairs)
        if pair.is_choice and pair.listed and (labels := _both_labels(*pair.choices)) and labels[0].kind != "word"
    }
    # Choices may be a letter or begin like one, as "A. Einstein": only where all pairs have the same two is it a label.
    names = {frozenset(label.value for label in labels) for labels in both.values()}
    if len(names) != 1 or len(both) < sum(pair.is_choice for pair in pairs):
        return
    if next(iter(names)) not in ({"A", "B"}, {"1", "2"}):
        return
    for index, labels in both.items():
        pair = pairs[index]
        if all(label.text for label in labels):
            texts = dict(zip(pair.choices, (label.text for label in labels), strict=True))
            yield (
                index,
                replace(
                    pair, positive=texts[pair.positive], negative=texts[pair.negative], choices=tuple(texts.values())
                ),
            )
            continue
        mine = _both_labels(pair.positive, pair.negative)
        made = _by_options(replace(pair, choices=()), mine) if mine else None
        yield index, made or f'the "choices" are labels without texts; {_REMEDY}'


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text.casefold()).strip()
