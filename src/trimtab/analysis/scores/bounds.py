"""The bounds of a study whose strengths are percentiles of projections: which strength each layer was pushed with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.findings import Finding, Subject, Values, caution, subject_first
from trimtab.analysis.formatting import plain

BOUND_COLUMNS = (
    "run", "model", "behavior", "scale", "side", "token_position", "rows", "layer", "percentile", "strength",
)  # fmt: skip


def bounds_table(entries: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """A row for each layer and percentile.

    Args:
        entries: `bounds` of the manifests of a report, each with its `run`.

    Returns:
        `BOUND_COLUMNS`: `rows` are those of the side or sides whose percentile it is, `strength` the α of the scale.
    """
    rows = [
        {
            **{name: entry[name] for name in ("run", "model", "behavior", "scale", "side", "token_position")},
            "rows": sum(entry[side] for side in ("positive", "negative") if entry["side"] in (side, "both")),
            "layer": layer, "percentile": percentile, "strength": strength,
        }
        for entry in entries
        for percentile, strengths in zip(entry["percentiles"], entry["strengths"], strict=True)
        for layer, strength in zip(entry["layers"], strengths, strict=True)
    ]  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(BOUND_COLUMNS))
    return table


@subject_first
def strengths_are_percentiles(values: Values) -> str:
    """What strengths mean, and the bound at the chosen layer."""
    whose = "both sides" if values["side"] == "both" else f"the {values['side']} side"
    text = (
        f"strengths are percentiles of the projections of {whose} of the training part "
        f"({plural(int(values['rows']), 'row')}, read at {values['token_position']}), and each layer has its "
        f"own {values['scale']}"
    )
    if values.get("strength") is None:
        return f"{text}."
    strength = f"{values['strength']:.4g}".replace("-", "−")
    return f"{text}: percentile {plain(values['percentile'])} of layer {values['layer']} is strength {strength}."


def bound_findings(table: pd.DataFrame, best: pd.DataFrame) -> list[Finding]:
    """A caution for each model and behavior whose strengths are percentiles.

    Args:
        table: From `bounds_table`.
        best: From `best_cells`, of the same runs.
    """
    named = [name for name in ("model", "run") if table[name].nunique() > 1]
    found = []
    for key, rows in table.groupby(["run", "model", "behavior"], sort=False):
        first = rows.iloc[0]
        values = {name: first[name] for name in ("scale", "side", "token_position", "rows")}
        owner = dict(zip(("run", "model", "behavior"), key, strict=True))
        mine = best
        for name in ("run", "model", "behavior"):
            mine = mine[mine[name] == owner[name]] if name in mine else mine
        if len(mine):
            chosen = mine.iloc[0]
            at = rows[(rows["layer"] == chosen["layer"]) & (rows["percentile"] == chosen["strength"])]
            if len(at):
                values |= {name: at.iloc[0][name] for name in ("layer", "percentile", "strength")}
        found.append(caution(Subject.of(owner, named), strengths_are_percentiles, values))
    return found
