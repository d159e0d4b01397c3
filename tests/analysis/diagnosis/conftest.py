"""Differences of pairs with a direction planted at one layer, so that what is to be found is known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis.diagnosis import PairDifferences

WORDS = [a + b for a in ("ba", "co", "du", "fe", "gi", "ho", "ju", "ka") for b in ("lon", "mir", "nest", "pod", "quin")]

Planted = Callable[..., PairDifferences]


def texts(n: int, rng: np.random.Generator, label: list[str]) -> pd.DataFrame:
    """Pairs of random words, all different and of about the same length."""

    def sentence() -> str:
        return " ".join(rng.choice(WORDS, 9))

    rows = [
        {
            "prompt_id": f"p{i}", "prompt": sentence(), "positive": sentence(), "negative": sentence(),
            "label": label[i], "positive_tokens": int(rng.integers(18, 23)),
            "negative_tokens": int(rng.integers(18, 23)),
        }
        for i in range(n)
    ]  # fmt: skip
    first = {f"{side}_first": [row[side].split()[0] for row in rows] for side in ("positive", "negative")}
    return pd.DataFrame(rows).assign(**first)


def planted_pairs(
    n: int = 60,
    *,
    n_layers: int = 6,
    d_model: int = 40,
    signal: float = 0.0,
    at: int | None = None,
    kind: Literal["open", "choice", "words"] = "open",
    letter: float = 5.0,
    seed: int = 0,
) -> PairDifferences:
    """Gaussian noise of length 1, and a direction of length `signal` at layer `at` (None: at all layers).

    Choice pairs are shown in both orders with a letter of length `letter`; three in five words are "No", which weights
    even out.
    """
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(n, n_layers, d_model)) / np.sqrt(d_model)
    behavior, axis = (_unit(rng.normal(size=(n_layers, d_model))) for _ in range(2))
    behavior[[layer for layer in range(n_layers) if at is not None and layer != at]] = 0
    pair, weight, sign, label = np.arange(n), np.ones(n), np.zeros(n), [""] * n
    if kind == "choice":
        label = ["A" if s > 0 else "B" for s in rng.permutation(np.resize([1.0, -1.0], n))]
        given = np.array([1.0 if letter == "A" else -1.0 for letter in label])
        pair, weight, sign = np.repeat(pair, 2), np.full(2 * n, 0.5), np.stack([given, -given], axis=1).ravel()
    if kind == "words":
        sign = rng.permutation(np.where(np.arange(n) < 0.6 * n, 1.0, -1.0))
        label = ["No" if s > 0 else "Yes" for s in sign]
        weight = np.where(sign > 0, n / 2 / (sign > 0).sum(), n / 2 / (sign < 0).sum())
    difference = (noise + signal * behavior)[pair] + letter * sign[:, None, None] * axis
    if kind == "choice":
        # Both orders of one pair differ a little beyond the letter.
        difference = difference + 0.3 * rng.normal(size=difference.shape) / np.sqrt(d_model)
    return PairDifferences(
        difference.astype(np.float32), pair, weight, sign, np.full(n_layers, 10.0), texts(n, rng, label)
    )


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture(scope="session")
def planted() -> Planted:
    """Makes differences; see `planted_pairs`."""
    return planted_pairs


@pytest.fixture(scope="session")
def retold() -> Callable[..., PairDifferences]:
    """The same differences with other texts: `retold(d, positive=[…])`."""

    def change(d: PairDifferences, **columns: Any) -> PairDifferences:
        return replace(d, pairs=d.pairs.assign(**columns))

    return change


@pytest.fixture(scope="session")
def flipped() -> Callable[..., PairDifferences]:
    """The same pairs, with the completions of some the wrong way round: `flipped(d, [3, 5])`."""

    def flip(d: PairDifferences, pairs: list[int]) -> PairDifferences:
        turned = np.where(np.isin(d.pair, pairs), -1, 1).astype(np.float32)
        return replace(d, difference=d.difference * turned[:, None, None])

    return flip
