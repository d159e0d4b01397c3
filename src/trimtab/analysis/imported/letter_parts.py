"""The answer letter in imported scores: a score is that of balanced keys, plus what a preference for a letter adds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.cells import FULL, LOWER, UPPER, is_mirrored
from trimtab.analysis.imported.item_matrices import CELL, OWNER, UNITS, UNSTEERED_CELL, Place, Subject, Unit, subjects
from trimtab.stats.bootstrap import Array, drawn_counts, percentiles

PARTS = (
    *OWNER, "condition", "plain", *CELL, "crossed", "unit", "first", "n_first", "n_second", "n_other", "share_first",
    "score", "score_first", "score_second", "balanced", "balanced_low", "balanced_high", "letter",
)  # fmt: skip
CHANGES = (
    *OWNER, "condition", "plain", "scale", "positions", "layers", "layer", "strength", "compared", "crossed",
    "unit", "first", "n", "change", "change_low", "change_high", "balanced", "balanced_low", "balanced_high",
    "letter", "letter_low", "letter_high", "share_first_lower", "share_first_upper",
)  # fmt: skip


def letter_parts(items: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """The score of each cell in two parts, and the share of answers with the first letter.

    Of n₁ prompts whose matching answer has the first letter and n₂ with the second, with mean scores m₁ and m₂, the
    score is (n₁m₁ + n₂m₂)/n. `balanced` is (m₁ + m₂)/2, what it would be with as many keys of each letter: a preference
    for a letter cancels. `letter` is the rest, (n₁ − n₂)/n · (m₁ − m₂)/2.

    Args:
        items: A table with the columns `ITEMS`.
        draws: Bootstrap resamples of prompts, of each key apart.
        seed: Of the resamples.

    Returns:
        The columns `PARTS`; none where the answers have no letters, or all keys are one letter. `share_first`: mean
        probability of the first letter, of the two together, over all prompts, those without a score included;
        `n_other`: prompts whose matching answer has neither letter.
    """
    found = []
    for keyed in _keyed(items, draws, seed):
        subject = keyed.subject
        for i, place in enumerate(subject.places):
            parts = keyed.parts(i)
            if parts is None:
                continue
            low, high = percentiles(keyed.drawn(i, keyed.known(i))[1])
            found.append(
                subject.owner
                | {"condition": place.condition, "plain": place.condition == subject.plain, **place.named}
                | {
                    "crossed": subject.is_crossed(place),
                    "unit": keyed.unit,
                    **parts,
                    "balanced_low": low,
                    "balanced_high": high,
                }
            )
    table: pd.DataFrame = pd.DataFrame(found, columns=list(PARTS))
    return table


def letter_changes(items: pd.DataFrame, *, draws: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How much of the change of each score with the strength is the letter's: columns `CHANGES`.

    `change` is the score at the upper end of `compared` minus that at the lower; `balanced` and `letter` are its two
    parts (see `letter_parts`), with 95% percentile bootstraps over prompts, those of each key drawn apart.

    Args:
        items: A table with the columns `ITEMS`.
        draws: Bootstrap resamples.
        seed: Of the resamples.
    """
    found = []
    for keyed in _keyed(items, draws, seed):
        subject = keyed.subject
        mirrored = is_mirrored(subject.items[subject.items["plain"].astype(bool)])
        for upper, lower, compared in _pairs(subject, mirrored):
            now, before = keyed.parts(upper, lower), keyed.parts(lower, upper)
            if now is None or before is None:
                continue
            place = subject.places[upper if subject.places[upper].steered else lower]
            known = keyed.known(upper, lower)
            ends = zip(keyed.drawn(upper, known), keyed.drawn(lower, known), strict=True)
            change, balanced = (above - below for above, below in ends)
            whole, even = now["score"] - before["score"], now["balanced"] - before["balanced"]
            found.append(
                subject.owner
                | {"condition": place.condition, "plain": place.condition == subject.plain}
                | place.named
                | {"strength": abs(place.cell[-1]), "compared": compared, "crossed": subject.is_crossed(place)}
                | {"unit": keyed.unit, "first": subject.first}
                | {"n": now["n_first"] + now["n_second"], "change": whole, "balanced": even, "letter": whole - even}
                | {"share_first_lower": before["share_first"], "share_first_upper": now["share_first"]}
                | _ends("change", change)
                | _ends("balanced", balanced)
                | _ends("letter", change - balanced)
            )
    table: pd.DataFrame = pd.DataFrame(found, columns=list(CHANGES))
    return table


def _keyed(items: pd.DataFrame, draws: int, seed: int) -> Iterator[_Keyed]:
    """The scores of each model and behavior in each unit, by key."""
    return (_Keyed(subject, unit, draws, seed) for subject in subjects(items) for unit in UNITS)


class _Keyed:
    """The scores of a subject by key: rows whose matching answer has the first letter, and those with the second."""

    def __init__(self, subject: Subject, unit: Unit, draws: int, seed: int):
        self.unit, self.subject, self.draws, self.seed = unit, subject, draws, seed
        self.score = subject.rows(UNITS[unit])
        with np.errstate(invalid="ignore", divide="ignore"):
            first = subject.rows("p_first")
            self.of_first = first / (first + subject.rows("p_second"))
        self._weights: dict[bytes, list[Array]] = {}

    def known(self, *places: int) -> NDArray[np.bool_]:
        """The rows that have a score at each of these places, and a key: [n_rows]."""
        finite = np.isfinite(self.score[:, list(places)])
        return np.asarray(finite.all(axis=1) & (self.subject.key != 0))

    def parts(self, place: int, *others: int) -> dict[str, Any] | None:
        """The numbers at a place, of the rows known there and at the others; None where a letter is the key of none."""
        known = self.known(place, *others)
        sides = [known & (self.subject.key == key) for key in (1, -1)]
        if not all(side.any() for side in sides):
            return None
        first, second, score = (self._mean(self.score[:, place], rows) for rows in (*sides, known))
        answered = np.isfinite(self.of_first[:, place])
        return {
            "first": self.subject.first,
            "n_first": int(sides[0].sum()),
            "n_second": int(sides[1].sum()),
            "n_other": int((answered & (self.subject.key == 0)).sum()),
            "share_first": self._mean(self.of_first[:, place], answered),
            "score": score,
            "score_first": first,
            "score_second": second,
            "balanced": (first + second) / 2,
            "letter": score - (first + second) / 2,
        }

    def drawn(self, place: int, known: NDArray[np.bool_]) -> tuple[Array, Array]:
        """Score and balanced score of each resample of the known rows: two of [draws]."""
        total, size, means = np.zeros(self.draws), np.zeros(self.draws), []
        for weight, key in zip(self._resampled(known), (1, -1), strict=True):
            part = weight @ self.score[known & (self.subject.key == key), place]
            total, size = total + part, size + weight.sum(axis=1)
            means.append(part / weight.sum(axis=1))
        return total / size, np.mean(means, axis=0)

    def _resampled(self, known: NDArray[np.bool_]) -> list[Array]:
        """Weights of the rows of each key in each resample: two of [draws, n]; the same for the same rows."""
        mask = known.tobytes()
        if mask not in self._weights:
            made = []
            for number, key in enumerate((1, -1)):
                rows = known & (self.subject.key == key)
                groups = np.unique(self.subject.prompt[rows], return_inverse=True)[1]
                counts = drawn_counts(int(rows.sum()), self.draws, np.random.default_rng([self.seed, number]), groups)
                made.append(counts * self.subject.weight[rows])
            self._weights[mask] = made
        return self._weights[mask]

    def _mean(self, values: Array, rows: NDArray[np.bool_]) -> float:
        return float(np.average(values[rows], weights=self.subject.weight[rows])) if rows.any() else float("nan")


def _pairs(subject: Subject, mirrored: bool) -> list[tuple[int, int, str]]:
    """The places that each change compares, upper and lower, and in which words."""
    number = {place: i for i, place in enumerate(subject.places)}
    found = []
    for place, i in number.items():
        mirror = number.get(Place(place.condition, (*place.cell[:-1], -place.cell[-1])))
        zero = number.get(Place(place.condition, UNSTEERED_CELL))
        if not place.steered:
            continue
        if mirrored and mirror is not None:
            found += [(i, mirror, FULL)] if place.cell[-1] > 0 else []
        elif zero is not None and place.cell[-1] > 0:
            found.append((i, zero, UPPER))
        elif zero is not None and mirror is None:
            found.append((zero, i, LOWER))
    return found


def _ends(name: str, drawn: Array) -> dict[str, float]:
    low, high = percentiles(drawn)
    return {f"{name}_low": low, f"{name}_high": high}
