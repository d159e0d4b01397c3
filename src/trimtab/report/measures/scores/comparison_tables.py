"""Tables that compare models."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trimtab.analysis import Denominator, formatting
from trimtab.analysis.formatting import decimals_for, fixed, p_value
from trimtab.analysis.samples import records
from trimtab.report._glossary import DIVISORS
from trimtab.report.charts.curves import panel_columns
from trimtab.report.charts.scatter import NAMES, SIZES
from trimtab.report.measures.scores.score_tables import whole
from trimtab.report.tables import Column, Row, Table, number, table, word


def model_table(by_model: pd.DataFrame, denominator: Denominator) -> Table:
    """Models by mean delta, with the mean Δ by both customs and what dividing does to their order."""
    rows = [{"number": str(i + 1), **row} for i, row in enumerate(records(by_model))]
    columns = [
        Column("#", lambda row: str(row["number"])),
        word("model"),
        *(word(name) for name in ("run", "engine", "scoring") if _varies(by_model, name)),
        Column("behaviors", lambda row: str(int(row["n_behaviors"]))),
        Column("mean delta [95% interval]", lambda row: _mean(row, "delta", decimals_for([row["mean_delta"]]))),
        Column(f"mean Δ by {DIVISORS[denominator]} [95% interval]", lambda row: _mean(row, "glass", 2)),
        *(
            number(f"mean_glass_{name}", f"mean Δ by {DIVISORS[name]}")
            for name in ("unsteered", "negative")
            if name != denominator
        ),
        Column("rank by delta", lambda row: places(row, "delta")),
        Column("rank by Δ", lambda row: places(row, "glass")),
        Column("places gained by dividing", lambda row: _gained(row["rank_change"])),
        number("mean_depth", "mean depth of the chosen layers"),
        word("missing", "not measured on"),
    ]
    return table("Models by their mean effect", columns, rows)


def layer_grid(best: pd.DataFrame) -> Table:
    """Models by behaviors: the best layer and its depth. Nothing to show for a single model."""
    names = panel_columns(best)
    rows: dict[tuple[str, ...], Row] = {}
    for cell in records(best):
        row = rows.setdefault(tuple(str(cell[name]) for name in names), {name: str(cell[name]) for name in names})
        row[f"at {cell['behavior']}"] = f"{cell['layers']} ({fixed(cell['depth'])})" + ("" if cell["moved"] else " *")
    behaviors = list(dict.fromkeys(best["behavior"].astype(str)))
    varying = [word(name) for name in names if name != "model" and best[name].nunique() > 1]
    columns = [word("model"), *varying, *(word(f"at {behavior}", behavior) for behavior in behaviors)]
    return table(
        "Chosen layer (depth); * where it is not shown to move anything",
        columns,
        rows.values() if len(rows) > 1 else [],
    )


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
        Column("r [95% interval]", correlation),
        number("spearman", "rank correlation"),
        Column("p", lambda row: p_value(row["p"])),
    ]
    return table("Correlations with the architecture", columns, records(correlations))


def _kinds(frame: pd.DataFrame) -> list[Column]:
    return [word(name) for name in ("engine", "scoring") if _varies(frame, name)]


def _varies(frame: pd.DataFrame, name: str) -> bool:
    return name in frame.columns and frame[name].nunique() > 1


def _mean(row: Row, name: str, decimals: int) -> str:
    return formatting.with_interval(row[f"mean_{name}"], row[f"{name}_low"], row[f"{name}_high"], decimals)


def correlation(row: Row) -> str:
    """Format a correlation and its interval."""
    return formatting.with_interval(row["r"], row["low"], row["high"])


def places(row: Row, name: str) -> str:
    """The places that a model may have: 2, or 1–3 where it is not significantly different from others."""
    low, high = row[f"rank_{name}_low"], row[f"rank_{name}_high"]
    return whole(low) if low == high or not np.isfinite(low) else f"{int(low)}–{int(high)}"


def _gained(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{int(value):+d}".replace("-", "−") if value else "0"
