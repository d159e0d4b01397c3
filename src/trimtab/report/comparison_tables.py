"""Tables that set models side by side, and those on how far a best cell can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis import Denominator
from trimtab.analysis.samples import records
from trimtab.report.charts.curves import panel_columns, panel_title
from trimtab.report.charts.scatter import NAMES, SIZES
from trimtab.report.tables import Column, Row, Table, digits, fixed, number, owner_columns, p_value, share, table, word
from trimtab.report.words import DIVISORS


def model_table(by_model: pd.DataFrame, denominator: Denominator) -> Table:
    """Models by mean delta, with the mean Δ by both customs and what dividing does to their order."""
    rows = [{"number": str(i + 1), **row} for i, row in enumerate(records(by_model))]
    columns = [
        Column("#", lambda row: str(row["number"])),
        word("model"),
        *(word(name) for name in ("run", "engine", "scoring") if _varies(by_model, name)),
        Column("behaviors", lambda row: str(int(row["n_behaviors"]))),
        Column("mean delta [95% interval]", lambda row: _mean(row, "delta", digits([row["mean_delta"]]))),
        Column(f"mean Δ by {DIVISORS[denominator]} [95% interval]", lambda row: _mean(row, "glass", 2)),
        *(
            number(f"mean_glass_{name}", f"mean Δ by {DIVISORS[name]}")
            for name in ("unsteered", "negative")
            if name != denominator
        ),
        Column("rank by delta", lambda row: _whole(row["rank_delta"])),
        Column("rank by Δ", lambda row: _whole(row["rank_glass"])),
        Column("places gained by dividing", lambda row: _gained(row["rank_change"])),
        number("mean_depth", "mean depth of the best layers"),
        word("missing", "not measured on"),
    ]
    return table("Models by their mean effect", columns, rows)


def layer_grid(best: pd.DataFrame) -> Table:
    """Models by behaviors: the best layer and its depth. Nothing to show for a single model."""
    names = panel_columns(best)
    rows: dict[str, Row] = {}
    for cell in records(best):
        row = rows.setdefault(panel_title(best, cell, names), {"model": panel_title(best, cell, names)})
        row[f"at {cell['behavior']}"] = f"{cell['layers']} ({fixed(cell['depth'])})" + ("" if cell["moved"] else " *")
    behaviors = list(dict.fromkeys(best["behavior"].astype(str)))
    columns = [word("model"), *(word(f"at {behavior}", behavior) for behavior in behaviors)]
    return table("Best layer (depth); * where steering moved nothing", columns, rows.values() if len(rows) > 1 else [])


def group_table(groups: pd.DataFrame) -> Table:
    """Mean effects of groups of models."""
    columns = [
        *_kinds(groups),
        word("grouping"),
        word("level", "group"),
        Column("models", lambda row: str(int(row["n_models"]))),
        word("models", "which"),
        number("mean_delta", "mean delta"),
        number("mean_glass", "mean Δ"),
        number("mean_depth", "mean depth"),
    ]
    return table("Groups of models", columns, records(groups))


def contrast_table(contrasts: pd.DataFrame) -> Table:
    """Differences between groups, each p beside the smallest that so few models could give."""
    columns = [
        *_kinds(contrasts),
        word("grouping"),
        Column("measure", lambda row: SIZES[str(row["measure"])], number=False),
        Column("groups", lambda row: f"{row['level_a']} − {row['level_b']}", number=False),
        Column("models", lambda row: f"{int(row['n_a'])} and {int(row['n_b'])}"),
        number("difference", "difference"),
        Column("p (exact, labels exchanged)", lambda row: p_value(row["p"])),
        Column("smallest possible p", lambda row: p_value(row["least_p"])),
    ]
    return table("Differences between groups", columns, records(contrasts))


def correlation_table(correlations: pd.DataFrame) -> Table:
    """Correlations of mean effects with the architecture."""
    columns = [
        *_kinds(correlations),
        Column("measure", lambda row: SIZES[str(row["measure"])], number=False),
        Column("attribute", lambda row: NAMES[str(row["attribute"])], number=False),
        word("among"),
        Column("models", lambda row: str(int(row["n"]))),
        Column("r [95% interval]", _r),
        number("spearman", "rank correlation"),
        Column("p", lambda row: p_value(row["p"])),
    ]
    return table("Correlations with the architecture", columns, records(correlations))


def choice_table(choice: pd.DataFrame) -> Table:
    """How steady each choice of a layer is, and what choosing flatters."""
    columns = [
        *owner_columns(choice),
        word("layers", "layer"),
        Column("cells to choose from", lambda row: _whole(row["candidates"])),
        Column("same layer again", lambda row: share(row, "same_layer")),
        Column("95% of the choices, depth", lambda row: _range(row["depth_low"], row["depth_high"])),
        Column("measure", lambda row: "Δ" if row["measure"] == "glass" else "delta", number=False),
        number("naive", "where it was chosen"),
        number("optimism", "flattered by about"),
        number("honest", "to be expected"),
        Column("held out", lambda row: "yes" if row["held_out"] else "no", number=False),
    ]
    return table("How settled each best layer is", columns, records(choice))


def tails_table(tails: pd.DataFrame) -> Table:
    """Quantiles of the prompts' scores by strength at the best layers."""
    decimals = digits(tails["sd"]) if len(tails) else 2
    columns = [
        *owner_columns(tails),
        word("layers", "layer"),
        Column("strength", lambda row: f"{row['strength']:g}".replace("-", "−")),
        Column("prompts", lambda row: str(int(row["n"]))),
        number("mean", "mean", decimals),
        number("sd", "sd", decimals),
        number("p05", "5%", decimals),
        number("p25", "25%", decimals),
        number("median", "median", decimals),
        number("p75", "75%", decimals),
        number("p95", "95%", decimals),
    ]
    return table("Scores of single prompts by strength, at the best layer", columns, records(tails))


def agreement_table(agreement: pd.DataFrame) -> Table:
    """How well logit curves foretell the answers."""
    columns = [
        *owner_columns(agreement),
        Column("layers", lambda row: str(int(row["n_layers"]))),
        Column("r over layers [95% interval]", _r),
        number("spearman", "rank correlation"),
        Column("best layer by logits", lambda row: _whole(row["best_logit_layer"])),
        Column("by answers", lambda row: _whole(row["best_generation_layer"])),
        number("glass", "Δ"),
        Column("change in answers there", lambda row: share(row, "change")),
        Column("largest change", lambda row: share(row, "largest_change")),
    ]
    return table("Logits against answers", columns, records(agreement))


def _kinds(frame: pd.DataFrame) -> list[Column]:
    return [word(name) for name in ("engine", "scoring") if _varies(frame, name)]


def _varies(frame: pd.DataFrame, name: str) -> bool:
    return name in frame.columns and frame[name].nunique() > 1


def _mean(row: Row, name: str, decimals: int) -> str:
    value, low, high = (row[key] for key in (f"mean_{name}", f"{name}_low", f"{name}_high"))
    ends = f" [{fixed(low, decimals)}, {fixed(high, decimals)}]" if np.isfinite(low) and np.isfinite(high) else ""
    return f"{fixed(value, decimals)}{ends}"


def _r(row: Row) -> str:
    ends = f" [{fixed(row['low'])}, {fixed(row['high'])}]" if np.isfinite(row["low"]) else ""
    return f"{fixed(row['r'])}{ends}"


def _range(low: float, high: float) -> str:
    return f"{fixed(low)} to {fixed(high)}" if np.isfinite(low) else "–"


def _whole(value: Any) -> str:
    return "–" if value is None or not np.isfinite(value) else str(int(value))


def _gained(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{int(value):+d}".replace("-", "−") if value else "0"
