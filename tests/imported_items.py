"""Items of imported results, planted: probabilities of two answers under conditions, layers and strengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from trimtab.analysis.imported import ITEMS, NO_COLUMN


def planted_items(
    conditions: Mapping[str, float],
    size: float,
    *,
    prompts: int = 20,
    layers: Sequence[int] = (1, 3, 5),
    crossed: int = 3,
    letter: float = 0.0,
    share_a: float = 0.7,
    without: int = 1,
    held: float = 0.9,
    noise: float = 0.5,
    seed: int = 0,
    model: str = "tiny-135M",
    behavior: str = "b",
) -> pd.DataFrame:
    """A table of items of one model and behavior.

    Args:
        conditions: What each condition adds to the log-odds of the matching answer; the first is the plain one.
        size: What the vector adds at +1, in the crossed layer; a third of it in the others.
        prompts: How many.
        layers: Swept under the plain condition.
        crossed: The layer that the other conditions were measured at.
        letter: What the vector adds to the log-odds of A at +1, whatever the matching answer.
        share_a: Share of prompts whose matching answer is A.
        without: Prompts whose matching answer has no column.
        held: Probability of the two answers together.
        noise: Standard deviation of the log-odds.
        seed: Of the scores.
        model: Its name.
        behavior: Its name.
    """
    rng = np.random.default_rng(seed)
    plain = next(iter(conditions))
    base = rng.normal(0, 1, prompts)
    cells = [("", 0.0), *((str(layer), strength) for layer in layers for strength in (-1.0, 1.0))]
    rows = []
    for condition, added in conditions.items():
        for layer, strength in cells:
            if condition != plain and layer not in ("", str(crossed)):
                continue
            for prompt in range(prompts):
                key = "C" if prompt < without else "A" if prompt < share_a * prompts else "B"
                odds = base[prompt] + added + strength * size * (1 if layer == str(crossed) else 1 / 3)
                odds += rng.normal(0, noise)
                of_a = (odds if key == "A" else -odds) + strength * letter
                p_a = held / (1 + np.exp(-of_a))
                rows.append(_row(condition, plain, layer, strength, prompt, key, p_a, held - p_a))
    items: pd.DataFrame = pd.DataFrame(rows).assign(model=model, behavior=behavior)[list(ITEMS)]
    return items


def _row(
    condition: str, plain: str, layer: str, strength: float, prompt: int, key: str, p_a: float, p_b: float
) -> dict[str, object]:
    scored = key in ("A", "B")
    matching, other = (p_a, p_b) if key == "A" else (p_b, p_a)
    return {
        "engine": "imported", "layer": int(layer or -1), "layers": layer, "depth": (int(layer or -1) + 1) / 6,
        "scale": "raw", "strength": strength, "positions": "all", "scoring": "choice", "split": "test",
        "prompt_id": f"q{prompt}", "order": 0, "label": key, "matching": key if scored else "", "weight": 1.0,
        "score": float(np.log(matching / other)) if scored else np.nan, "condition": condition,
        "plain": condition == plain, "first": "A", "second": "B", "p_first": p_a, "p_second": p_b,
        "share": matching / (p_a + p_b) if scored else np.nan, "unscored": "" if scored else NO_COLUMN,
    }  # fmt: skip
