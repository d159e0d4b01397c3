"""Paired tests of signs: by flipping them, corrected for the number of cells tried, and by counting rises."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.stats.bootstrap import Array

FLIPS = 10_000
"""Random sign patterns; with 13 prompts or fewer all patterns are tried instead, and p is exact."""
BLOCK = 2_000_000
"""Numbers in one block of sign patterns; bounds the memory however many prompts there are."""


def sign_flip(difference: Array, weight: Array, *, flips: int = FLIPS, seed: int = 0) -> tuple[Array, Array]:
    """Two-sided p of each column's weighted mean against 0, alone and as one of all columns.

    If steering did nothing, each prompt's difference would be as likely with the other sign. The correction is the
    step-free max-T of Westfall and Young (1993, section 2.2): the share of patterns in which *any* column reaches
    this column's statistic. It keeps the chance of one false finding in the family at the stated rate, and loses
    little where neighbouring layers go together.

    Args:
        difference: [n_prompts, n_cells]; NaN where a prompt was not measured in a cell, which then does without it.
        weight: Weight of each prompt: [n_prompts].
        flips: Random patterns.
        seed: Of the patterns; the same for all cells.

    Returns:
        p and family-wise p: [n_cells] each. NaN for a cell without any prompt, 1 where nothing moved.
    """
    known = np.isfinite(difference)
    parts = np.where(known, difference, 0.0) * weight[:, None]
    length = np.sqrt((parts**2).sum(axis=0))
    parts = parts / np.where(length > 0, length, 1.0)
    observed = np.abs(parts.sum(axis=0)) - 1e-9  # rounding must not make a pattern beat itself
    alone, together, patterns = np.zeros(parts.shape[1]), np.zeros(parts.shape[1]), 0
    exact = 2 ** len(weight) <= flips
    for signs in _all_signs(len(weight)) if exact else _random_signs(len(weight), flips, seed):
        statistic = np.abs(signs @ parts)
        alone += (statistic >= observed).sum(axis=0)
        together += (statistic.max(axis=1)[:, None] >= observed).sum(axis=0)
        patterns += len(signs)
    # The data themselves are one of the patterns: all patterns hold them, random ones are counted with them.
    extra = 0 if exact else 1
    p, adjusted = ((hits + extra) / (patterns + extra) for hits in (alone, together))
    measured = known.any(axis=0)
    return np.where(measured, p, np.nan), np.where(measured, adjusted, np.nan)


def sign_test(differences: pd.Series[float]) -> float:
    """Exact two-sided p of the number of rises among the prompts that change; 1 where none does."""
    changed = differences[differences.notna() & (differences != 0)]
    n, rises = len(changed), int((changed > 0).sum())
    tail = sum(math.comb(n, k) for k in range(min(rises, n - rises) + 1)) / 2**n
    return float(min(1.0, 2 * tail))


def _all_signs(n: int) -> Iterator[Array]:
    """Every pattern once."""
    yield _signs((np.arange(2**n)[:, None] >> np.arange(n)) & 1)


def _random_signs(n: int, flips: int, seed: int) -> Iterator[Array]:
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // n)
    for start in range(0, flips, block):
        yield _signs(rng.integers(2, size=(min(block, flips - start), n)))


def _signs(bits: NDArray[np.int64]) -> Array:
    return np.asarray(1 - 2 * bits, dtype=np.float64)
