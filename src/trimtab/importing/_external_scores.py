"""Scores of an external table: as given, from two columns, or by the letter of the matching answer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trimtab._util.wording import plural, verb_for
from trimtab.analysis.imported import NO_COLUMN
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.importing._external_table import ExternalTable, Flags, Floats

LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
Values = Literal["logits", "probabilities"]
"""What the two columns of a score hold: logits or log-probabilities, or probabilities."""
NO_LETTER = "none"
"""What `--labels` gives a label whose rows have no score."""

BOTH_MISSING, ONE_MISSING = "both probabilities are missing", "a probability is missing"
BOTH_ZERO, ONE_ZERO = "both probabilities are 0", "a probability is 0"

_ROUNDING = 0.01
"""Two probabilities that were rounded, or computed in bfloat16, may sum to this much more than 1."""
_HALF_OF_PERCENT = 50.0
"""Two columns from 0 to 100 that reach beyond this, and sum to no more than 100, are percentages rather than logits."""


@dataclass(frozen=True)
class ExternalScores:
    """The score of each row, and what it was computed from."""

    score: Floats
    """Logit difference, or log-odds of the two probabilities; NaN where a row has none."""
    unscored: NDArray[np.object_]
    """Why a row has no score; empty where it has one, or where its own column is empty."""
    first: str = ""
    """Letter of the first column, or `positive`; empty where the score was given as such."""
    second: str = ""
    matching: NDArray[np.object_] | None = None
    """Letter whose column is the matching answer's, empty where there is none; None without letters."""
    p_first: Floats | None = None
    """Probability of the first answer; None where the columns hold no probabilities."""
    p_second: Floats | None = None
    share: Floats | None = None
    """Probability of the matching answer, of the two together; NaN where it is not defined."""


def scores_of(table: ExternalTable, labels: Mapping[str, str], values: Values | None) -> ExternalScores:
    """Return the score of each row, in the one of three forms that the table has.

    Args:
        table: The table. Its problems are collected there; if there are any, the result is meaningless.
        labels: The letter that a label stands for, where it is not one of the letters that have a column; `none` for
            labels whose rows have no score.
        values: What two columns hold; None where it was not stated, which is a problem if they look like probabilities.

    Raises:
        SettingError: When the mapping names a score twice, or other than two letters.
    """
    letters = [letter for letter in LETTERS if letter in table.mapping]
    ways = {"score": ["score"], "positive and negative": ["positive", "negative"], "letters": letters or ["A", "B"]}
    mapped = [way for way, targets in ways.items() if any(target in table.mapping for target in targets)]
    if len(mapped) > 1:
        raise SettingError(f"{table.option}: the score is mapped twice, by {' and by '.join(mapped)}; give one of them")
    here = [way for way, targets in ways.items() if all(table.column(target) is not None for target in targets)]
    way = (mapped or here or [""])[0]
    if way in ("", "score"):
        if values is not None and way:
            raise SettingError(f"--values {values}: is about two columns, but the score is one; map the two instead")
        if not way:
            table.problem(
                f"no score; name one with {table.option} score=…, or positive=…,negative=…, or label=…,A=…,B=…; "
                f"the columns are {', '.join(map(str, table.frame.columns))}"
            )
        score = table.numbers("score") if way else np.full(len(table), np.nan)
        return ExternalScores(score, np.full(len(table), "", dtype=object))
    first, second = ("positive", "negative") if way != "letters" else _two(table, letters or ["A", "B"])
    table.require(first, second)
    columns = table.numbers(first), table.numbers(second)
    sign, unscored = np.ones(len(table)), np.full(len(table), "", dtype=object)
    matching = None
    if way == "letters":
        sign, unscored = _signs(table, (first, second), labels)
        matching = np.select([unscored != "", sign > 0], ["", first], second).astype(object)
    if values == "probabilities":
        scores = _from_probabilities(table, (first, second), columns, sign, unscored)
        return replace(scores, matching=matching)
    if values is None:
        _require_logits(table, (first, second), columns)
    score = np.where(unscored == "", sign * (columns[0] - columns[1]), np.nan)
    return ExternalScores(score, unscored, first, second, matching)


def plain_label(label: Any) -> str:
    """Return the letter in "(A)", " (A)", "A." or "A"; other labels unchanged."""
    return str(label).strip().strip("().:").strip()


def _two(table: ExternalTable, letters: Sequence[str]) -> tuple[str, str]:
    if len(letters) != 2:
        raise SettingError(f"{table.option}: a score by letters needs two letter columns, not {len(letters)}")
    return letters[0], letters[1]


def _signs(
    table: ExternalTable, letters: tuple[str, str], labels: Mapping[str, str]
) -> tuple[Floats, NDArray[np.object_]]:
    """Return 1 where the first letter is that of the matching answer, −1 elsewhere, and why a row has no score."""
    table.require("label")
    first, second = letters
    stray = sorted(set(labels.values()) - {*letters, NO_LETTER})
    if stray:
        raise SettingError(f"--labels: {stray[0]!r} has no column; those with one are {first} and {second}")
    label = np.array([plain_label(text) for text in table.texts("label", "")], dtype=object)
    letter = np.array([labels.get(text, text) for text in label], dtype=object)
    without: Flags = np.array([labels.get(text) == NO_LETTER for text in label], dtype=bool)
    table.refuse(
        ~np.isin(letter.astype(str), letters) & ~without,
        lambda i: (
            f"label {label[i]!r} has no column (those with one: {first}, {second}); give its letter with "
            f"--labels {label[i] or 'LABEL'}={second}, leave its rows out, or store them without a score with "
            f"--labels {label[i] or 'LABEL'}={NO_LETTER}"
        ),
    )
    for text in sorted(set(label) & set(labels)):
        rows = int((label == text).sum())
        if labels[text] == NO_LETTER:
            _warn(f"{plural(rows, 'row')} with label {text!r} {verb_for(rows, 'have')} no score")
        else:
            _warn(f"{rows:,} rows with label {text!r} count as {labels[text]!r}")
    return np.where(letter == first, 1.0, -1.0), np.where(without, NO_COLUMN, "").astype(object)


def _from_probabilities(
    table: ExternalTable,
    names: tuple[str, str],
    columns: tuple[Floats, Floats],
    sign: Floats,
    unscored: NDArray[np.object_],
) -> ExternalScores:
    """Return log-odds and shares; refuse what no two probabilities can be."""
    p_first, p_second = columns
    headings = [table.column(name) or name for name in names]
    outside = np.zeros(len(table), dtype=bool)
    for heading, p in zip(headings, columns, strict=True):
        wrong = np.isinf(p) | (p < 0) | (p > 1)
        outside |= wrong
        table.refuse(wrong, lambda i, heading=heading, p=p: _no_probability(heading, p[i]))  # type: ignore[misc]
    total = p_first + p_second
    table.refuse(
        ~outside & (total > 1 + _ROUNDING),
        lambda i: (
            f"{headings[0]} {p_first[i]:g} and {headings[1]} {p_second[i]:g} sum to {total[i]:g}, more than 1: they "
            "are not probabilities of two answers at one place"
        ),
    )
    missing = np.isnan(p_first).astype(int) + np.isnan(p_second)
    zeros = (p_first == 0).astype(int) + (p_second == 0)
    reasons = [
        (unscored != "", NO_COLUMN),
        (missing == 2, BOTH_MISSING),
        (missing == 1, ONE_MISSING),
        (zeros == 2, BOTH_ZERO),
        (zeros == 1, ONE_ZERO),
    ]
    why = np.select([mask for mask, _ in reasons], [text for _, text in reasons], "").astype(object)
    matching = np.where(sign > 0, p_first, p_second)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = sign * (np.log(p_first) - np.log(p_second))
        share = matching / total
    return ExternalScores(
        score=np.where(why == "", odds, np.nan),
        unscored=why,
        first=names[0],
        second=names[1],
        p_first=p_first,
        p_second=p_second,
        share=np.where((why == "") | (why == ONE_ZERO), share, np.nan),
    )


def _no_probability(heading: str, value: float) -> str:
    text = f"{heading} {value:g} is not a probability from 0 to 1"
    return f"{text}; divide percentages by 100 first" if 1 < value <= 100 else text


def _require_logits(table: ExternalTable, names: tuple[str, str], columns: tuple[Floats, Floats]) -> None:
    """Collect columns that look like probabilities or percentages: as logits they would give other scores."""
    known = [column[np.isfinite(column)] for column in columns]
    if not all(len(column) for column in known):
        return
    low = min(float(column.min()) for column in known)
    high = max(float(column.max()) for column in known)
    total = float(np.nanmax(columns[0] + columns[1], initial=0.0, where=np.isfinite(columns[0] + columns[1])))
    between = " and ".join(table.column(name) or name for name in names)
    if low >= 0 and high <= 1 and (low, high) != (0, 0):
        table.problem(
            f"{between} lie between 0 and 1, as probabilities do; say --values probabilities, or --values logits if "
            "they are logits or log-probabilities"
        )
    elif low >= 0 and _HALF_OF_PERCENT < high <= 100 and total <= 100 * (1 + _ROUNDING):
        table.problem(
            f"{between} lie between 0 and 100 and sum to no more than that, as percentages do; divide them by 100 and "
            "say --values probabilities, or say --values logits if they are logits"
        )


def _warn(text: str) -> None:
    warnings.warn(text, TrimtabWarning, stacklevel=2)
