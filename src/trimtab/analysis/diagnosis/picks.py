"""What layer each heuristic picks, against the best layer of a sweep."""

from __future__ import annotations

from typing import Any

import pandas as pd

from trimtab.analysis.samples import present, records
from trimtab.analysis.scores.choice import AT, OWNER
from trimtab.errors import SettingError

PICKS = (
    "model", "behavior", "heuristic", "layer", "depth", "best_layer", "best_depth", "glass_at_pick", "glass_best",
    "share", "swept_layer", "swept_depth", "glass_at_swept", "swept_share",
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
    A sweep of a few layers can say nothing of most picks, so the pick among the layers that it has stands beside.

    Args:
        heuristics: What `layer_heuristics` returned for each model and behavior, with the columns `model` and
            `behavior` added, and `run` where there are several.
        quality: The same of `pair_quality`; it may be of more pairs.
        best: What `best_cells` returned; None where nothing was swept.
        effects: The effects table that `best` was chosen from.

    Returns:
        The columns `PICKS`, a row for each heuristic and best cell; `run`, `engine` or `scoring` come first where the
        best cells are of several. `share` is Δ at the pick over the best cell's; `swept_layer` is the pick among the
        layers that were swept alone, `swept_share` its share. NaN where there was no sweep, the layer was not swept
        alone, or the interval of the best Δ does not lie above 0. No row where a heuristic has no value at any layer.

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
        names = [name for name in (*LARGEST, *SMALLEST) if table[name].notna().any()]
        rows += [about | _pick(table, name, cell, effects) for cell in cells or [{}] for name in names]
    several = [n for n in present(best if best is not None else heuristics, OWNER) if n not in PICKS]
    several = [n for n in several if len({row.get(n) for row in rows}) > 1]
    result: pd.DataFrame = pd.DataFrame(rows, columns=[*several, *PICKS])
    return result


def _pick(table: pd.DataFrame, heuristic: str, cell: dict[str, Any], effects: pd.DataFrame | None) -> dict[str, Any]:
    """The layer that a heuristic picks, and what the sweep measured there and at its pick among the swept layers."""
    found = {"heuristic": heuristic, **_extreme(table, heuristic)}
    if not cell or effects is None:
        return found
    measured, best = _by_layer(cell, effects), float(cell["glass"])
    # A share of an effect that may be none is a number without a meaning: −372% of nothing.
    known = cell["glass_low"] > 0
    at_pick = measured.get(found["layer"], float("nan"))
    found |= {
        **{name: cell[name] for name in present(effects, OWNER)},
        "best_layer": cell["layer"],
        "best_depth": cell["depth"],
        "glass_at_pick": at_pick,
        "glass_best": best,
        "share": at_pick / best if known else float("nan"),
    }
    swept = table[table["layer"].isin(list(measured))]
    if swept[heuristic].notna().any():
        among = _extreme(swept, heuristic)
        glass = measured[among["layer"]]
        found |= {
            "swept_layer": among["layer"],
            "swept_depth": among["depth"],
            "glass_at_swept": glass,
            "swept_share": glass / best if known else float("nan"),
        }
    return found


def _extreme(table: pd.DataFrame, heuristic: str) -> dict[str, Any]:
    """Layer and depth at which a heuristic is largest, or smallest where that is its pick."""
    values = table[heuristic].dropna()
    index = values.idxmin() if heuristic in SMALLEST else values.idxmax()
    return records(table.loc[[index], ["layer", "depth"]])[0]


def _by_layer(cell: dict[str, Any], effects: pd.DataFrame) -> dict[int, float]:
    """Δ of the cells that differ from this one in their layer alone, by layer; not of layers steered together."""
    rows = effects[effects["layers"] == effects["layer"].astype(str)]
    for name in (*present(effects, OWNER), "split", *(name for name in AT if name != "layers")):
        rows = rows[rows[name] == cell[name]]
    return {int(layer): float(glass) for layer, glass in zip(rows["layer"], rows["glass"], strict=True)}
