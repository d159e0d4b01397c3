"""How well a score tells texts apart, against slow and other implementations; and whether its doubts are right."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from trimtab.stats.bootstrap import wilson
from trimtab.stats.detection import auroc, calibration_error, detection, reliability

Array = NDArray[np.float64]
Labels = NDArray[np.bool_]


def slow_auroc(score: Array, positive: Labels, weight: Array) -> float:
    """Every positive item against every negative one."""
    won = total = 0.0
    for i in np.flatnonzero(positive):
        for j in np.flatnonzero(~positive):
            total += weight[i] * weight[j]
            won += weight[i] * weight[j] * (1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0)
    return won / total


def slow_calibration_error(probability: Array, positive: Labels, weight: Array) -> float:
    total = 0.0
    for number in range(10):
        here = [i for i, p in enumerate(probability) if number <= 10 * p < number + 1 or (number == 9 and p == 1)]
        share = sum(weight[i] for i in here)
        if share:
            said = sum(weight[i] * probability[i] for i in here) / share
            so = sum(weight[i] * positive[i] for i in here) / share
            total += share / weight.sum() * abs(said - so)
    return total


def drawn(seed: int, n: int = 60, *, ties: bool = False) -> tuple[Array, Labels, Array]:
    rng = np.random.default_rng(seed)
    score = rng.normal(size=n)
    positive = rng.random(n) < 1 / (1 + np.exp(-score))
    return (score.round(0) if ties else score), positive, rng.random(n)


def pairs(lift: float, n: int, seed: int = 0) -> tuple[Array, Labels, list[int]]:
    """Scores of n pairs that share what their prompt is about; the positive one is higher by `lift` on average."""
    rng = np.random.default_rng(seed)
    topic = np.repeat(rng.normal(size=n), 2)
    positive = np.tile([True, False], n)
    return topic + rng.normal(size=2 * n) + lift * positive, positive, np.repeat(np.arange(n), 2).tolist()


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_auroc_is_the_share_of_comparisons_won(seed: int, ties: bool) -> None:
    from sklearn.metrics import roc_auc_score

    score, positive, weight = drawn(seed, ties=ties)
    assert auroc(score, positive, weight) == pytest.approx(slow_auroc(score, positive, weight))
    assert auroc(score, positive, weight) == pytest.approx(roc_auc_score(positive, score, sample_weight=weight))
    assert auroc(score, positive) == pytest.approx(roc_auc_score(positive, score))


def test_auroc_without_both_kinds_is_not_known() -> None:
    assert np.isnan(auroc(np.arange(3.0), np.ones(3, dtype=bool)))


@pytest.mark.parametrize("seed", range(5))
def test_calibration_error_is_the_mean_gap_of_the_bins(seed: int) -> None:
    score, positive, weight = drawn(seed)
    probability = np.append((1 / (1 + np.exp(-score)))[:-2], [0.0, 1.0])
    expected = slow_calibration_error(probability, positive, weight)
    assert calibration_error(probability, positive, weight) == pytest.approx(expected)


def test_reliability_says_what_is_so_where_it_says_so() -> None:
    probability = np.array([0.05, 0.07, 0.95, 0.96, 0.97, 1.0])
    table = reliability(probability, np.array([False, True, True, True, True, False]))
    assert table[["low", "high", "n"]].to_numpy().tolist() == [[0.0, 0.1, 2], [0.9, 1.0, 4]]
    assert table["predicted"].to_list() == pytest.approx([0.06, 0.97])
    assert table["observed"].to_list() == [0.5, 0.75]
    assert (table["observed_low"][1], table["observed_high"][1]) == wilson(3, 4)


def test_the_brier_score_of_saying_one_half_is_a_quarter() -> None:
    score, positive, group = pairs(1.0, 20)
    half = np.full(len(score), 0.5)
    found = detection(score, half, positive, group, np.ones(len(score)))
    assert (found.brier, found.accuracy, found.calibration_error) == (0.25, 0.5, 0.0)


def test_intervals_cover_as_often_as_they_say() -> None:
    """A simulation: pairs whose texts share their prompt's level; the truth from very many of them."""
    score, positive, _ = pairs(1.0, 20_000, seed=1)
    truth = auroc(score, positive)
    covered = 0
    for seed in range(200):
        score, positive, group = pairs(1.0, 40, seed=100 + seed)
        found = detection(score, np.full(80, 0.5), positive, group, np.ones(80), draws=300, independent=False)
        covered += found.auroc_low <= truth <= found.auroc_high
    assert 0.89 <= covered / 200 <= 0.985


def test_both_texts_of_a_prompt_are_resampled_together() -> None:
    """Where only the prompts differ, texts cannot be told apart whichever prompts are drawn."""
    topic = np.repeat(np.random.default_rng(0).normal(size=30), 2)
    positive, group = np.tile([True, False], 30), np.repeat(np.arange(30), 2).tolist()
    found = detection(topic, np.full(60, 0.5), positive, group, np.ones(60))
    assert (found.auroc, found.auroc_low, found.auroc_high) == pytest.approx((0.5, 0.5, 0.5))


def test_perfect_separation_of_few_prompts_is_no_certainty() -> None:
    positive, group = np.tile([True, False], 8), np.repeat(np.arange(8), 2).tolist()
    found = detection(positive * 1.0, positive * 1.0, positive, group, np.ones(16))
    assert (found.auroc, found.auroc_high) == (1.0, 1.0)
    assert found.auroc_low == pytest.approx(wilson(8, 8)[0])
    assert found.auroc_low < 0.7


def test_chance_is_told() -> None:
    score, positive, group = pairs(0.0, 30)
    found = detection(score, np.full(60, 0.5), positive, group, np.ones(60))
    assert not found.tells_apart
    assert "not shown to be better than chance" in found.remarks()[0]


def test_a_detector_that_is_wrong_more_often_than_not_is_told() -> None:
    score, positive, group = pairs(3.0, 30)
    found = detection(-score, np.full(60, 0.5), positive, group, np.ones(60))
    assert "wrong way round" in found.remarks()[0]


def test_probabilities_that_are_right_are_seldom_called_broken() -> None:
    broken = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        probability = rng.random(60)
        positive = rng.random(60) < probability
        found = detection(probability, probability, positive, list(range(60)), np.ones(60), draws=300, seed=seed)
        broken += not found.is_calibrated
    assert broken / 200 <= 0.09


@pytest.mark.parametrize(("stretch", "word"), [(6.0, "over-confident"), (0.1, "under-confident")])
def test_probabilities_that_are_off_are_called_broken(stretch: float, word: str) -> None:
    rng = np.random.default_rng(3)
    logit = rng.normal(size=200) * 2
    positive = rng.random(200) < 1 / (1 + np.exp(-logit))
    found = detection(logit, 1 / (1 + np.exp(-stretch * logit)), positive, list(range(200)), np.ones(200))
    assert not found.is_calibrated
    assert word in found.remarks()[0]


def test_tokens_of_one_text_have_no_limit_of_chance() -> None:
    score, positive, group = pairs(1.0, 20)
    found = detection(score, np.full(40, 0.9), positive, group, np.ones(40), independent=False)
    assert np.isnan(found.calibration_limit)
    assert found.is_calibrated
