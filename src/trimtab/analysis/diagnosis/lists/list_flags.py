"""Flags of texts to read in two lists: those nearly the same as another of their list, or of the other one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.diagnosis._near_duplicates import SAME_TEXT, joined, similarity
from trimtab.analysis.diagnosis.flags import FLAGS
from trimtab.analysis.diagnosis.lists.list_states import ListStates
from trimtab.analysis.formatting import percent
from trimtab.stats.bootstrap import Array


def list_flags(d: ListStates) -> pd.DataFrame:
    """Texts that a person should read, and why.

    - `duplicate`: nearly the same as an earlier text of its list, `other`: four fifths of their letter groups are
      shared (`value` is the similarity). The earlier text has no flag.
    - `in_both_lists`: a positive text nearly the same as the negative one `other`.

    What makes a pair stand apart from other pairs needs pairs: it is not looked for.

    Args:
        d: The states, of which the texts alone are looked at.

    Returns:
        The columns of `pair_flags`.
    """
    similar = similarity(d.examples["text"].astype(str).tolist())
    rows = [*_within(d, similar), *_across(d, similar)]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(FLAGS))
    return table


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


def _flag(d: ListStates, example: int, flag: str, value: float, other: int, text: str) -> dict[str, Any]:
    return dict(zip(FLAGS, (_name(d, example), flag, value, _name(d, other), text), strict=True))
