"""Tables of what the checks found."""

from __future__ import annotations

import math

import pandas as pd

from trimtab.analysis.diagnosis.picks import LARGEST, SMALLEST
from trimtab.analysis.reply_findings import pushed
from trimtab.analysis.robustness import PLAIN_VARIANT
from trimtab.analysis.samples import present, records
from trimtab.report.charts.methods import named
from trimtab.report.charts.panels import SUBJECT
from trimtab.report.tables import (
    Column,
    Row,
    Table,
    digits,
    fixed,
    number,
    p_value,
    share,
    table,
    with_interval,
    word,
)

LEVELS = ("problem", "caution", "good")
"""Of findings, the worst first."""
HEURISTICS = {
    "relative_magnitude": "relative magnitude", "pc1": "share of component 1", "probe_accuracy": "probe accuracy",
    "components_80": "components for 80%", "adjacent_cosine": "cosine with the next layer",
    "consistency": "consistency", "stability": "stability", "signal_to_noise": "signal to noise",
}  # fmt: skip


def diagnoses_table(diagnoses: pd.DataFrame) -> Table:
    """What the diagnosis found and what to do about it, the worst first."""
    rows = sorted(records(diagnoses), key=lambda row: LEVELS.index(row["level"]))
    columns = [*_subject(diagnoses), word("level"), word("text", "what was found"), word("advice", "what to do")]
    return table("What the diagnosis found", columns, rows)


def flags_table(flags: pd.DataFrame) -> Table:
    """Pairs to look at."""
    columns = [
        *_subject(flags),
        word("prompt_id", "pair"),
        Column("flag", lambda row: str(row["flag"]).replace("_", " "), number=False),
        word("text", "why"),
    ]
    return table("Pairs to look at", columns, records(flags))


def picks_table(picks: pd.DataFrame) -> Table:
    """The layer that each heuristic picks, with the share of the best Δ that is reached there."""
    rows: dict[tuple[str, ...], Row] = {}
    names = present(picks, SUBJECT)
    for pick in records(picks):
        row = rows.setdefault(tuple(str(pick[name]) for name in names), {name: pick[name] for name in names})
        row |= {"best_layer": pick["best_layer"], "glass_best": pick["glass_best"], pick["heuristic"]: _picked(pick)}
    columns = [
        *_subject(picks),
        Column("sweep’s best layer", lambda row: fixed(row.get("best_layer"), 0)),
        number("glass_best", "Δ there"),
        *(Column(HEURISTICS[name], lambda row, name=name: row.get(name, "–")) for name in (*LARGEST, *SMALLEST)),  # type: ignore[misc]
    ]
    return table("Layers picked by heuristics, and the share of the best Δ reached there", columns, rows.values())


def methods_table(methods: pd.DataFrame) -> Table:
    """Each method at its own best cell, and against the mean."""
    columns = [
        *_subject(methods),
        Column("method", named, number=False),
        Column("layer", lambda row: str(row["layers"])),
        Column("strength", lambda row: "–" if not math.isfinite(row["strength"]) else f"±{row['strength']:g}"),
        Column("Glass’s Δ [95% interval]", lambda row: with_interval(row, "glass", 2)),
        Column("range of the draws", _range),
        Column("Δ less the mean’s [95% interval]", lambda row: with_interval(row, "difference", 2)),
        Column("the same at the mean’s cell", lambda row: with_interval(row, "same_cell", 2)),
        Column("delta [95% interval]", lambda row: with_interval(row, "delta", decimals)),
        Column("held out", lambda row: "yes" if row["held_out"] else "no", number=False),
        Column("prompts", lambda row: str(int(row["n"]))),
    ]
    decimals = digits(methods["delta"]) if len(methods) else 2
    return table("Methods at their own best cells", columns, records(methods))


def side_table(cells: pd.DataFrame) -> Table:
    """What the best cells do besides what they are for."""
    columns = [
        *_subject(cells),
        *_cell_columns(),
        Column("intended, sd [95% interval]", lambda row: with_interval(row, "intended", 2)),
        Column("side effect, sd [95% interval]", lambda row: with_interval(row, "side", 2)),
        Column("other behaviors", lambda row: fixed(row["others"], 0)),
        word("worst", "moves most"),
        number("worst_shift", "by, sd"),
        Column("perplexity ÷ unsteered [95% interval]", lambda row: with_interval(row, "perplexity", 2)),
        Column("easy questions right [95% interval]", lambda row: share(row, "easy", "easy_low", "easy_high")),
        Column("easy questions unsteered", lambda row: share(row, "easy_before")),
    ]
    rows = [{**row, "worst": row["worst"] if isinstance(row["worst"], str) else None} for row in records(cells)]
    return table("What else the best cells move", columns, rows)


def selective_table(settings: pd.DataFrame) -> Table:
    """The cell to use in each direction where side effects count."""
    columns = [
        *_subject(settings),
        Column("direction", lambda row: "toward" if row["direction"] > 0 else "away"),
        Column("layer", lambda row: str(row["layers"]) if not row["reason"] else row["reason"]),
        number("strength", "strength"),
        Column("intended, sd [95% interval]", lambda row: with_interval(row, "intended", 2)),
        number("side", "side effect, sd"),
        number("perplexity", "perplexity ÷ unsteered"),
        Column("cells within the limits", lambda row: f"{row['within']:.0f} of {row['cells']:.0f}"),
    ]
    return table("The strongest cells that move little else", columns, records(settings))


def neutral_table(neutral: pd.DataFrame) -> Table:
    """Replies to neutral prompts, steered against unsteered."""
    columns = [
        *_subject(neutral),
        *_cell_columns(),
        Column("prompts", lambda row: str(int(row["n"]))),
        number("words", "words, median", 0),
        number("words_before", "words unsteered", 0),
        Column("refusals [95% interval]", lambda row: share(row, "refusals", "refusals_low", "refusals_high")),
        Column("refusals unsteered", lambda row: share(row, "refusals_before")),
        Column("longest repeat, share of the words", lambda row: share(row, "repeat")),
        Column("longest repeat unsteered", lambda row: share(row, "repeat_before")),
        Column("in the unsteered language", lambda row: share(row, "language_kept")),
        Column("of so many", lambda row: str(int(row["language_n"]))),
    ]
    return table("Replies to prompts that no behavior is about", columns, records(neutral))


def null_table(tests: pd.DataFrame) -> Table:
    """The vector against random directions."""
    columns = [
        *_subject(tests),
        word("kind", "random directions"),
        Column("how many", lambda row: str(int(row["draws"]))),
        Column("layer", lambda row: str(row["layers"])),
        Column("strength", lambda row: f"±{row['strength']:g}"),
        number("glass", "Δ of the vector"),
        number("null_median", "median |Δ| of random ones"),
        number("null_high", "their 95th percentile"),
        Column("p", lambda row: p_value(row["p"])),
    ]
    return table("The vector against random directions of its size", columns, records(tests))


def robustness_table(robustness: pd.DataFrame) -> Table:
    """The effect in every way of asking."""
    decimals = digits(robustness["delta"]) if len(robustness) else 2
    several = [word("scoring")] if len(robustness) and robustness["scoring"].nunique() > 1 else []
    columns = [
        *_subject(robustness),
        word("variant"),
        Column("verdict", lambda row: "–" if row["kind"] == PLAIN_VARIANT else str(row["verdict"]), number=False),
        Column("share of the plain effect [95% interval]", lambda row: share(row, "share", "share_low", "share_high")),
        Column("delta [95% interval]", lambda row: with_interval(row, "delta", decimals)),
        number("glass", "Glass’s Δ"),
        number("unsteered", "unsteered mean", decimals),
        Column("prompts", lambda row: str(int(row["n"]))),
        *several,
        Column("layer", lambda row: str(row["layers"])),
        Column("strength", lambda row: f"±{row['strength']:g}"),
    ]
    return table("The effect in every way of asking", columns, records(robustness))


def _subject(frame: pd.DataFrame) -> list[Column]:
    """The behavior, and the run and model where there are several."""
    names = [n for n in present(frame, SUBJECT) if n == "behavior" or frame[n].nunique() > 1]
    return [word(name) for name in names]


def _cell_columns() -> list[Column]:
    return [
        Column("layer", lambda row: str(row["layers"])),
        Column("strength", lambda row: pushed(row["strength"])),
    ]


def _picked(pick: Row) -> str:
    """The layer with the share of Δ reached there; where it was not swept, the pick among the swept ones beside it."""
    if pd.isna(pick["swept_layer"]) or pick["swept_layer"] == pick["layer"]:
        return f"{pick['layer']}{_reached(pick, 'share')}"
    return f"{pick['layer']}; swept: {fixed(pick['swept_layer'], 0)}{_reached(pick, 'swept_share')}"


def _reached(pick: Row, name: str) -> str:
    return f" ({share(pick, name)})" if math.isfinite(pick[name]) else ""


def _range(row: Row) -> str:
    return f"{fixed(row['glass_least'])} to {fixed(row['glass_most'])}" if row["draws"] > 1 else "–"
