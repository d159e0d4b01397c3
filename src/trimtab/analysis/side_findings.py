"""What else moved, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from trimtab.analysis.findings import Finding, signed
from trimtab.analysis.reply_findings import pushed
from trimtab.analysis.samples import records

WORSE_TEXT = 1.25
"""From here on the perplexity of plain text, as a multiple, is worth a caution."""
FEWER_RIGHT = 0.05
"""Loss of easy questions, as a share, that is worth a caution."""
LONGER = 1.5
"""Replies to neutral prompts that are so many times as long, or as short, are worth a caution."""
LANGUAGE_KEPT = 0.8


def side_findings(cells: pd.DataFrame, best: pd.DataFrame, neutral: pd.DataFrame) -> list[Finding]:
    """What the best cell of each vector does besides what it is for.

    Args:
        cells: from `side_cells`.
        best: from `best_cells`: which cells to speak of.
        neutral: from `neutral_changes`.
    """
    several = cells["model"].nunique() > 1
    chosen = best[["model", "behavior", "layers", "strength"]].rename(columns={"strength": "size"})
    rows = cells.assign(size=cells["strength"].abs()).merge(chosen, on=["model", "behavior", "layers", "size"])
    found = []
    for (model, behavior), mine in rows.groupby(["model", "behavior"], sort=False, observed=True):
        about = f"{behavior} in {model}" if several else str(behavior)
        for row in records(mine.sort_values("strength", ascending=False)):
            found += [Finding(kind, f"{about}: {text}") for kind, text in _about_cell(row)]
    found += [Finding("caution", text) for row in records(neutral) for text in _about_replies(row, several)]
    return found


def _about_cell(row: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    at = f"at layer {row['layers']}, strength {pushed(row['strength'])},"
    if row["others"] and pd.notna(row["side"]):
        text = (
            f"{at} its own score moves by {signed(row['intended'])} standard deviations "
            f"[{signed(row['intended_low'])}, {signed(row['intended_high'])}] the way asked for, "
            f"{row['others']:.0f} others by {row['side']:.2f} [{row['side_low']:.2f}, {row['side_high']:.2f}] "
            f"(root mean square); most of all "
            f"{row['worst']}, by {signed(row['worst_shift'])}."
        )
        yield "caution" if row["side"] > abs(row["intended"]) else "effect", text
    if row["perplexity_low"] > 1 and row["perplexity"] > WORSE_TEXT:
        yield (
            "caution",
            f"{at} plain text has {row['perplexity']:.2f} times the perplexity "
            f"[{row['perplexity_low']:.2f}, {row['perplexity_high']:.2f}].",
        )
    if row["easy"] < row["easy_before"] - FEWER_RIGHT:
        yield (
            "caution",
            f"{at} {row['easy']:.0%} [{row['easy_low']:.0%}, {row['easy_high']:.0%}] of easy questions have the right "
            f"answer likelier than the wrong one, {row['easy_before']:.0%} without steering.",
        )


def _about_replies(row: dict[str, Any], several: bool) -> Iterator[str]:
    about = f"{row['behavior']} in {row['model']}" if several else row["behavior"]
    at = f"{about}: at layer {row['layers']}, strength {pushed(row['strength'])}, replies to {row['n']} neutral prompts"
    if row["words_before"] > 0 and not 1 / LONGER < row["words"] / row["words_before"] < LONGER:
        yield f"{at} have {row['words']:.0f} words in the middle instead of {row['words_before']:.0f}."
    if row["refusals_low"] > row["refusals_before"]:
        yield f"{at} are refusals in {row['refusals']:.0%} of cases, {row['refusals_before']:.0%} without steering."
    if row["language_n"] and row["language_kept"] < LANGUAGE_KEPT:
        yield f"{at} keep their language in {row['language_kept']:.0%} of {row['language_n']:.0f} cases only."
