"""Tables about scores: effects, chosen cells, the stability of the choice, tails, blindness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.cells import sized
from trimtab.analysis.formatting import decimals_for, fixed, p_value, percent_with_interval, plain
from trimtab.analysis.samples import records
from trimtab.report._glossary import DIVISORS
from trimtab.report.tables import Column, Row, Table, number, owner_columns, share, table, with_interval, word

MAX_ROWS = 2000
"""Rows of the table of all cells on the page; the file has all of them."""


def _effect_columns(frame: pd.DataFrame) -> list[Column]:
    decimals = decimals_for(frame["delta"])
    divisor = str(frame["denominator"].iloc[0]) if len(frame) else "unsteered"
    varying = [name for name in ("positions",) if frame[name].nunique() > 1]
    return [
        Column("layer", lambda row: str(row["layers"]).replace("+", " + ")),
        number("depth", "depth"),
        Column("strength", lambda row: f"{sized(row['strength'], row['compared'])} {row['scale']}"),
        *(word(name) for name in varying),
        Column("delta [95% interval]", lambda row: with_interval(row, "delta", decimals)),
        Column(f"Glass’s Δ by {DIVISORS[divisor]} [95% interval]", lambda row: with_interval(row, "glass", 2)),
        *(number(f"glass_{name}", f"Δ by {DIVISORS[name]}") for name in ("unsteered", "negative") if name != divisor),
    ]


def _mean_columns(frame: pd.DataFrame) -> list[Column]:
    decimals = decimals_for(frame["delta"])
    return [
        Column("prompts", lambda row: str(int(row["n"]))),
        number("mean_minus", "mean at −α", decimals),
        number("mean_zero", "unsteered", decimals),
        number("mean_plus", "mean at +α", decimals),
        number("sd_zero", "unsteered sd", decimals),
        number("sd_minus", "sd at −α", decimals),
    ]


def bounds_table(bounds: pd.DataFrame) -> Table:
    """The strength of each layer at each percentile."""
    columns = [
        *owner_columns(bounds),
        word("scale"),
        word("side", "projections of"),
        word("token_position", "read at"),
        number("rows", "rows", 0),
        Column("layer", lambda row: str(row["layer"])),
        Column("percentile", lambda row: plain(row["percentile"])),
        Column("strength", lambda row: f"{row['strength']:.4g}"),
    ]
    return table("bounds of the layers", columns, records(bounds), most=MAX_ROWS)


def best_table(best: pd.DataFrame) -> Table:
    """The chosen cell of each model and behavior, with its steerability and its effects by option order."""
    decimals = decimals_for(best["delta"]) if len(best) else 2
    columns = [
        *owner_columns(best),
        *_effect_columns(best),
        Column("moved", lambda row: "yes" if row["moved"] else "no", number=False),
        Column("p", lambda row: p_value(row["p" if row["held_out"] else "p_adjusted"])),
        Column("held out", lambda row: "yes" if row["held_out"] else "no", number=False),
        *_mean_columns(best),
        Column("anti-steerable", lambda row: share(row, "anti", "anti_low", "anti_high")),
        number("delta_given", "delta as given", decimals),
        number("delta_swapped", "delta swapped", decimals),
    ]
    return table("The chosen setting of each model and behavior", columns, records(best))


def cells_table(effects: pd.DataFrame) -> Table:
    """Every cell."""
    columns = [*owner_columns(effects), word("split"), *_effect_columns(effects), *_mean_columns(effects)]
    return table("All settings", columns, records(effects), most=MAX_ROWS)


def blindness_table(blindness: pd.DataFrame) -> Table:
    """Whether the unsteered models read the options."""
    columns = [
        *owner_columns(blindness),
        Column("prompts", lambda row: str(int(row["n"]))),
        Column("same option in both orders", lambda row: _against_half(row, "share", "low", "high")),
        Column(
            "without letter preference",
            lambda row: _against_half(row, "share_centred", "centred_low", "centred_high"),
        ),
        word("verdict"),
        number("mean_score", "mean score"),
        Column("positive answer preferred", lambda row: share(row, "accuracy")),
    ]
    return table("Do the unsteered models tell the options apart?", columns, records(blindness))


def _against_half(row: Row, name: str, low: str, high: str) -> str:
    """A share that is read against guessing."""
    return percent_with_interval(row[name], row[low], row[high], (0.0, 0.5, 1.0))


def choice_table(choice: pd.DataFrame) -> Table:
    """The stability of each choice of a layer, and its selection optimism."""
    columns = [
        *owner_columns(choice),
        word("layers", "layer"),
        Column("settings to choose from", lambda row: whole(row["candidates"])),
        Column("same layer again", lambda row: share(row, "same_layer")),
        Column("95% of the choices, depth", lambda row: _range(row["depth_low"], row["depth_high"])),
        Column("measure", lambda row: "Δ" if row["measure"] == "glass" else "delta", number=False),
        number("naive", "where it was chosen"),
        number("optimism", "selection optimism"),
        number("honest", "expected"),
        number("fall", "delta falls by more than that, by"),
        Column("p of that fall", lambda row: p_value(row["fall_p"])),
        Column("held out", lambda row: "yes" if row["held_out"] else "no", number=False),
    ]
    return table("Stability of each choice of layer", columns, records(choice))


def tails_table(tails: pd.DataFrame) -> Table:
    """Quantiles of the prompts' scores by strength at the best layers."""
    decimals = decimals_for(tails["sd"]) if len(tails) else 2
    columns = [
        *owner_columns(tails),
        word("layers", "layer"),
        Column("strength", lambda row: plain(row["strength"])),
        Column("prompts", lambda row: str(int(row["n"]))),
        number("mean", "mean", decimals),
        number("sd", "sd", decimals),
        number("p05", "5%", decimals),
        number("p25", "25%", decimals),
        number("median", "median", decimals),
        number("p75", "75%", decimals),
        number("p95", "95%", decimals),
    ]
    return table("Scores of single prompts by strength, at the chosen layer", columns, records(tails))


def whole(value: Any) -> str:
    """Format a whole number; a dash where there is none."""
    return "–" if value is None or not np.isfinite(value) else str(int(value))


def _range(low: float, high: float) -> str:
    return f"{fixed(low)} to {fixed(high)}" if np.isfinite(low) else "–"
