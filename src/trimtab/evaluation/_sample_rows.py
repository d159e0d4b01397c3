"""The samples table: one tidy row for each prompt, option order and cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from torch import Tensor

from trimtab.analysis import COLUMNS
from trimtab.data import Presentation
from trimtab.evaluation.grid import Grid
from trimtab.steering import UNSTEERED


def samples_frame(
    scores: Tensor,
    shown: Sequence[Presentation],
    split: str,
    grid: Grid | None,
    *,
    model: str,
    behavior: str,
    engine: str,
    scoring: str,
    n_layers: int,
) -> pd.DataFrame:
    """Rows for scores [1 + cells, pairs], unsteered first, of the pairs in `shown`; without a grid unsteered only."""
    cells = [UNSTEERED, *(grid.steered if grid else ())]
    first = [cell.first_layer for cell in cells]
    n, c = len(shown), len(cells)
    table: pd.DataFrame = pd.DataFrame(
        {
            "model": model,
            "behavior": behavior,
            "engine": engine,
            "layer": np.repeat(np.array(first, dtype=np.int32), n),
            "layers": np.repeat(np.array([cell.layers_label for cell in cells], dtype=object), n),
            "depth": np.repeat([(layer + 1) / n_layers for layer in first], n),
            "scale": grid.scale if grid else "raw",
            "strength": np.repeat([cell.strength for cell in cells], n),
            "positions": grid.positions if grid else "all",
            "scoring": scoring,
            "split": split,
            "prompt_id": [s.pair.id for s in shown] * c,
            "order": np.tile(np.array([s.order for s in shown], dtype=np.int8), c),
            "label": [s.pair.label for s in shown] * c,
            "weight": np.tile([s.weight for s in shown], c),
            "score": scores.flatten().double().numpy(),
        },
        columns=list(COLUMNS),
    )
    return table
