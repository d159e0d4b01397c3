"""Tables about imported probabilities and conditions."""

from __future__ import annotations

from functools import partial

import pandas as pd

from trimtab.analysis.formatting import fixed, p_value, percent, signed_strength
from trimtab.analysis.samples import present, records
from trimtab.report.charts.panels import SUBJECT
from trimtab.report.measures._columns import subject_columns
from trimtab.report.tables import Column, Row, Table, number, table, with_interval, word

MAX_ROWS = 60
_DIGITS = 2


def score_grid(scores: pd.DataFrame) -> Table:
    """The published score: a row for each behavior, layer and condition, a column for each strength."""
    name = "Score over all prompts, a prompt whose answer has no column as 0"
    known = scores[scores["score_all"].notna()]
    owner = present(known, SUBJECT)
    rows = []
    for _, mine in known.groupby([*owner, "engine", "scoring"], sort=False):
        steered = mine[mine["strength"] != 0]
        for (scale, positions, layers), cells in steered.groupby(["scale", "positions", "layers"], sort=False):
            for condition, placed in cells.groupby("condition", sort=False):
                zero = mine[(mine["strength"] == 0) & (mine["condition"] == condition)]
                both = records(pd.concat([zero, placed]))
                rows.append(
                    {name: both[0][name] for name in (*owner, "engine", "scoring", "condition")}
                    | {"layers": layers, "scale": scale, "positions": positions}
                    | {row["strength"]: row["score_all"] for row in both}
                )
    strengths = sorted({key for row in rows for key in row if isinstance(key, float)})
    columns = [
        *_owners(scores),
        Column("layer", lambda row: str(row["layers"])),
        *_varying(scores),
        word("condition"),
        *(Column(_strength(strength), partial(_score, strength)) for strength in strengths),
    ]
    return table(name, columns, rows)


def scored_table(scores: pd.DataFrame) -> Table:
    """Scores over the prompts that have one, with what they rest on."""
    columns = [
        *_owners(scores),
        word("condition"),
        *_place(scores),
        Column("score [95% interval]", lambda row: with_interval(row, "score", _DIGITS)),
        number("logits", "log-odds (logits)"),
        Column("prompts", lambda row: f"{row['n_scored']} of {row['n']}"),
        Column("probability of the two answers", lambda row: percent(row["coverage"])),
        Column("prompts where it is below 50%", lambda row: percent(row["little"])),
    ]
    return table("Score over the prompts that can be scored", columns, records(scores), most=MAX_ROWS)


def contrast_table(contrasts: pd.DataFrame, unit: str) -> Table:
    """Differences between the arms in one unit."""
    mine = contrasts[contrasts["unit"] == unit] if len(contrasts) else contrasts
    columns = [
        *_owners(mine),
        word("condition"),
        *_place(mine),
        word("contrast", "difference of"),
        Column("difference [95% interval]", lambda row: with_interval(row, "difference", _DIGITS)),
        Column("p (corrected)", lambda row: p_value(row["p_adjusted"])),
        Column("prompts", lambda row: str(row["n"])),
    ]
    name = "Differences between arms, " + ("share of the matching answer" if unit == "share" else "logits")
    return table(name, columns, records(mine))


def choice_table(choice: pd.DataFrame) -> Table:
    """The choice of a layer, repeated on halves."""
    columns = [
        *_owners(choice),
        *_varying(choice),
        word("unit"),
        word("rule"),
        Column("layer", lambda row: str(row["layers"])),
        Column("settings", lambda row: str(row["candidates"])),
        Column("delta [95% interval]", lambda row: with_interval(row, "delta", _DIGITS)),
        number("chosen_half", "half that chose"),
        number("held_out", "held-out half"),
        number("split_optimism", "optimism of half", 3),
        number("optimism", "optimism of all", 3),
        number("corrected", "delta − optimism"),
        Column("same setting in", lambda row: percent(row["same"])),
        word("picked", "layers chosen"),
    ]
    return table("Choice of the layer on halves of the prompts", columns, records(choice))


def letters_table(parts: pd.DataFrame) -> Table:
    """Share of the first letter and the two parts of each score."""
    columns = [
        *_owners(parts),
        word("condition"),
        *_place(parts),
        word("unit"),
        word("first", "first letter"),
        Column("keys first / second / none", lambda row: f"{row['n_first']} / {row['n_second']} / {row['n_other']}"),
        Column("answers with the first letter", lambda row: percent(row["share_first"])),
        number("score", "score"),
        number("score_first", "where the first matches"),
        number("score_second", "where the second matches"),
        Column("balanced [95% interval]", lambda row: with_interval(row, "balanced", _DIGITS)),
        number("letter", "letter’s part"),
    ]
    return table("Answer letters in the scores", columns, records(parts), most=MAX_ROWS)


def changes_table(changes: pd.DataFrame) -> Table:
    """How much of each change with the strength is the letter's."""
    columns = [
        *_owners(changes),
        word("condition"),
        Column("layer", lambda row: str(row["layers"])),
        Column("strength", lambda row: f"{row['strength']:g}"),
        *_varying(changes),
        word("unit"),
        word("compared", "change from"),
        Column("change [95% interval]", lambda row: with_interval(row, "change", _DIGITS)),
        Column("balanced [95% interval]", lambda row: with_interval(row, "balanced", _DIGITS)),
        Column("letter’s part [95% interval]", lambda row: with_interval(row, "letter", _DIGITS)),
        Column(
            "answers with the first letter",
            lambda row: f"{percent(row['share_first_lower'])} → {percent(row['share_first_upper'])}",
        ),
    ]
    return table("The letter’s part of each change", columns, records(changes), most=MAX_ROWS)


def unscored_table(unscored: pd.DataFrame) -> Table:
    """Prompts without a score."""
    columns = [
        *_owners(unscored),
        word("prompt_id", "prompt"),
        word("label", "matching answer"),
        word("why", "reason"),
        Column("rows", lambda row: str(row["rows"])),
        word("conditions"),
    ]
    return table("Prompts that cannot be scored", columns, records(unscored), most=MAX_ROWS)


def _owners(frame: pd.DataFrame) -> list[Column]:
    return [*subject_columns(frame), *(word(n) for n in ("engine", "scoring") if len(frame) and frame[n].nunique() > 1)]


def _varying(frame: pd.DataFrame) -> list[Column]:
    """Scale and positions, where steered rows differ in them."""
    steered = frame[frame["scale"] != ""] if len(frame) else frame
    return [word(name) for name in ("scale", "positions") if len(steered) and steered[name].nunique() > 1]


def _place(frame: pd.DataFrame) -> list[Column]:
    return [
        Column("layer", lambda row: str(row["layers"]) or "–"),
        Column("strength", lambda row: _strength(row["strength"])),
        *_varying(frame),
    ]


def _strength(strength: float) -> str:
    return signed_strength(strength) if strength else "unsteered"


def _score(strength: float, row: Row) -> str:
    return fixed(row.get(strength), _DIGITS)  # type: ignore[call-overload]
