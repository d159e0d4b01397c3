"""What layer each heuristic picks, against the best layer of a sweep."""

from __future__ import annotations

from typing import Any

import pandas as pd

from trimtab.analysis.choice import AT, OWNER
from trimtab.analysis.samples import present, records
from trimtab.errors import SettingError

PICKS = (
    "model", "behavior", "heuristic", "layer", "depth", "best_layer", "best_depth", "glass_at_pick", "glass_best",
    "share",
)  # fmt: skip

LARGEST = (
    "relative_magnitude", "pc1", "probe_accuracy", "adjacent_cosine", "consistency", "stability", "signal_to_noise",
)  # fmt: skip
"""Heuristics that pick the layer where they are largest."""
SMALLEST = ("components_80",)
"""Heuristics that pick the layer where they are smallest."""


def heuristic_picks(
    heuristics: pd.DataFrame,
    quality: pd.DataFrame,
    best: pd.DataFrame | None = None,
    effects: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The layer that each heuristic picks, and what a sweep measured there.

    A pick is the layer at which a heuristic is largest (components for 80%: fewest), of equals the lowest. What was
    measured there is Glass's Δ of the cell that differs from the sweep's best one in its layer alone: same strength,
    scale, positions and split. So picks are compared with the best cell on the prompts that the best is reported on.

    Args:
        heuristics: What `layer_heuristics` returned for each model and behavior, with the columns `model` and
            `behavior` added, and `run` where there are several.
        quality: The same of `pair_quality`; it may be of more pairs.
        best: What `best_cells` returned; None where nothing was swept.
        effects: The effects table that `best` was chosen from.

    Returns:
        The columns `PICKS`, a row for each heuristic and best cell; `run`, `engine` or `scoring` come first where the
        best cells are of several. `share` is Δ at the pick over the best cell's. NaN where there was no sweep, the
        layer was not swept alone, or the best Δ is not above 0. No row where a heuristic has no value at any layer.

    Raises:
        SettingError: When `best` comes without `effects`.
    """
    if best is not None and effects is None:
        raise SettingError("best cells come with the effects table they were chosen from; pass both")
    owner = present(heuristics, ("run", "model", "behavior"))
    known = quality.drop(columns=[name for name in ("depth", "pairs") if name in quality.columns])
    values = heuristics.merge(known, on=[*owner, "layer"]).sort_values("layer", kind="stable")
    rows: list[dict[str, Any]] = []
    for _, table in values.groupby(owner, sort=False):
        about = records(table.head(1)[owner])[0]
        cells = [cell for cell in records(best) if all(cell.get(name) == value for name, value in about.items())]
        picks = [pick for name in (*LARGEST, *SMALLEST) for pick in _pick(table, name)]
        rows += [about | pick | _measured(pick["layer"], cell, effects) for cell in cells or [{}] for pick in picks]
    several = [n for n in present(best if best is not None else heuristics, OWNER) if n not in PICKS]
    several = [n for n in several if len({row.get(n) for row in rows}) > 1]
    result: pd.DataFrame = pd.DataFrame(rows, columns=[*several, *PICKS])
    return result


def _pick(table: pd.DataFrame, heuristic: str) -> list[dict[str, Any]]:
    """The layer that a heuristic picks, if it picks one."""
    values = table[heuristic].dropna()
    if values.empty:
        return []
    index = values.idxmin() if heuristic in SMALLEST else values.idxmax()
    return [{"heuristic": heuristic, **row} for row in records(table.loc[[index], ["layer", "depth"]])]


def _measured(layer: int, cell: dict[str, Any], effects: pd.DataFrame | None) -> dict[str, Any]:
    """The sweep's best layer, and Δ at a layer in the same setting; {} without a sweep."""
    if not cell or effects is None:
        return {}
    rows = effects[effects["layers"] == str(layer)]
    owner = present(effects, OWNER)
    for name in (*owner, "split", *(name for name in AT if name != "layers")):
        rows = rows[rows[name] == cell[name]]
    at_pick = float(rows["glass"].iloc[0]) if len(rows) else float("nan")
    glass = float(cell["glass"])
    return {
        **{name: cell[name] for name in owner},
        "best_layer": cell["layer"],
        "best_depth": cell["depth"],
        "glass_at_pick": at_pick,
        "glass_best": glass,
        "share": at_pick / glass if glass > 0 else float("nan"),
    }
