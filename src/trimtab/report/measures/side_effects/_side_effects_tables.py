"""Tables about side effects and random directions."""

from __future__ import annotations

import pandas as pd

from trimtab.analysis.formatting import fixed, p_value, signed_strength
from trimtab.analysis.samples import records
from trimtab.analysis.side_effects import Limits
from trimtab.report.measures._columns import (
    checked_columns,
    choice_columns,
    setting_columns,
    subject_columns,
)
from trimtab.report.tables import Column, Row, Table, number, share, table, with_interval, word


def side_table(cells: pd.DataFrame) -> Table:
    """The side effects of the chosen settings."""
    columns = [
        *subject_columns(cells),
        *setting_columns(),
        Column("intended, sd [95% interval]", lambda row: with_interval(row, "intended", 2)),
        Column("side effect, sd [95% interval]", lambda row: with_interval(row, "side", 2)),
        Column("other behaviors", lambda row: fixed(row["others"], 0)),
        word("worst", "moves most"),
        number("worst_shift", "by, sd"),
        Column("perplexity ÷ unsteered [95% interval]", lambda row: with_interval(row, "perplexity", 2, (1.0,))),
        Column("easy questions right [95% interval]", lambda row: share(row, "easy", "easy_low", "easy_high")),
        Column("easy questions unsteered", lambda row: share(row, "easy_before")),
        *choice_columns(cells),
    ]
    rows = [{**row, "worst": row["worst"] if isinstance(row["worst"], str) else None} for row in records(cells)]
    return table("Side effects of the chosen settings", columns, rows)


def selective_table(settings: pd.DataFrame) -> Table:
    """The strongest setting with small side effects in each direction."""
    columns = [
        *subject_columns(settings),
        Column("direction", lambda row: "toward" if row["direction"] > 0 else "away"),
        Column("layer", lambda row: str(row["layers"]) if not row["reason"] else row["reason"]),
        Column("strength", lambda row: "–" if row["reason"] else f"{signed_strength(row['strength'])} {row['scale']}"),
        Column("intended, sd [95% interval]", lambda row: with_interval(row, "intended", 2)),
        number("side", "side effect, sd"),
        Column("perplexity ÷ unsteered", lambda row: fixed(row["perplexity"], 2, (1.0, Limits().perplexity))),
        Column("settings within the limits", lambda row: f"{row['within']:.0f} of {row['cells']:.0f}"),
    ]
    return table("The strongest settings with small side effects", columns, records(settings))


def neutral_table(neutral: pd.DataFrame) -> Table:
    """Replies to neutral prompts, steered against unsteered."""
    columns = [
        *subject_columns(neutral),
        *setting_columns(),
        Column("prompts", lambda row: str(int(row["n"]))),
        number("words", "words, median", 0),
        number("words_before", "words unsteered", 0),
        Column("refusals [95% interval]", lambda row: share(row, "refusals", "refusals_low", "refusals_high")),
        Column("refusals unsteered", lambda row: share(row, "refusals_before")),
        Column("longest repeat, share of the words", lambda row: share(row, "repeat")),
        Column("longest repeat unsteered", lambda row: share(row, "repeat_before")),
        Column("in the unsteered language", lambda row: share(row, "language_kept")),
        Column("of these replies", lambda row: str(int(row["language_n"]))),
        *choice_columns(neutral),
    ]
    return table("Replies to neutral prompts", columns, records(neutral))


def task_table(changes: pd.DataFrame) -> Table:
    """Metrics of tasks, steered against unsteered."""
    columns = [
        *subject_columns(changes),
        *setting_columns(),
        word("benchmark", "from"),
        word("task"),
        word("metric"),
        word("better", "better is"),
        Column("unsteered ± error", lambda row: _with_error(row, "before")),
        Column("steered ± error", lambda row: _with_error(row, "after")),
        Column("change [95% interval]", lambda row: with_interval(row, "change", 3)),
        Column("samples", lambda row: str(int(row["n"])) if row["n"] else "–"),
        *choice_columns(changes),
    ]
    return table("Tasks of harnesses", columns, records(changes))


def _with_error(row: Row, name: str) -> str:
    error = row[f"{name}_stderr"]
    return fixed(row[name], 3) + ("" if pd.isna(error) else f" ± {fixed(error, 3)}")


def null_table(tests: pd.DataFrame) -> Table:
    """The vector against random directions."""
    columns = [
        *subject_columns(tests),
        word("kind", "random directions"),
        Column("number", lambda row: str(int(row["draws"]))),
        *checked_columns(),
        number("glass", "Δ of the vector"),
        number("null_median", "median |Δ| of random directions"),
        number("null_high", "their 95th percentile"),
        Column("p", lambda row: p_value(row["p"])),
        *choice_columns(tests),
    ]
    return table("The vector against random directions of its length", columns, records(tests))
