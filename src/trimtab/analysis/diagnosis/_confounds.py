"""What a vector may be about instead of its behavior: length, a first token, an answer letter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from trimtab.analysis.diagnosis.differences import EVEN, PairDifferences
from trimtab.analysis.diagnosis.sentences import Diagnosis, at_layer
from trimtab.analysis.formatting import fixed, p_equals, percent

ENOUGH = 10
"""From this number on, completions rarely all share something by chance (1 in 512 for the longer side of a pair)."""
NEARLY_ALL = 0.9
"""Share of pairs with the same longer side from which the vector can be about length as well."""
LONGER = 1.2
"""Middle ratio of lengths below which a longer side is no more than a word."""
FOLLOWS, EXPLAINS = 0.3, 0.5
"""Rank correlation with length from which it is worth a word, and from which it explains a quarter of the ranks."""
SURE = 0.01
"""p of that correlation: 1 in 100 sets of good pairs is blamed."""
GIVEAWAY = 0.8
"""Share of completions with the same first token from which on the token alone separates the sides."""
ONLY_FIRST = 0.5
"""Share of pairs equal after the first token from which the rest of the text plays no part."""
SWAMPS = 0.5
"""Letter's share of the squared differences from which a vector of unbalanced pairs is the letter's."""
LEAKS = 0.3
"""|cosine| of the vector with the letter axis: about a tenth of the squared vector then is the letter."""


def confounds(d: PairDifferences, row: dict[str, Any] | None) -> Iterator[Diagnosis]:
    """Everything found of length, first tokens and letters.

    Args:
        d: The differences.
        row: The row of `pair_quality` at the layer to speak of; None where no layer has a stability.
    """
    if d.n_pairs >= ENOUGH:
        yield from _length(d, row)
        if d.sides == "completions":
            yield from _first_token(d)
    yield from _letter(d, row)


def _length(d: PairDifferences, row: dict[str, Any] | None) -> Iterator[Diagnosis]:
    positive, negative = (d.pairs[f"{side}_tokens"].to_numpy(np.float64) for side in ("positive", "negative"))
    found = []
    ratio = float(np.median(np.maximum(positive, 1) / np.maximum(negative, 1)))
    for side, share, times in (
        ("positive", float((positive > negative).mean()), ratio),
        ("negative", float((negative > positive).mean()), 1 / ratio),
    ):
        if share >= NEARLY_ALL and times >= LONGER:
            found.append(
                f"in {percent(share)} of the pairs the {side} {d.side} is the longer one, "
                f"in the middle {fixed(times, 1, [LONGER])} times as long"
            )
    one_sided = bool(found)
    correlation = row["length_correlation"] if row else np.nan
    follows = abs(correlation) >= FOLLOWS and row is not None and row["length_p"] < SURE
    if follows and row is not None:
        found.append(
            f"the projection of a pair on the vector of the others correlates with the extra length of its positive "
            f"{d.side} (rank correlation {fixed(correlation)}, {p_equals(row['length_p'])}, "
            f"{at_layer(row['layer'], d.n_layers)})"
        )
    if found:
        serious = follows and (one_sided or abs(correlation) >= EXPLAINS)
        text = "; ".join(found)
        yield Diagnosis(
            "length_confound",
            "problem" if serious else "caution",
            f"{text[0].upper()}{text[1:]}. The vector may be about length.",
            f"Unless length is the behavior, write {d.sides} of the same length, or as many pairs the other way.",
        )


def _first_token(d: PairDifferences) -> Iterator[Diagnosis]:
    """Open pairs only: a choice is answered by its first token, and that is what is balanced."""
    pairs = d.pairs[d.strata == 0]
    if len(pairs) < ENOUGH:
        return
    rest = [
        [_after(text, first) for text, first in zip(pairs[side], pairs[f"{side}_first"], strict=True)]
        for side in ("positive", "negative")
    ]
    same = float(np.mean([a == b for a, b in zip(*rest, strict=True)]))
    if same >= ONLY_FIRST:
        yield Diagnosis(
            "first_token",
            "problem",
            f"In {percent(same)} of the pairs the two completions are the same after their first token. "
            "The vector is about that token.",
            "Write completions that show the behavior throughout, or take the vector at the answer token.",
        )
        return
    first = {side: pairs[f"{side}_first"].astype(str).str.strip().str.casefold() for side in ("positive", "negative")}
    for side, other in (("positive", "negative"), ("negative", "positive")):
        token = first[side].mode().iloc[0]
        share, elsewhere = float((first[side] == token).mean()), float((first[other] == token).mean())
        if share >= GIVEAWAY and elsewhere < share / 2:
            yield Diagnosis(
                "first_token",
                "caution",
                f"{percent(share)} of the {side} completions begin with “{token}”, of the {other} ones "
                f"{percent(elsewhere)}. "
                "The vector may be about that word.",
                "Vary how completions begin, on both sides.",
            )


def _letter(d: PairDifferences, row: dict[str, Any] | None) -> Iterator[Diagnosis]:
    if not d.sign.any():
        return
    if d.spelled:
        yield from _spelled_label(d, row)
        return
    labels = d.pairs["label"][d.strata != 0]
    only = labels.iloc[0] if labels.nunique() == 1 else None
    if d.letter_hides_all:
        yield Diagnosis(
            "letter_confound",
            "problem",
            f"The positive answer is “{only}” in every pair as shown, so that answer cannot be distinguished from the "
            "behavior, and what is left without it cannot be judged.",
            "Show both option orders, or add pairs in which the other answer is the positive one.",
        )
        return
    if row is None:
        return
    layer = at_layer(row["layer"], d.n_layers)
    share = f"the letter makes up {percent(row['letter_share'])} of the squared differences ({layer})"
    side_by_side = (
        f"half splits of the pairs as given, at random, have cosine {fixed(row['stability_random'])}; letter-balanced "
        f"and stratified {fixed(row['stability'])}"
    )
    if abs(d.lean) > EVEN:
        counts = ", ".join(f"{label} {n}" for label, n in labels.value_counts().sort_index().items())
        yield Diagnosis(
            "letter_confound",
            "problem" if row["letter_cosine"] >= LEAKS else "caution",
            f"The positive answers are uneven and were not balanced ({counts}): the vector has |cosine| "
            f"{fixed(row['letter_cosine'])} with the letter axis, and {share}.",
            "Extract with both option orders (the default), or drop the surplus pairs.",
        )
        return
    if only is not None:
        yield Diagnosis(
            "letter_confound",
            "caution",
            f"The positive answer is “{only}” in every pair. Each was shown in both orders here, so the letter cancels;"
            f" shown once, the vector would have |cosine| {fixed(_as_given(d, row['layer']))} with the letter axis.",
            "Keep both option orders (the default), or swap the options in half of the pairs.",
        )
    elif row["letter_share"] >= SWAMPS:
        yield Diagnosis(
            "letter_confound",
            "good",
            f"{share[0].upper()}{share[1:]}, and is balanced out here: {side_by_side}.",
            "Keep both option orders (the default); vectors, PCA and half splits of the raw differences are the "
            "letter's.",
        )
    if row["letter_cosine"] >= LEAKS:
        yield Diagnosis(
            "letter_confound",
            "caution",
            "Letters are balanced here, so that none of the data's is left; but the behavior's own direction has "
            f"|cosine| {fixed(row['letter_cosine'])} with the letter axis ({layer}), and steering with it can move the "
            "choice of letter, too.",
            "Look at the delta in both option orders, or use answers by text.",
        )


def _spelled_label(d: PairDifferences, row: dict[str, Any] | None) -> Iterator[Diagnosis]:
    """Open pairs that an answer label distinguishes: data of choices, written as texts."""
    labels = d.pairs["label"][d.strata != 0]
    counts = ", ".join(f"“{label}” {n}" for label, n in labels.value_counts().sort_index().items())
    advice = (
        "Write them as choice pairs (`choices`), which are shown in both option orders, or as texts without the label; "
        "no pair is the wrong way round for its label."
    )
    if d.letter_hides_all:
        yield Diagnosis(
            "answer_label",
            "problem",
            f"The positive completion is the answer label “{labels.iloc[0]}” in every pair, so that label cannot be "
            "distinguished from the behavior.",
            advice,
        )
        return
    if row is None or not (row["letter_share"] >= SWAMPS or row["letter_cosine"] >= LEAKS):
        return
    yield Diagnosis(
        "answer_label",
        "problem",
        f"{len(labels)} of {d.n_pairs} pairs are distinguished by an answer label that their completions begin with "
        f"(positive: {counts}). It makes up {percent(row['letter_share'])} of the squared differences, and the vector "
        f"has |cosine| {fixed(row['letter_cosine'])} with it ({at_layer(row['layer'], d.n_layers)}). Agreement and "
        "stability are measured without it here, and are no evidence for the pairs while they have it.",
        advice,
    )


def _as_given(d: PairDifferences, layer: int) -> float:
    """|cosine| of the mean of the pairs as given with the letter axis."""
    mean = d.difference[d.first_row, layer].astype(np.float64).mean(axis=0)
    axis = d.letter_axis(layer)
    lengths = float(np.linalg.norm(mean) * np.linalg.norm(axis))
    return abs(float(mean @ axis)) / lengths if lengths > 0 else float("nan")


def _after(text: Any, first: Any) -> str:
    """A text without its first token, capitals and outer spaces."""
    return str(text).strip().removeprefix(str(first).strip()).strip().casefold()
