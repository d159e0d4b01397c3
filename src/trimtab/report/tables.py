"""Tables of the page: rows of numbers as text that lines up."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from trimtab.analysis.samples import records, several
from trimtab.report.words import DIVISORS

MOST_ROWS = 2000
"""Rows of the table of all cells on the page; the file has all of them."""

Row = dict[str, Any]


class Column(NamedTuple):
    """A column of a table."""

    heading: str
    text: Callable[[Row], str]
    number: bool = True


@dataclass(frozen=True)
class Table:
    """A table, ready to be put on the page."""

    name: str
    """What the table shows, for its caption."""
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    left_out: int = 0


def table(name: str, columns: Iterable[Column], rows: Iterable[Row], *, most: int | None = None) -> Table:
    """A table of these rows, without the columns that are empty throughout."""
    every = list(rows)
    shown = every[:most] if most else every
    filled = [(column, [column.text(row) for row in shown]) for column in columns]
    kept = [(column, cells) for column, cells in filled if any(cell != "–" for cell in cells)]
    lines = list(zip(*(cells for _, cells in kept), strict=True))
    return Table(name, [column for column, _ in kept], lines, left_out=len(every) - len(shown))


def digits(values: Iterable[float]) -> int:
    """Decimals for a column: two, and more where its numbers are small."""
    sizes = sorted(abs(value) for value in values if math.isfinite(value) and value != 0)
    if not sizes:
        return 2
    typical = sizes[len(sizes) // 2]
    return min(6, max(2, 1 - math.floor(math.log10(typical))))


def fixed(value: Any, decimals: int = 2) -> str:
    """A number with a true minus sign and so many decimals; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    # "−0.00" would claim a direction.
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def p_value(value: float) -> str:
    """A p-value; a dash where nothing was tested."""
    return "–" if not math.isfinite(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"


def with_interval(row: Row, name: str, decimals: int) -> str:
    """A number and its interval: 1.20 [0.90, 1.52]."""
    value, low, high = (row[name], row[f"{name}_low"], row[f"{name}_high"])
    if not math.isfinite(value):
        return "–"
    if not math.isfinite(low):
        return fixed(value, decimals)
    return f"{fixed(value, decimals)} [{fixed(low, decimals)}, {fixed(high, decimals)}]"


def word(name: str, heading: str | None = None) -> Column:
    """A column of text."""
    return Column(heading or name, lambda row: str(row.get(name) or "–"), number=False)


def number(name: str, heading: str, decimals: int = 2) -> Column:
    """A column of numbers."""
    return Column(heading, lambda row: fixed(row.get(name), decimals))


def count(name: str, heading: str) -> Column:
    """A column of whole numbers."""
    return Column(heading, lambda row: "–" if row.get(name) is None else f"{row[name]:,}".replace(",", " "))


def owner_columns(frame: pd.DataFrame) -> list[Column]:
    """Model and behavior; run, engine and scoring only where they vary."""
    names = several(frame, ("run", "engine", "scoring"))
    return [word("model"), word("behavior"), *(word(name) for name in names)]


def _effect_columns(frame: pd.DataFrame) -> list[Column]:
    decimals = digits(frame["delta"])
    divisor = str(frame["denominator"].iloc[0]) if len(frame) else "unsteered"
    varying = [name for name in ("positions",) if frame[name].nunique() > 1]
    return [
        Column("layer", lambda row: str(row["layers"]).replace("+", " + ")),
        number("depth", "depth"),
        Column("strength", lambda row: f"{row['strength']:g} {row['scale']}"),
        *(word(name) for name in varying),
        Column("delta [95% interval]", lambda row: with_interval(row, "delta", decimals)),
        Column(f"Glass’s Δ by {DIVISORS[divisor]} [95% interval]", lambda row: with_interval(row, "glass", 2)),
        *(number(f"glass_{name}", f"Δ by {DIVISORS[name]}") for name in ("unsteered", "negative") if name != divisor),
    ]


def _mean_columns(frame: pd.DataFrame) -> list[Column]:
    decimals = digits(frame["delta"])
    return [
        Column("prompts", lambda row: str(int(row["n"]))),
        number("mean_minus", "mean at −α", decimals),
        number("mean_zero", "unsteered", decimals),
        number("mean_plus", "mean at +α", decimals),
        number("sd_zero", "unsteered sd", decimals),
        number("sd_minus", "sd at −α", decimals),
    ]


def best_table(best: pd.DataFrame) -> Table:
    """The best cell of each model and behavior, with what the checks found there."""
    decimals = digits(best["delta"]) if len(best) else 2
    columns = [
        *owner_columns(best),
        *_effect_columns(best),
        Column("moved", lambda row: "yes" if row["moved"] else "no", number=False),
        Column("p", lambda row: p_value(row["p" if row["held_out"] else "p_adjusted"])),
        Column("held out", lambda row: "yes" if row["held_out"] else "no", number=False),
        *_mean_columns(best),
        Column("move the other way", lambda row: share(row, "anti")),
        number("delta_given", "delta as given", decimals),
        number("delta_swapped", "delta swapped", decimals),
    ]
    return table("The best cell of each model and behavior", columns, records(best))


def cells_table(effects: pd.DataFrame) -> Table:
    """Every cell, the largest Δ of each model and behavior not singled out."""
    columns = [*owner_columns(effects), word("split"), *_effect_columns(effects), *_mean_columns(effects)]
    return table("All cells", columns, records(effects), most=MOST_ROWS)


def blindness_table(blindness: pd.DataFrame) -> Table:
    """Whether the unsteered models read the options."""
    columns = [
        *owner_columns(blindness),
        Column("prompts", lambda row: str(int(row["n"]))),
        Column("same option in both orders", lambda row: share(row, "share", "low", "high")),
        Column(
            "without letter preference",
            lambda row: share(row, "share_centred", "centred_low", "centred_high"),
        ),
        word("verdict"),
        number("mean_score", "mean score"),
        Column("positive answer preferred", lambda row: share(row, "accuracy")),
    ]
    return table("Do the unsteered models tell the options apart?", columns, records(blindness))


def share(row: Row, name: str, low: str | None = None, high: str | None = None) -> str:
    """A share as a percentage, with its interval where there is one."""
    value = row.get(name)
    if value is None or not math.isfinite(value):
        return "–"
    ends = f" [{row[low]:.0%}, {row[high]:.0%}]" if low and high else ""
    return f"{value:.0%}{ends}".replace("-", "−")
