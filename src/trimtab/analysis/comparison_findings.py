"""Findings across models in sentences, and what the choice of a layer and the tails of the prompts warn of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.choice import OWNER
from trimtab.analysis.findings import UNITS, Finding, decimals_of, signed, subject
from trimtab.analysis.samples import present, records

UNSETTLED = 0.5
"""Below this share of resamples that pick the same layer, the best layer is not settled."""

FLATTERING = 0.1
"""Share of a value that choosing its layer may have added before it is told; the table has every one."""

TAIL = 0.2
"""In unsteered standard deviations: a fall of the 5th percentile by more than this is told."""

SIZES = {"mean_delta": "mean delta", "mean_glass": "mean Δ", "mean_depth": "mean depth of the best layer"}
ATTRIBUTES = {
    "layers": "the number of layers", "heads": "the number of heads", "width": "the width",
    "parameters": "the number of parameters", "active_parameters": "the number of active parameters",
    "parameters_per_layer": "the number of parameters per layer",
}  # fmt: skip


def comparison_findings(
    best: pd.DataFrame,
    by_model: pd.DataFrame,
    groups: pd.DataFrame,
    contrasts: pd.DataFrame,
    correlations: pd.DataFrame,
    choice: pd.DataFrame,
    tails: pd.DataFrame,
) -> list[Finding]:
    """Sentences on how models differ, and cautions on single best cells.

    Args:
        best: What `best_cells` returned.
        by_model: What `compare_models` returned, of each engine and scoring; empty for a single model.
        groups: What `compare_groups` returned for it.
        contrasts: What `group_contrasts` returned for it.
        correlations: What `correlations` returned for it.
        choice: What `layer_choice` returned.
        tails: What `tails` returned.
    """
    found = []
    for key, table in _each(by_model, by_model):
        found += [Finding("comparison", _kind(key, by_model) + text) for text in _order(table)]
        found += [Finding("caution", text) for text in _missing(table)]
    for key, table in _each(contrasts, by_model):
        found += [Finding("comparison", _kind(key, by_model) + text) for text in _depth(table, _same(groups, key))]
    for key, table in _each(correlations, by_model):
        found += [Finding("comparison", _kind(key, by_model) + text) for text in _strongest(table)]
    owner = present(best, OWNER)
    cells = {tuple(row[name] for name in owner): row for row in records(best)}
    for row in records(choice):
        found += [Finding("caution", text) for text in _unsettled(row, cells[tuple(row[name] for name in owner)], best)]
    for cell, table in tails.groupby(owner, sort=False):
        found += [Finding("caution", text) for text in _tail(table, cells[tuple(cell)], best)]
    return found


def _each(table: pd.DataFrame, by_model: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """The parts of a table whose numbers are of one kind: one engine, one scoring."""
    if by_model.empty or table.empty:
        return
    for (engine, scoring), part in table.groupby(["engine", "scoring"], sort=False):
        if len(part):
            yield {"engine": engine, "scoring": scoring}, part


def _kind(key: dict[str, Any], by_model: pd.DataFrame) -> str:
    """Which engine and scoring a sentence is about, where there are several."""
    names = [f"{name} {key[name]}" for name in ("engine", "scoring") if by_model[name].nunique() > 1]
    return f"With {' and '.join(names)}: " if names else ""


def _same(table: pd.DataFrame, key: dict[str, Any]) -> pd.DataFrame:
    rows: pd.DataFrame = table[(table["engine"] == key["engine"]) & (table["scoring"] == key["scoring"])]
    return rows


def _order(table: pd.DataFrame) -> Iterator[str]:
    """Which model moves most, and whether the order stays once divided by each model's own spread."""
    rows = records(table.sort_values("rank_delta", kind="stable"))
    if len(rows) < 2 or not np.isfinite(rows[0]["mean_delta"]):
        return
    names = _names(table)
    first, second, last = rows[0], rows[1], rows[-1]
    unit = UNITS.get(str(first["scoring"]), "")
    lead = "Each over its own behaviors, " if (table["missing"] != "").any() else ""
    text = f"{lead}{names[_key(first)]} moves most in score units: mean delta {_interval(first, 'delta')} {unit}"
    text += f" over {_behaviors(first)}; {names[_key(last)]} least: {_interval(last, 'delta')}."
    if second["delta_high"] >= first["delta_low"]:
        text += f" The interval of {names[_key(second)]} reaches into that of the first."
    yield text
    known = table[table["mean_glass"].notna()].sort_values("rank_glass", kind="stable")
    if len(known) < 2:
        return
    top = records(known.head(1))[0]
    said = f"mean Δ {_interval(top, 'glass')}"
    moved = known[known["rank_change"] != 0]
    if moved.empty:
        yield (
            "The order stays the same once each is divided by its own spread; "
            f"{names[_key(top)]} leads there with {said}."
        )
        return
    jump = records(moved.loc[[moved["rank_change"].abs().idxmax()]])[0]
    joint = "which" if _key(jump) == _key(top) else f"and {names[_key(jump)]}"
    yield (
        f"Divided by its own spread each, the order changes for {len(moved)} of {len(known)}: {names[_key(top)]} leads "
        f"with {said}, {joint} goes from place {int(jump['rank_delta'])} to {int(jump['rank_glass'])}."
    )


def _names(table: pd.DataFrame) -> dict[tuple[str, ...], str]:
    """What to call each row: the model, and the run where a model is in several."""
    several = table["model"].duplicated().any() and "run" in table.columns
    return {_key(row): f"{row['model']} ({row['run']})" if several else str(row["model"]) for row in records(table)}


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row.get(name)) for name in ("run", "model"))


def _behaviors(row: dict[str, Any]) -> str:
    return "one behavior" if row["n_behaviors"] == 1 else f"{int(row['n_behaviors'])} behaviors"


def _interval(row: dict[str, Any], name: str) -> str:
    value, low, high = row[f"mean_{name}"], row[f"{name}_low"], row[f"{name}_high"]
    digits = decimals_of(value)
    ends = f" [{signed(low, digits)}, {signed(high, digits)}]" if np.isfinite(low) else ""
    return f"{signed(value, digits)}{ends}"


def _missing(table: pd.DataFrame) -> Iterator[str]:
    names = _names(table)
    for row in records(table):
        if row["missing"]:
            yield (
                f"{names[_key(row)]} was not measured on {row['missing']}; its means are over {_behaviors(row)} only, "
                "and its place among the models is not a like-for-like one."
            )


def _depth(contrasts: pd.DataFrame, groups: pd.DataFrame) -> Iterator[str]:
    """The clearest difference in depth between two groups, with how little so few models can show."""
    rows = contrasts[(contrasts["measure"] == "mean_depth") & (contrasts["n_a"] + contrasts["n_b"] >= 3)]
    if rows.empty:
        return
    row = records(rows.sort_values(["p", "least_p"], kind="stable").head(1))[0]
    means = groups[groups["grouping"] == row["grouping"]].set_index("level")["mean_depth"]
    a, b = str(row["level_a"]), str(row["level_b"])
    deep, flat, n_deep, n_flat = (a, b, row["n_a"], row["n_b"]) if row["difference"] >= 0 else (
        b, a, row["n_b"], row["n_a"],
    )  # fmt: skip
    tried = f", the smallest of {len(rows)} such comparisons" if len(rows) > 1 else ""
    verdict = "" if row["least_p"] < 0.05 else "; with so few models no difference could reach 0.05"
    yield (
        f"By {row['grouping']}, the best layers lie deepest in the models “{deep}”: mean depth {means[deep]:.2f} "
        f"({_count(n_deep)}) against {means[flat]:.2f} for “{flat}” ({_count(n_flat)}), p {_p(row['p'])}{tried} "
        f"(least possible {_p(row['least_p'])}{verdict})."
    )


def _count(n: float) -> str:
    return "1 model" if n == 1 else f"{int(n)} models"


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "< 0.001"


def _strongest(table: pd.DataFrame) -> Iterator[str]:
    """The strongest correlation over all models, told as the pick of many that it is."""
    rows = table[(table["among"] == "all models") & (table["n"] >= 4) & table["r"].notna()]
    if rows.empty:
        return
    row = records(rows.loc[[rows["r"].abs().idxmax()]])[0]
    interval = f" [{signed(row['low'])}, {signed(row['high'])}]" if np.isfinite(row["low"]) else ""
    verdict = "its interval includes 0, so nothing is shown"
    if row["low"] > 0 or row["high"] < 0:
        verdict = "picked as the strongest, it flatters; take it as a question, not as an answer"
    yield (
        f"The strongest of {len(rows)} correlations with the architecture, among {int(row['n'])} models: "
        f"{SIZES[str(row['measure'])]} with {ATTRIBUTES[str(row['attribute'])]}, r {signed(row['r'])}{interval}; "
        f"{verdict}."
    )


def _unsettled(row: dict[str, Any], cell: dict[str, Any], best: pd.DataFrame) -> Iterator[str]:
    if not cell["moved"] or cell["delta"] < 0:
        return
    about = subject(row, best)
    if row["same_layer"] < UNSETTLED:
        yield (
            f"{about}: the best layer is not settled: only {row['same_layer']:.0%} of resamples of the prompts choose "
            f"the same one; 95% of the choices lie between depth {row['depth_low']:.2f} and {row['depth_high']:.2f}."
        )
    if not row["held_out"] and row["candidates"] > 1 and row["optimism"] > FLATTERING * abs(row["naive"]):
        name = "Δ" if row["measure"] == "glass" else "delta"
        digits = decimals_of(row["naive"])
        yield (
            f"{about}: choosing the layer on the prompts it is measured on flatters {name} by about "
            f"{signed(row['optimism'], digits)}; {signed(row['naive'], digits)} stands for about "
            f"{signed(row['honest'], digits)}."
        )


def _tail(table: pd.DataFrame, cell: dict[str, Any], best: pd.DataFrame) -> Iterator[str]:
    """Where the mean rises and the lowest prompts fall."""
    at = table.set_index("strength")
    spread = cell["sd_zero"]
    if not (cell["moved"] and cell["delta"] > 0 and spread > 0 and {0.0, cell["strength"]} <= set(at.index)):
        return
    zero, plus = at.loc[0.0], at.loc[cell["strength"]]
    fall = float(zero["p05"] - plus["p05"])
    if plus["mean"] <= zero["mean"] or fall <= TAIL * spread:
        return
    digits = decimals_of(spread)
    yield (
        f"{subject(cell, best)}: the mean rises from {signed(zero['mean'], digits)} unsteered to "
        f"{signed(plus['mean'], digits)} at +α, but the lowest twentieth of the prompts falls from "
        f"{signed(zero['p05'], digits)} to {signed(plus['p05'], digits)} (5th percentile), by "
        f"{fall / spread:.1f} unsteered standard deviations."
    )
