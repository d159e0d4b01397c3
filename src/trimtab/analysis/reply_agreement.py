"""Scores against replies: do the layers that move what is scored also move what is said?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.reply_cells import OWNER
from trimtab.analysis.samples import present, records
from trimtab.analysis.small_samples import fisher_interval, spearman

AGREEMENT = (
    "size", "n_layers", "spearman", "r", "r_low", "r_high", "best_score_layer", "best_reply_layer", "there", "largest",
)  # fmt: skip
LEAST_LAYERS = 3
_OWN = ("run", "engine", "model", "behavior")
_SAME = ("run", "engine", "model", "behavior", "scoring", "split", "scale", "positions", "strength")


def reply_agreement(effects: pd.DataFrame, best: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """How well the curve of deltas over layers foretells that of changes in replies.

    The delta is taken at the scale, positions, strength and split of the best cell of the sweep, which costs no
    generation; the change is that at +α minus that at −α (0 for an end that was not run), on the prompts that choose,
    at each size of strength at which at least three single layers were asked all of them. Layers are neighbours, not
    independent draws, so that the interval of r (Fisher's z) is narrower than it should be.

    Args:
        effects: What `effects` returned.
        best: What `best_cells` returned.
        cells: What `reply_cells` returned.

    Returns:
        A row for each owner of cells and size of strength: `AGREEMENT`; `there` is the change at the layer that the
        deltas name, `largest` the largest one.
    """
    owner = present(cells, OWNER)
    rows: list[dict[str, Any]] = []
    single = cells[~cells["layers"].astype(str).str.contains("+", regex=False)]
    for _, mine in single.groupby(owner, sort=False, observed=True):
        about = records(mine.head(1)[owner])[0]
        scored = _deltas(effects, best, about)
        if scored is None:
            continue
        chooses = mine[mine["split"] == "select"] if (mine["split"] == "select").any() else mine
        chooses = chooses[chooses["prompts"] == chooses["prompts"].max()]
        for size, some in chooses.groupby(chooses["strength"].abs()):
            said = _changes(some)
            both = pd.concat([scored, said], axis=1, join="inner").dropna()
            if len(both) >= LEAST_LAYERS:
                rows.append({**about, "size": float(str(size)), **_compared(both)})
    table: pd.DataFrame = pd.DataFrame(rows, columns=[*owner, *AGREEMENT])
    return table


def _deltas(effects: pd.DataFrame, best: pd.DataFrame, about: dict[str, Any]) -> pd.Series[float] | None:
    """Delta by layer, at the setting of the best cell of the same speaker; None without one, or with several."""
    same = [name for name in _OWN if name in best.columns and name in about]
    mine = best[np.logical_and.reduce([best[name] == about[name] for name in same])]
    if len(mine) != 1:
        return None
    cell = records(mine)[0]
    table = effects[np.logical_and.reduce([effects[name] == cell[name] for name in _SAME if name in effects.columns])]
    table = table[~table["layers"].astype(str).str.contains("+", regex=False)]
    deltas: pd.Series[float] = table.set_index("layer")["delta"].rename("score")
    return deltas


def _changes(cells: pd.DataFrame) -> pd.Series[float]:
    """Change toward the behavior minus change away from it, by layer, where every end that was run was judged."""
    sign = np.sign(cells["strength"])
    signed = (cells["change"] * sign).groupby(cells["layer"]).agg(lambda part: part.sum(skipna=False))
    # Halving may leave one end of a layer only; half a spread does not compare with whole ones.
    ends = sign.groupby(cells["layer"]).nunique()
    spread: pd.Series[float] = signed[ends == ends.max()].rename("reply")
    return spread


def _compared(both: pd.DataFrame) -> dict[str, Any]:
    x, y = both["score"].to_numpy(float), both["reply"].to_numpy(float)
    varied = np.ptp(x) > 0 and np.ptp(y) > 0
    r = float(np.corrcoef(x, y)[0, 1]) if varied else float("nan")
    low, high = fisher_interval(r, len(x))
    layers = both.index.to_numpy(int)
    return {
        "n_layers": len(x), "spearman": spearman(x, y) if varied else float("nan"),
        "r": r, "r_low": low, "r_high": high,
        "best_score_layer": int(layers[x.argmax()]), "best_reply_layer": int(layers[y.argmax()]),
        "there": float(y[x.argmax()]), "largest": float(y.max()),
    }  # fmt: skip
