"""Half splits: disjoint, even, stratified; and their cosine from inner products is that of the vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from trimtab.analysis.diagnosis._split_halves import draw_splits, split_cosines, stability

STRATA = np.repeat([1.0, -1.0, 0.0], [11, 6, 4])


def cosine(a, b):
    return a @ b / math.sqrt((a @ a) * (b @ b))


@pytest.mark.parametrize("pairs", [4, 10, 20, 21])
def test_sets_are_disjoint_and_of_one_size(pairs):
    first, second = draw_splits(STRATA, pairs, 50, np.random.default_rng(0))
    assert not (first * second).any()
    assert set((first + second).sum(1)) == {pairs}
    assert set(first.sum(1) - second.sum(1)) == {pairs % 2}


def test_every_stratum_is_spread_evenly():
    first, second = draw_splits(STRATA, len(STRATA), 50, np.random.default_rng(0))
    for stratum in (1, -1, 0):
        apart = (first - second)[:, stratum == STRATA].sum(1)
        assert np.abs(apart).max() <= 1


def test_a_few_pairs_of_the_whole_hold_the_strata_in_proportion():
    first, second = draw_splits(np.repeat([1.0, -1.0], [30, 10]), 8, 50, np.random.default_rng(0))
    assert set((first + second)[:, :30].sum(1)) == {6}


def test_every_pair_comes_into_both_sets_sooner_or_later():
    first, second = draw_splits(STRATA, len(STRATA), 50, np.random.default_rng(0))
    assert first.any(axis=0).all()
    assert second.any(axis=0).all()


def test_cosines_and_their_jackknife_are_those_of_the_vectors_themselves():
    rng = np.random.default_rng(3)
    rows, weight = rng.normal(0.3, 1, (21, 7)), rng.uniform(0.5, 2, 21)
    splits = draw_splits(STRATA, 21, 5, rng)

    def mean_cosine(rows, weight):
        halves = [(weight * a @ rows, weight * b @ rows) for a, b in zip(*splits, strict=True)]
        return np.mean([cosine(a, b) for a, b in halves])

    np.testing.assert_allclose(split_cosines(rows @ rows.T, weight, splits).mean(), mean_cosine(rows, weight))
    without = []
    for left_out in range(21):
        kept = weight.copy()
        kept[left_out] = 0
        without.append(mean_cosine(rows, kept))
    error = math.sqrt(20 / 21 * sum((value - np.mean(without)) ** 2 for value in without))
    found = stability(rows @ rows.T, weight, splits)
    assert found.mean == pytest.approx(mean_cosine(rows, weight))
    assert found.low == pytest.approx(found.mean - 1.959964 * error)
    assert found.high == pytest.approx(min(1, found.mean + 1.959964 * error))
