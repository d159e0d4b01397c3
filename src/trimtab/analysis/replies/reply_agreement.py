"""Scores against replies: whether the layers with the largest effect on scores also change replies most."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.cells import FULL, LOWER, UPPER
from trimtab.analysis.replies.reply_cells import OWNER
from trimtab.analysis.samples import present, records
from trimtab.stats.small_samples import MIN_CORRELATED, pearson, spearman

AGREEMENT = (
    "size", "compared", "n_layers", "spearman", "r", "r_low", "r_high", "best_score_layer", "best_reply_layer",
    "there", "largest",
)  # fmt: skip
_OWN = ("run", "engine", "model", "behavior")
_SAME = ("run", "engine", "model", "behavior", "scoring", "split", "scale", "positions", "strength")


def reply_agreement(effects: pd.DataFrame, best: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """How well the curve of deltas over layers predicts that of changes in replies.

    The delta is taken at the scale, positions, strength and split of the best cell of the sweep, which costs no
    generation; the change is that at +α minus that at −α, or of the one sign that was asked, on the prompts that
    choose, at each size of strength at which at least eight single layers were asked all of them, in the same way:
    `compared`. Layers are neighbours, not independent draws, so that the interval of r (Fisher's z) is narrower than it
    should be.

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
            changes, compared = _changes(some)
            both = pd.concat([scored, changes], axis=1, join="inner").dropna()
            if len(both) >= MIN_CORRELATED:
                rows.append({**about, "size": float(str(size)), "compared": compared, **_compared(both)})
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


def _changes(cells: pd.DataFrame) -> tuple[pd.Series[float], str]:
    """Change toward the behavior minus change away from it, by layer, where every end that was run was judged.

    Of one sign only, that which more layers have, where no layer has both: and what was compared.
    """
    sign = np.sign(cells["strength"])
    signed = (cells["change"] * sign).groupby(cells["layer"]).agg(lambda part: part.sum(skipna=False))
    # Halving may leave one end of a layer only; half a spread does not compare with whole ones.
    signs = sign.groupby(cells["layer"]).nunique()
    if signs.max() < 2:
        toward = bool((sign > 0).sum() >= (sign < 0).sum())
        alone: pd.Series[float] = signed[(sign.groupby(cells["layer"]).first() > 0) == toward].rename("reply")
        return alone, UPPER if toward else LOWER
    spread: pd.Series[float] = signed[signs == signs.max()].rename("reply")
    return spread, FULL


def _compared(both: pd.DataFrame) -> dict[str, Any]:
    x, y = both["score"].to_numpy(float), both["reply"].to_numpy(float)
    r, low, high = pearson(x, y)
    layers = both.index.to_numpy(int)
    return {
        "n_layers": len(x), "spearman": spearman(x, y) if np.isfinite(r) else float("nan"),
        "r": r, "r_low": low, "r_high": high,
        "best_score_layer": int(layers[x.argmax()]), "best_reply_layer": int(layers[y.argmax()]),
        "there": float(y[x.argmax()]), "largest": float(y.max()),
    }  # fmt: skip
