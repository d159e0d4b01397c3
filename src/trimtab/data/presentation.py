"""How pairs are shown to a model so that the answer letter does not pass for the behavior.

The letter of the positive answer moves activations far more than a behavior does. A mean over pairs cancels
it only if both letters are positive equally often, so by default each pair is shown in both option orders and
the letter cancels within the pair. Where the answer is a word (Yes, No) there is nothing to swap and weights
even it out.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from trimtab.data.formats.completion_labels import read_labels
from trimtab.data.hash_order import content_key, rank
from trimtab.data.pairs import LETTERS, Behavior, Pair
from trimtab.errors import DataError, SettingError, TrimtabWarning

Form = Literal["choice", "text"]
"""How a pair is asked: "choice" lists the options and is answered by letter (or answer word); "text" is the
prompt alone, answered by the completion."""

Balance = Literal["both_orders", "subsample", "off"]
"""How answer labels are evened out: every pair in both orders, surplus pairs dropped, or not at all."""


@dataclass(frozen=True)
class Presentation:
    """One pair as it is put to a model."""

    pair: Pair
    """The pair as shown: already swapped where `order` is 1."""
    order: int = 0
    """0: options as given; 1: swapped."""
    weight: float = 1.0
    """Weight in means; the weights of a behavior add up to its number of pairs."""
    form: Form = "choice"


def present(behavior: Behavior, form: Form, balance: Balance = "both_orders", seed: int = 0) -> list[Presentation]:
    """The pairs of a behavior as they are put to a model, balanced by answer label.

    Open pairs, and listed options answered by text, have no answer label: each is shown once with weight 1.
    The showings of one pair stand side by side, in the order of the pairs.

    Args:
        behavior: the pairs.
        form: how they are asked.
        balance: `both_orders` shows listed options in both orders, weight 1/2 each, and weights answer words
            so that both count the same; `subsample` drops pairs of the label in surplus; `off` does nothing.
        seed: which pairs `subsample` drops.

    Raises:
        DataError: when `subsample` would drop everything, as all positives have the same label.
    """
    if form not in get_args(Form):
        raise SettingError(f"form {form!r}: the forms are {' and '.join(get_args(Form))}")
    if balance not in get_args(Balance):
        raise SettingError(f"balance {balance!r}: choose one of {', '.join(get_args(Balance))}")
    for doubt in _doubts(behavior, form, balance):
        warnings.warn(doubt, TrimtabWarning, stacklevel=2)
    if balance == "both_orders":
        return _both_orders(behavior, form)
    pairs = _thinned(behavior, form, seed) if balance == "subsample" else behavior.pairs
    return [Presentation(pair, form=form) for pair in pairs]


def letter_sign(shown: Presentation) -> int:
    """+1 where the positive answer is the first label in sorted order ("A", "No"), -1 where it is the other.

    0 where the answer has no label: open pairs, and listed options answered by text.
    """
    labels = _labels(shown.pair, shown.form)
    if not labels:
        return 0
    return 1 if shown.pair.label == labels[0] else -1


def _labels(pair: Pair, form: Form) -> tuple[str, ...]:
    """The two labels an answer can have, sorted; empty if the answer has none."""
    if not pair.is_choice or (pair.listed and form == "text"):
        return ()
    return tuple(LETTERS) if pair.listed else tuple(sorted(pair.choices))


def _both_orders(behavior: Behavior, form: Form) -> list[Presentation]:
    weights = _word_weights(behavior)
    shown: list[Presentation] = []
    for pair, weight in zip(behavior, weights, strict=True):
        if pair.is_choice and pair.listed and form == "choice":
            shown += [Presentation(pair, 0, 0.5, form), Presentation(pair.swapped(), 1, 0.5, form)]
        else:
            shown.append(Presentation(pair, 0, weight, form))
    return shown


def _word_weights(behavior: Behavior) -> list[float]:
    """Weights under which both answer words of the positives count the same; 1 for all other pairs."""
    weights = [1.0] * len(behavior)
    # Answered by text, words are the only labels left: listed options lose theirs.
    for by_label in _by_label(behavior.pairs, "text").values():
        total = sum(map(len, by_label.values()))
        for indices in by_label.values():
            for index in indices:
                weights[index] = total / (len(by_label) * len(indices))
    return weights


def _thinned(behavior: Behavior, form: Form, seed: int) -> list[Pair]:
    """The pairs without the surplus of the more frequent label."""
    dropped: set[int] = set()
    for by_label in _by_label(behavior.pairs, form).values():
        if len(by_label) < 2:
            label = next(iter(by_label))
            raise DataError(
                f"{behavior.name}: the positive answer is {label!r} in every pair, so none can be kept; "
                "use both_orders, or write pairs with the other answer"
            )
        keep = min(map(len, by_label.values()))
        for indices in by_label.values():
            shuffled = sorted(indices, key=lambda i: rank(seed, "subsample", content_key(behavior[i])))
            dropped.update(shuffled[keep:])
    return [pair for index, pair in enumerate(behavior) if index not in dropped]


def _doubts(behavior: Behavior, form: Form, balance: Balance) -> Iterator[str]:
    """Why the label may still show in a vector from these pairs."""
    # Files are read as choice pairs or refused; pairs that were made by hand come here as they are.
    labels = read_labels(behavior.pairs)
    if labelled := labels.pairs.keys() | labels.faults.keys():
        count = f"{len(labelled - {-1})} of the pairs" if labelled - {-1} else "the pairs"
        yield (
            f"{behavior.name}: {count} are answered by a label or an answer word and say no choices; a vector will "
            "point towards the label; give them `choices`"
        )
    if balance == "subsample":
        return
    # Both orders cancel the letters; only words are left to be uneven.
    for by_label in _by_label(behavior.pairs, "text" if balance == "both_orders" else form).values():
        counts = {label: len(indices) for label, indices in sorted(by_label.items())}
        if len(counts) < 2:
            yield (
                f"{behavior.name}: the positive answer is {next(iter(counts))!r} in every pair; a vector "
                "will point towards that answer more than the behavior; add pairs with the other answer"
            )
        elif balance == "off" and len(set(counts.values())) > 1:
            listed = " to ".join(f"{count} {label}" for label, count in counts.items())
            yield (
                f"{behavior.name}: the positive answers are {listed} and balance is off; a vector may point "
                "towards the answer label instead of the behavior"
            )


def _by_label(pairs: Sequence[Pair], form: Form) -> dict[tuple[str, ...], dict[str, list[int]]]:
    """Indices of the pairs with an answer label: by the two labels possible, then by the positive one."""
    found: dict[tuple[str, ...], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, pair in enumerate(pairs):
        labels = _labels(pair, form)
        if labels:
            found[labels][pair.label].append(index)
    return found
