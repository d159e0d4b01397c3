"""Does the vector do more than any push of its size? Its effect against those of random directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.bootstrap import spread, weighted_mean
from trimtab.analysis.cells import cell_scores
from trimtab.analysis.findings import Finding, signed
from trimtab.analysis.samples import records

THE_VECTOR = "vector"
NULLS = ("model", "behavior", "kind", "draw", "layers", "layer", "depth", "strength", "n", "delta", "glass")
NULL_TESTS = (
    "model", "behavior", "kind", "layers", "layer", "depth", "strength", "draws", "glass", "null_median", "null_high",
    "p",
)  # fmt: skip
ALPHA = 0.05


def null_effects(samples: pd.DataFrame) -> pd.DataFrame:
    """Delta and Glass's Δ of the vector and of each random direction, at the same cell and on the same prompts.

    Args:
        samples: the samples table with the columns `kind` (`vector`, or a kind of random direction) and `draw`.

    Returns:
        The columns `NULLS`, a row for the vector and for each direction.
    """
    rows: list[dict[str, Any]] = []
    for (kind, draw), part in samples.groupby(["kind", "draw"], sort=False, observed=True):
        for scores in cell_scores(part.drop(columns=["kind", "draw"])):
            mask = scores.complete[:, 0]
            weight = scores.weight[mask]
            deviation = spread(scores.zero[mask], weight)
            delta = weighted_mean((scores.upper - scores.lower)[mask, 0], weight) if mask.any() else np.nan
            rows.append(
                {
                    "model": scores.owner["model"], "behavior": scores.owner["behavior"], "kind": kind, "draw": draw,
                    **records(scores.cells.head(1))[0], "n": int(mask.sum()), "delta": delta,
                    "glass": delta / deviation if deviation > 0 else np.nan,
                }
            )  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(NULLS))
    return table


def null_tests(effects: pd.DataFrame) -> pd.DataFrame:
    """How the vector's effect stands among those of random directions, a row for each kind of these.

    p = (1 + directions that move the scores at least as far, either way) ÷ (1 + directions); it cannot fall below
    1 ÷ (1 + directions), however strong the vector is (Phipson & Smyth 2010).

    Args:
        effects: from `null_effects`.

    Returns:
        The columns `NULL_TESTS`; `null_median` and `null_high` are the median and the 95th percentile of the random
        directions' |Δ|.
    """
    rows: list[dict[str, Any]] = []
    for (model, behavior), mine in effects.groupby(["model", "behavior"], sort=False, observed=True):
        own = records(mine[mine["kind"] == THE_VECTOR])[0]
        known = mine[(mine["kind"] != THE_VECTOR) & mine["delta"].notna()]
        for kind, drawn in known.groupby("kind", sort=False, observed=True):
            size = drawn["delta"].abs()
            rows.append(
                {
                    **{name: own[name] for name in ("layers", "layer", "depth", "strength", "glass")},
                    "model": model, "behavior": behavior, "kind": kind, "draws": len(drawn),
                    "null_median": float(drawn["glass"].abs().median()),
                    "null_high": float(drawn["glass"].abs().quantile(0.95)),
                    "p": (1 + int((size >= abs(own["delta"])).sum())) / (1 + len(drawn))
                    if np.isfinite(own["delta"])
                    else np.nan,
                }
            )  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(NULL_TESTS))
    return table


def null_findings(tests: pd.DataFrame) -> list[Finding]:
    """Whether each vector does more than random pushes, by the kind of these that does most."""
    found = []
    several = tests["model"].nunique() > 1
    for (model, behavior), rows in tests.groupby(["model", "behavior"], sort=False, observed=True):
        about = f"{behavior} in {model}" if several else str(behavior)
        if rows["p"].isna().any():
            found.append(Finding("caution", f"{about}: the vector's scores are not numbers, so nothing compares them."))
            continue
        hardest = records(rows.sort_values("p", ascending=False).head(1))[0]
        numbers = (
            f"Δ {signed(hardest['glass'])} at layer {hardest['layers']}, strength ±{hardest['strength']:g}, against "
            f"|Δ| {hardest['null_median']:.2f} in the middle and {hardest['null_high']:.2f} at the 95th percentile of "
            f"{hardest['draws']} random directions of the same size ({hardest['kind']}), p = {hardest['p']:.3f}"
        )
        if hardest["p"] < ALPHA and hardest["glass"] < 0:
            found.append(Finding("caution", f"{about}: the vector moves its behavior the wrong way: {numbers}."))
        elif hardest["p"] < ALPHA:
            found.append(Finding("effect", f"{about}: the vector does more than a random push: {numbers}."))
        elif 1 / (1 + hardest["draws"]) >= ALPHA and abs(hardest["glass"]) > hardest["null_high"]:
            text = (
                f"{about}: the vector does more than {hardest['draws']} random pushes, too few to be sure: {numbers}."
            )
            found.append(Finding("caution", text))
        else:
            found.append(Finding("caution", f"{about}: a random push of this size may do as much: {numbers}."))
    return found
