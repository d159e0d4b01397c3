"""The effect of a vector against those of random directions of the same length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.cells import cell_scores
from trimtab.analysis.claims import ALPHA, Claim
from trimtab.analysis.findings import Finding, Subject, caution, picked
from trimtab.analysis.samples import records
from trimtab.analysis.side_effects import _side_sentences as sentences
from trimtab.stats.bootstrap import spread, weighted_mean

THE_VECTOR = "vector"
NULLS = (
    "model", "behavior", "chosen_by", "kind", "draw", "scale", "layers", "layer", "depth", "strength", "compared", "n",
    "delta", "glass",
)  # fmt: skip
NULL_TESTS = (
    "model", "behavior", "chosen_by", "kind", "scale", "layers", "layer", "depth", "strength", "compared", "draws",
    "glass", "null_median", "null_high", "p", "measure",
)  # fmt: skip


def null_effects(samples: pd.DataFrame) -> pd.DataFrame:
    """Delta and Glass's Δ of the vector and of each random direction, at the same cell and on the same prompts.

    Args:
        samples: the samples table with the columns `kind` (`vector`, or a kind of random direction), `draw`, and
            `chosen_by`, what chose the cell.

    Returns:
        The columns `NULLS`, a row for the vector and for each direction.
    """
    rows: list[dict[str, Any]] = []
    by = ["chosen_by", "kind", "draw"]
    for (chosen_by, kind, draw), part in samples.groupby(by, sort=False, observed=True):
        for scores in cell_scores(part.drop(columns=by)):
            mask = scores.complete[:, 0]
            weight = scores.weight[mask]
            deviation = spread(scores.zero[mask], weight)
            delta = weighted_mean((scores.upper - scores.lower)[mask, 0], weight) if mask.any() else np.nan
            rows.append(
                {
                    "model": scores.owner["model"], "behavior": scores.owner["behavior"], "chosen_by": chosen_by,
                    "kind": kind, "draw": draw, "scale": scores.owner["scale"],
                    **records(scores.cells.head(1))[0], "compared": str(scores.compared[0]),
                    "n": int(mask.sum()), "delta": delta,
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
        directions' |Δ|. `measure` is "glass"; where the unsteered scores do not vary and there is no Δ it is "delta",
        and the columns hold deltas.
    """
    rows: list[dict[str, Any]] = []
    by = ["model", "behavior", "chosen_by"]
    for (model, behavior, chosen_by), mine in effects.groupby(by, sort=False, observed=True):
        own = records(mine[mine["kind"] == THE_VECTOR])[0]
        known = mine[(mine["kind"] != THE_VECTOR) & mine["delta"].notna()]
        measure = "glass" if np.isfinite(own["glass"]) or not np.isfinite(own["delta"]) else "delta"
        for kind, drawn in known.groupby("kind", sort=False, observed=True):
            size = drawn["delta"].abs()
            rows.append(
                {
                    **{name: own[name] for name in ("scale", "layers", "layer", "depth", "strength", "compared")},
                    "measure": measure, "glass": own[measure],
                    "model": model, "behavior": behavior, "chosen_by": chosen_by, "kind": kind, "draws": len(drawn),
                    "null_median": float(drawn[measure].abs().median()),
                    "null_high": float(drawn[measure].abs().quantile(0.95)),
                    "p": (1 + int((size >= abs(own["delta"])).sum())) / (1 + len(drawn))
                    if np.isfinite(own["delta"])
                    else np.nan,
                }
            )  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(NULL_TESTS))
    return table


def null_findings(tests: pd.DataFrame) -> list[Finding]:
    """Whether each vector does more than random directions, by the kind of these that is hardest to beat."""
    found = []
    named = ("model",) if tests["model"].nunique() > 1 else ()
    for _, rows in tests.groupby(["model", "behavior", "chosen_by"], sort=False, observed=True):
        about = Subject.of(records(rows.head(1))[0], named)
        if rows["p"].isna().any():
            setting = picked(records(rows.head(1))[0], "layers", "scale", "strength", "compared", "chosen_by")
            found.append(caution(about, sentences.vector_not_comparable, setting, "random directions"))
            continue
        # With few directions p is often the least there can be for every kind; the one that does most is quoted then.
        hardest = rows.sort_values(["p", "null_high", "null_median"], ascending=False, kind="stable").head(1)
        found.append(_against(about, records(hardest)[0]))
    return found


def _against(about: Subject, test: dict[str, Any]) -> Finding:
    claim = Claim("effect", str(about), test["glass"], p=test["p"])
    names = ("layers", "scale", "strength", "compared", "chosen_by", "kind", "draws", "measure", "glass", "null_median")
    values = picked(test, *names, "null_high", "p")
    if claim.above:
        return Finding("effect", sentences.more_than_random, values, (about,), "random directions", [claim])
    if claim.below:
        return caution(about, sentences.reversed_vector, values, "random directions", [claim], decisive=True)
    if 1 / (1 + test["draws"]) >= ALPHA and abs(test["glass"]) > test["null_high"]:
        return caution(about, sentences.too_few_directions, values, "random directions")
    return caution(about, sentences.no_more_than_random, values, "random directions", decisive=True)
