"""Selection optimism: the largest of many values is too large by chance, and falls by that much on other prompts."""

from __future__ import annotations

import math

import numpy as np

from trimtab.stats.bootstrap import BLOCK, Array

PERMUTATIONS = 10_000


def fall(
    chosen: Array, reported: Array, optimism: float, *, weights: tuple[Array, Array] | None = None, seed: int = 0
) -> tuple[float, float]:
    """How much less a setting does on reported prompts than on those that chose it, beyond what choosing explains.

    Args:
        chosen: its effect on each prompt that chose, in the wanted direction.
        reported: the same on each prompt that it is reported on.
        optimism: what choosing adds to the mean of the first on average.
        weights: of the prompts, where they do not weigh alike.
        seed: of the permutations.

    Returns:
        The fall of the mean beyond the optimism, and its one-sided p: the share of 10,000 random ways of
        dealing the prompts out to the two sets that give as large a difference. NaN for fewer than two prompts in
        either, or an optimism that is not known.
    """
    here, there = np.isfinite(chosen), np.isfinite(reported)
    first, second = weights or (np.ones(len(chosen)), np.ones(len(reported)))
    a, b = chosen[here], reported[there]
    if min(len(a), len(b)) < 2 or not math.isfinite(optimism):
        return math.nan, math.nan
    # Choosing moves the chosen prompts' mean as a whole; without it the two sets are alike if nothing else differs.
    values = np.concatenate([a - optimism, b])
    weight = np.concatenate([first[here], second[there]])
    size = len(a)
    mean = np.average(values[:size], weights=weight[:size]) - np.average(values[size:], weights=weight[size:])
    at_least, ways = 1, 1
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // len(values))
    for start in range(0, PERMUTATIONS, block):
        some = min(block, PERMUTATIONS - start)
        order = np.argsort(rng.random((some, len(values))), axis=1)
        v, w = values[order], weight[order]
        left = (v[:, :size] * w[:, :size]).sum(1) / w[:, :size].sum(1)
        right = (v[:, size:] * w[:, size:]).sum(1) / w[:, size:].sum(1)
        at_least += int((left - right >= mean - 1e-12).sum())
        ways += some
    return float(mean), at_least / ways


def optimism_of(values: Array, weight: Array, counts: Array) -> float:
    """By how much the best column of a resample exceeds the same column on the prompts resampled from, on average.

    Efron & Gong 1983, section 7.

    Args:
        values: [n_prompts, n_columns], all known.
        weight: of each prompt.
        counts: how often each prompt is in each resample, [draws, n_prompts].
    """
    drawn = (counts * weight) @ values / (counts @ weight)[:, None]
    original = weight @ values / weight.sum()
    picked = drawn.argmax(axis=1)
    return float((drawn[np.arange(len(drawn)), picked] - original[picked]).mean())
