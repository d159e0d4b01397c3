"""Small samples tables, written out so that a reader can do the sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
import pytest

Cells = Mapping[Any, Any]
Maker = Callable[..., pd.DataFrame]


def samples(scores: Cells, *, n_layers: int = 10, **columns: Any) -> pd.DataFrame:
    """Samples from the scores of prompts 0, 1, …, as {(layer or "9+13", strength): scores}."""
    rows = []
    for (at, strength), values in scores.items():
        layer = int(str(at).split("+")[0])
        for i, score in enumerate(values):
            row = {
                "model": "m", "behavior": "b", "engine": "transformers", "layer": layer,
                "layers": "" if strength == 0 else str(at), "depth": (layer + 1) / n_layers, "scale": "raw",
                "strength": float(strength), "positions": "all", "scoring": "choice", "split": "test",
                "prompt_id": f"p{i}", "order": 0, "label": "A", "weight": 1.0, "score": float(score),
            }  # fmt: skip
            rows.append(row | columns)
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def make() -> Maker:
    """Makes a samples table; see `samples`."""
    return samples
