"""Flags of texts to read in two lists: those that lie on the other list's side, or are nearly the same as another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.diagnosis._agreement import robust_z
from trimtab.analysis.diagnosis._near_duplicates import SAME_TEXT, joined, similarity
from trimtab.analysis.diagnosis.differences import DEEP
from trimtab.analysis.diagnosis.flags import BELOW, FEW, FLAGS
from trimtab.analysis.diagnosis.lists.list_quality import projections_on_others
from trimtab.analysis.diagnosis.lists.list_states import ListStates
from trimtab.analysis.formatting import fixed, percent
from trimtab.stats.bootstrap import Array

APART = 0.8
"""Share of the texts that lie on the side of their own list, from which on one that does not is worth a look.

Of good texts (simulated, lists of 12 to 100, directions of all sizes) at most 2 in 1000 are flagged then."""


def list_flags(d: ListStates) -> pd.DataFrame:
    """Texts that a person should read, and why.

    - `other_side`: along the direction between the two lists without it, it lies on the other list's side (`value`: 1
      is the mean text of its list, −1 that of the other; a mean over the layers of depth ≥ 1/3), and 3 robust standard
      deviations from the middle of its own list. Only where both lists have 10 texts and 80% of all lie on the side of
      their own.
    - `duplicate`: nearly the same as an earlier text of its list, `other`: four fifths of their letter groups are
      shared (`value` is the similarity). The earlier text has no flag.
    - `in_both_lists`: a positive text nearly the same as the negative one `other`.

    Which texts belong together, and so whether a couple of them stands apart, needs pairs: it is not looked for.

    Args:
        d: The states.

    Returns:
        The columns of `pair_flags`.
    """
    similar = similarity(d.examples["text"].astype(str).tolist())
    rows = [*_on_the_other_side(d), *_within(d, similar), *_across(d, similar)]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(FLAGS))
    return table


def _on_the_other_side(d: ListStates) -> Iterator[dict[str, Any]]:
    if min(d.sizes) < FEW:
        return
    place = places_between(d)
    if (place > 0).mean() < APART:
        return
    for side, whose in ((d.positive, "negative"), (~d.positive, "positive")):
        members = np.flatnonzero(side)
        apart = members[(robust_z(place[members]) <= BELOW) & (place[members] < 0)]
        for text in apart[np.argsort(place[apart], kind="stable")]:
            value = float(place[text])
            words = (
                f"Between the lists it lies at {fixed(value)}, where 1 is the mean of its own list and −1 that of the "
                f"{whose} one: it may be in the wrong list, or about something else."
            )
            yield _flag(d, int(text), "other_side", value, None, words)


def places_between(d: ListStates) -> Array:
    """Where each text lies between the lists without it: 1 is the mean of its own, −1 of the other: [examples].

    A mean over the layers of depth ≥ 1/3; 0 where a layer has no direction.
    """
    layers = np.flatnonzero(d.depth >= DEEP)
    found = np.zeros(d.n_examples)
    for layer in layers:
        states = d.centred_at(int(layer))
        along = projections_on_others(d, states @ states.T) * d.side
        sides = (d.positive, ~d.positive)
        half = sum(float(np.average(along[side], weights=d.weight[side])) for side in sides) / 2
        if half > 0:
            found += along / half
    return found / len(layers)


def _within(d: ListStates, similar: Array) -> Iterator[dict[str, Any]]:
    for side in (d.positive, ~d.positive):
        members = np.flatnonzero(side)
        groups = joined(similar[np.ix_(members, members)] >= SAME_TEXT)
        first = members[np.unique(groups, return_index=True)[1][groups]]
        for text, other in zip(members, first, strict=True):
            if text != other:
                value = float(similar[text, other])
                words = f"It is nearly the same as {_name(d, other)} of its list (texts {percent(value)} alike)."
                yield _flag(d, int(text), "duplicate", value, int(other), words)


def _across(d: ListStates, similar: Array) -> Iterator[dict[str, Any]]:
    theirs = np.flatnonzero(~d.positive)
    for text in np.flatnonzero(d.positive):
        other = theirs[int(similar[text, theirs].argmax())]
        value = float(similar[text, other])
        if value >= SAME_TEXT:
            words = f"It is nearly the same as {_name(d, other)} of the negative list (texts {percent(value)} alike)."
            yield _flag(d, int(text), "in_both_lists", value, int(other), words)


def _name(d: ListStates, example: int) -> str:
    return str(d.examples["prompt_id"].iloc[example])


def _flag(d: ListStates, example: int, flag: str, value: float, other: int | None, text: str) -> dict[str, Any]:
    named = "" if other is None else _name(d, other)
    return dict(zip(FLAGS, (_name(d, example), flag, value, named, text), strict=True))
