"""Findings in sentences, computed from the tables: what moved, by how much, and what does not hold."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from trimtab.analysis.choice import OWNER
from trimtab.analysis.samples import present, records, several

Kind = Literal["comparison", "effect", "negative", "caution"]

FEW_PROMPTS = 20
"""Below this many prompts an interval from resampling is too narrow to lean on."""

STEADY = 0.05
"""Unsteered scores that vary by less than this share of their own size make Δ explode."""

LARGE_ANTI = 0.25
"""From this share of prompts on that move the other way, the mean hides too much to go without a word."""

WRONG_WAY = 0.1
"""Share of delta that one end may move against its sign before it is told."""

SMALL = 0.2
"""In unsteered standard deviations: a difference between option orders below this is not worth a word."""

UNITS = {"choice": "logits", "text": "nats per token", "text_sum": "nats"}


@dataclass(frozen=True)
class Finding:
    """One sentence about a run."""

    kind: Kind
    """comparison: between models. effect: something moved. negative: it did not. caution: trust a number less."""
    text: str


def findings(
    effects: pd.DataFrame,
    best: pd.DataFrame,
    *,
    blindness: pd.DataFrame | None = None,
    orders: pd.DataFrame | None = None,
    steerability: pd.DataFrame | None = None,
) -> list[Finding]:
    """Sentences for a report, effects first (largest Δ first), then what did not move, then cautions.

    Args:
        effects: What `effects` returned.
        best: What `best_cells` returned for it.
        blindness: What `option_blindness` returned, for choice scoring.
        orders: What `order_effects` returned, for choice scoring.
        steerability: What `steerability` returned.
    """
    found = []
    for row in records(best.sort_values("glass", ascending=False, na_position="last")):
        found.append(_verdict(row, best))
        found += [Finding("caution", text) for text in _cautions(row, _same(effects, row), best)]
    if best.empty:
        found.append(Finding("negative", "No cell was measured: there are no steered scores to compare."))
    for row in records(orders):
        found += _order_caution(row, best)
    for row in records(steerability):
        found += _steady_caution(row, best)
    for row in records(blindness):
        found += _blind_caution(row, best)
    rank = {"effect": 0, "negative": 1, "caution": 2}
    return sorted(found, key=lambda finding: rank[finding.kind])


def subject(row: dict[str, Any], best: pd.DataFrame) -> str:
    """What a sentence is about: the behavior, and model, run, engine or scoring where there are several."""
    parts = [str(row[name]) for name in several(best, ("model", "run", "engine", "scoring"))]
    return f"{row['behavior']} ({', '.join(parts)})" if parts else str(row["behavior"])


def _same(effects: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """The cells of the same split, scale, positions and strength as a best cell: its layer curve."""
    names = [*present(effects, OWNER), "split", "scale", "positions", "strength"]
    mask = np.logical_and.reduce([effects[name] == row[name] for name in names])
    curve: pd.DataFrame = effects[mask]
    return curve


def _mine(best: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """The best cell of the model and behavior that a row is about."""
    mask = np.logical_and.reduce([best[name] == row[name] for name in present(best, OWNER)])
    mine: pd.DataFrame = best[mask]
    return mine


def _where(row: dict[str, Any]) -> str:
    n_layers = round((int(row["layer"]) + 1) / row["depth"]) if row["depth"] > 0 else 0
    of = f" of 0–{n_layers - 1}" if n_layers else ""
    layers = str(row["layers"])
    name = f"layers {layers.replace('+', ' + ')}" if "+" in layers else f"layer {layers}"
    return f"{name}{of}, depth {row['depth']:.2f}, {row['scale']} strength {row['strength']:g}"


def _size(row: dict[str, Any]) -> str:
    unit = UNITS.get(str(row["scoring"]), "")
    digits = decimals_of(row["delta"])
    delta, low, high = (signed(row[name], digits) for name in ("delta", "delta_low", "delta_high"))
    text = f"delta {delta} {unit} [{low}, {high}]"
    if np.isfinite(row["glass"]):
        text += f", Δ {signed(row['glass'])} [{signed(row['glass_low'])}, {signed(row['glass_high'])}]"
    return text


def decimals_of(value: float) -> int:
    """Decimals that leave small numbers, such as text scores, two digits to read."""
    return 2 if not np.isfinite(value) or abs(value) < 1e-6 else max(2, 1 - math.floor(math.log10(abs(value))))


def signed(value: float, digits: int = 2) -> str:
    """A number with a true minus sign; a dash where there is none."""
    if not np.isfinite(value):
        return "–"
    text = f"{value:.{digits}f}"
    # "−0.00" would claim a direction.
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _measured_on(row: dict[str, Any]) -> str:
    n = int(row["n"])
    prompts = "1 prompt" if n == 1 else f"{n} prompts"
    if row["held_out"]:
        return f"on {prompts} that took no part in choosing the layer"
    if row["candidates"] == 1:
        return f"on {prompts}, the only cell measured"
    return f"on the same {prompts} that chose it from {int(row['candidates'])} cells, so the numbers flatter"


def _chance(row: dict[str, Any]) -> str:
    """The p value behind `moved`."""
    if row["held_out"] or row["tests"] <= 1:
        return f"{_p(row['p'])} (paired sign-flip test)"
    return f"{_p(row['p_adjusted'])} (paired sign-flip test, corrected for {int(row['tests'])} cells)"


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def _verdict(row: dict[str, Any], best: pd.DataFrame) -> Finding:
    about, size = subject(row, best), f"{_size(row)}, {_measured_on(row)}"
    if not row["moved"]:
        if not np.isfinite(row["delta_low"]):
            return Finding("negative", f"{about}: no interval can be given ({size}).")
        return Finding(
            "negative", f"No layer is shown to move {about}; the best cell ({_where(row)}) has {size}, {_chance(row)}."
        )
    if row["delta"] < 0:
        text = f"Steering moves {about} the wrong way even at its best cell ({_where(row)}): {size}."
        return Finding("negative", text)
    return Finding("effect", f"Steering moves {about} most at {_where(row)}: {size}.")


def _cautions(row: dict[str, Any], curve: pd.DataFrame, best: pd.DataFrame) -> Iterator[str]:
    about = subject(row, best)
    if row["n"] < FEW_PROMPTS:
        yield f"{about}: only {int(row['n'])} prompts were measured; intervals from so few are too narrow."
    if row["sd_zero"] == 0:
        yield f"{about}: the unsteered scores do not vary, so there is no Δ; cells were chosen by delta."
    elif row["sd_zero"] < STEADY * abs(row["mean_zero"]):
        yield (
            f"{about}: the unsteered scores hardly vary (standard deviation {row['sd_zero']:.2g} around "
            f"{row['mean_zero']:.2g}), which inflates Δ; read delta."
        )
    if not row["moved"]:
        return
    up, down = row["mean_plus"] - row["mean_zero"], row["mean_zero"] - row["mean_minus"]
    if np.isfinite(up) and np.isfinite(down) and min(up / row["delta"], down / row["delta"]) < -WRONG_WAY:
        wrong = "+α" if up * row["delta"] < 0 else "−α"
        yield (
            f"{about}: {wrong} alone moves the mean against its direction (−α {signed(row['mean_minus'])}, "
            f"unsteered {signed(row['mean_zero'])}, +α {signed(row['mean_plus'])}); "
            "the other end makes the whole delta."
        )
    swept = curve["layer"].unique()
    if len(swept) > 2 and row["layer"] in (swept.min(), swept.max()):
        end = "first" if row["layer"] == swept.min() else "last"
        yield f"{about}: the best layer is the {end} one swept; the peak may lie outside of the sweep."


def _order_caution(row: dict[str, Any], best: pd.DataFrame) -> list[Finding]:
    """Where the delta hangs on the order of the options, the letter is being steered."""
    if not (row["difference_low"] > 0 or row["difference_high"] < 0):
        return []
    both = (row["delta_given"], row["delta_swapped"])
    weak, strong = sorted(both, key=abs)
    spread = float(_mine(best, row)["sd_zero"].iloc[0])
    if weak / strong > 0.5 or abs(row["difference"]) < SMALL * spread:
        return []
    return [
        Finding(
            "caution",
            f"{subject(row, best)}: delta depends on the order of the options ({signed(both[0])} as given, "
            f"{signed(both[1])} swapped): part of what is steered is the letter, not the behavior.",
        )
    ]


def _steady_caution(row: dict[str, Any], best: pd.DataFrame) -> list[Finding]:
    mine = _mine(best, row)
    moved = bool((mine["moved"] & (mine["delta"] > 0)).any())
    if not moved or row["anti"] < LARGE_ANTI:
        return []
    return [
        Finding(
            "caution",
            f"{subject(row, best)}: {row['anti']:.0%} of the prompts move the other way "
            f"[{row['anti_low']:.0%}, {row['anti_high']:.0%}]; the mean hides them.",
        )
    ]


def _blind_caution(row: dict[str, Any], best: pd.DataFrame) -> list[Finding]:
    share = (
        f"it prefers the same option in both orders at {row['share']:.0%} of {int(row['n'])} prompts "
        f"[{row['low']:.0%}, {row['high']:.0%}], guessing would at 50%"
    )
    texts = {
        "blind": f"the unsteered model cannot tell the options apart: {share}. It follows the letter.",
        "letter first": f"the letter outweighs the content for the unsteered model: {share}; without its "
        f"constant preference for a letter, at {row['share_centred']:.0%}.",
        "unclear": f"it is not shown that the unsteered model tells the options apart: {share}.",
    }
    text = texts.get(row["verdict"])
    return [Finding("caution", f"{subject(row, best)}: {text}")] if text else []
