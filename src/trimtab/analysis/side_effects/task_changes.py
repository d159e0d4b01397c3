"""Tasks of harnesses: their metrics with and without steering, and paired differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.claims import Claim
from trimtab.analysis.findings import Finding, Subject, caution, picked
from trimtab.analysis.samples import records
from trimtab.analysis.side_effects import _side_sentences as sentences
from trimtab.analysis.side_effects.side_findings import CELL, OPPOSITE
from trimtab.stats.bootstrap import intervals

TASK_CHANGES = (
    "model", "behavior", "chosen_by", "layers", "scale", "strength", "benchmark", "task", "metric", "better", "n",
    "before", "before_stderr", "after", "after_stderr", "change", "change_low", "change_high",
)  # fmt: skip
_METRIC = ["model", "behavior", "chosen_by", "benchmark", "task", "metric"]
_CELL = ["layers", "scale", "strength"]
_DRAWS = 2000
_SEED = 0


def task_changes(tasks: pd.DataFrame) -> pd.DataFrame:
    """Every metric of every task in every steered cell, beside the unsteered model's.

    Args:
        tasks: the table `side_effects/tasks`.

    Returns:
        The columns `TASK_CHANGES`. `before` and `after` are the harness's own metrics, with its standard errors.
        `change` is their difference; its 95% interval is of the paired differences of the samples (BCa bootstrap), and
        missing where the metric is no mean of samples.
    """
    rows: list[dict[str, Any]] = []
    for owner, mine in tasks.groupby(_METRIC, sort=False, observed=True):
        plain = mine[mine["strength"] == 0]
        for cell, steered in mine[mine["strength"] != 0].groupby(_CELL, sort=False, observed=True):
            about = dict(zip([*_METRIC, *_CELL], (*owner, *cell), strict=True))
            rows.append({**about, **_change(plain, steered)})
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(TASK_CHANGES))
    return table


def _change(plain: pd.DataFrame, steered: pd.DataFrame) -> dict[str, Any]:
    before, after = records(plain.head(1))[0], records(steered.head(1))[0]
    found = {
        "better": after["better"], "before": before["metric_value"], "before_stderr": before["stderr"],
        "after": after["metric_value"], "after_stderr": after["stderr"],
        "change": after["metric_value"] - before["metric_value"],
    }  # fmt: skip
    pairs = plain[["sample", "value"]].merge(steered[["sample", "value"]], on="sample", suffixes=("_before", "_after"))
    pairs = pairs[pairs["sample"] != ""]
    complete = len(pairs) == len(plain) == len(steered)
    if not complete:
        return {**found, "n": len(pairs), "change_low": np.nan, "change_high": np.nan}
    difference = (pairs["value_after"] - pairs["value_before"]).to_numpy(dtype=np.float64)
    interval, _ = intervals(difference[:, None], [], np.ones(len(difference)), draws=_DRAWS, seed=_SEED)
    return {**found, "n": len(pairs), "change_low": interval.low[0], "change_high": interval.high[0]}


def task_findings(changes: pd.DataFrame) -> list[Finding]:
    """What tasks show of the chosen settings: changes whose interval excludes zero, and no others.

    Args:
        changes: from `task_changes`; with `of_signs` only the signs that were chosen are spoken of.
    """
    named = ("model",) if changes["model"].nunique() > 1 else ()
    found = []
    for row in records(changes[changes["chosen_by"] != OPPOSITE]):
        claim = Claim("change", f"{row['task']} {row['metric']}", row["change"], row["change_low"], row["change_high"])
        if not claim.supported:
            continue
        values = {
            **picked(row, *CELL, "task", "metric", "n", "before", "after", "change", "change_low", "change_high"),
            "worse": (row["better"] == "higher" and claim.below) or (row["better"] == "lower" and claim.above),
        }
        about = Subject.of(row, named)
        if values["worse"] or not row["better"]:
            found.append(caution(about, sentences.task_change, values, "side effects", [claim]))
        else:
            found.append(Finding("effect", sentences.task_change, values, (about,), "side effects", [claim]))
    return found
