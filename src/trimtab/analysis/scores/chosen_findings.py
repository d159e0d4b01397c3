"""Cautions about a chosen cell: the stability of the choice, selection optimism, and the tails of the prompts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from trimtab.analysis.claims import LARGE_FALL, Claim
from trimtab.analysis.findings import Finding, Sentence, caution, picked
from trimtab.analysis.samples import present, records
from trimtab.analysis.scores import score_sentences as sentences
from trimtab.analysis.scores.choice import OWNER
from trimtab.analysis.scores.score_findings import subject

MIN_STABILITY = 0.5
"""Below this share of resamples that pick the same layer, the choice is not stable."""

NEGLIGIBLE_OPTIMISM = 0.1
"""Share of a value that selection may add without a caution; the table has every one."""

NEGLIGIBLE_TAIL = 0.2
"""In unsteered standard deviations: a fall of the 5th percentile by no more than this is no caution."""

Caution = tuple[Sentence, dict[str, Any], list[Claim]]


def chosen_findings(best: pd.DataFrame, choice: pd.DataFrame, checks: pd.DataFrame) -> list[Finding]:
    """Cautions about single chosen cells.

    Args:
        best: What `best_cells` returned.
        choice: What `layer_choice` returned for it.
        checks: What `chosen_checks` returned for it.
    """
    found = []
    owner = present(best, OWNER)
    cells = {tuple(row[name] for name in owner): row for row in records(best)}
    for table, cautions in ((choice, _choice), (checks, _tail)):
        for row in records(table):
            cell = cells[tuple(row[name] for name in owner)]
            found += [
                caution(subject(row, best), sentence, values, claims=claims, decisive=_lost(values))
                for sentence, values, claims in cautions(row, cell)
            ]
    return found


def _choice(row: dict[str, Any], cell: dict[str, Any]) -> Iterator[Caution]:
    fallen = Claim("change", "from choosing to reporting", row["fall"], p=row["fall_p"])
    # A fall to nothing is one too, so this does not need an effect on the prompts that report it.
    if fallen.above:
        values = {**picked(cell, "chosen_delta", "delta"), **picked(row, "fall", "fall_p")}
        yield sentences.fall_of_delta, values, [fallen]
    if not cell["moved"] or cell["delta"] < 0:
        return
    if row["same_layer"] < MIN_STABILITY:
        values = picked(row, "same_layer", "depth_low", "depth_high")
        yield sentences.unstable_choice, {**values, "limit": MIN_STABILITY}, []
    if not row["held_out"] and row["candidates"] > 1 and row["optimism"] > NEGLIGIBLE_OPTIMISM * abs(row["naive"]):
        yield sentences.selection_optimism, picked(row, "measure", "naive", "optimism", "honest"), []


def _lost(values: dict[str, Any]) -> bool:
    """Whether a caution is about a fall that takes most of the effect."""
    return "fall" in values and values["fall"] > LARGE_FALL * abs(values["chosen_delta"])


def _tail(row: dict[str, Any], cell: dict[str, Any]) -> Iterator[Caution]:
    """A caution where the mean rises and the lowest prompts fall, each shown by its interval."""
    spread = cell["sd_zero"]
    rise = Claim("effect", "the mean at +α", row["up"], row["up_low"], row["up_high"])
    fall = Claim("effect", "the 5th percentile at +α", row["tail"], row["tail_low"], row["tail_high"])
    if not (cell["moved"] and cell["delta"] > 0 and spread > 0 and rise.above and fall.below):
        return
    if -row["tail"] <= NEGLIGIBLE_TAIL * spread:
        return
    ends = [f"{name}{end}" for name in ("up", "tail") for end in ("", "_low", "_high")]
    values = {**picked(row, *ends), **picked(cell, "mean_zero", "mean_plus", "sd_zero")}
    yield sentences.falling_tail, values, [rise, fall]
