"""Held-out examples on a vector: the planted layer is found, chance is called chance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import trimtab
from tiny import tiny, vector_for
from trimtab.analysis.projections import separation
from trimtab.data import PromptContrast, SetContrast
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.evaluation.projection import projected, projections
from trimtab.stats.detection import auroc_with_interval
from trimtab.vectors import extract, read_contrast
from trimtab.vectors.state_reading import prepare

QUESTIONS = [f"What do you think of number {i}?" for i in range(24)]
PERSONAS = PromptContrast.from_system_prompts(
    [("You are full of joy and sunshine.", "You are full of despair.")], QUESTIONS, name="joyful"
)
LISTS = SetContrast.from_texts(
    [f"{i} ways to bake a bright cake" for i in range(20)], [f"A dark dull day, number {i}" for i in range(16)],
    name="cakes",
)  # fmt: skip


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny("llama"))


@pytest.mark.parametrize("contrast", [PERSONAS, LISTS], ids=["prompts", "lists"])
def test_a_vector_tells_held_out_examples_apart(model: Model, contrast: PromptContrast | SetContrast) -> None:
    train, select, test = contrast.split(seed=0)
    found = trimtab.project(model, extract(model, train), select, test=test, progress=False)
    best = found.best()
    assert best.held_out
    assert best.examples == (len(test.positive), len(test.negative))
    assert best.auroc > 0.9
    assert best.interval[0] > 0.5
    assert "held-out examples" in str(best)
    assert set(found.samples["split"]) == {"select", "test"}
    assert f"{len(select.positive) + len(select.negative)} select" in repr(found)


def test_projections_are_along_the_unit_direction_in_units_of_the_stream(model: Model) -> None:
    vectors = extract(model, LISTS)
    states = read_contrast(model, LISTS)
    table = projections(states, vectors)
    layer, number = 2, 5
    state = states.negative.states[number, layer]
    expected = float(state @ vectors.direction[layer] / vectors.norm[layer] / vectors.require_residual_norm()[layer])
    row = table[(table["side"] == -1) & (table["layer"] == layer)].iloc[number]
    assert row["projection"] == pytest.approx(expected, rel=1e-5)
    # The difference of the means along the mean difference is its norm.
    means = table[table["layer"] == layer].groupby("side")["projection"].mean()
    apart = float(vectors.norm[layer] / vectors.require_residual_norm()[layer])
    assert means[1] - means[-1] == pytest.approx(apart, rel=1e-4)


@pytest.mark.parametrize("source", ["corrigible", "cheerful"])
def test_both_completions_of_a_pair_are_read_where_the_vector_was(model: Model, source: str) -> None:
    """Of a choice pair in both orders of its options, which count alike; the difference is that of the vector."""
    pairs = trimtab.dataset(source, limit=16)
    vectors = extract(model, pairs)
    table = projected(model, vectors, pairs, "select")
    assert len(table) == 2 * 16 * 4
    assert table.groupby("group")["side"].nunique().eq(2).all()
    shown = {(row.example, row.side, row.layer): row.projection for row in table.itertuples()}
    reading = prepare(model, pairs, "auto", "auto", "both_orders", 0)
    layer, pair = 2, pairs[3]
    unit = vectors.direction[layer] / vectors.norm[layer] / vectors.require_residual_norm()[layer]
    sums = [0.0, 0.0]
    for captured in model.capture(reading.encoded, reading.token_position):
        for row, index in enumerate(captured.indices):
            if (one := reading.presented[index]).pair.id == pair.id:
                sums[0] += one.weight * float(captured.positive[row, layer] @ unit)
                sums[1] += one.weight * float(captured.negative[row, layer] @ unit)
    assert [shown[pair.id, side, layer] for side in (1, -1)] == pytest.approx(sums, rel=1e-4)
    means = table[table["layer"] == layer].groupby("side")["projection"].mean()
    apart = float(vectors.norm[layer] / vectors.require_residual_norm()[layer])
    assert means[1] - means[-1] == pytest.approx(apart, rel=1e-3)


def test_pairs_are_swept_by_projection_too(model: Model) -> None:
    train, select, test = trimtab.dataset("cheerful", limit=24).split(seed=0)
    found = trimtab.project(model, extract(model, train), select, test=test, progress=False)
    assert found.best().held_out
    assert found.best().examples == (len(test), len(test))


def test_a_random_vector_is_not_shown_to_tell_them_apart() -> None:
    """Over many random directions the interval misses 0.5 about as seldom as it says."""
    random = np.random.default_rng(0)
    positive = np.repeat([True, False], [20, 16])
    misses = 0
    for trial in range(200):
        _, low, high = auroc_with_interval(random.normal(size=36), positive, list(range(36)), draws=400, seed=trial)
        misses += not low <= 0.5 <= high
    assert misses <= 25  # 10 are expected; a percentile interval of 36 examples is a little narrow


def test_pairs_are_resampled_as_wholes() -> None:
    """A question that lifts both of its sides moves no pair apart from itself; taken apart it would be noise."""
    random = np.random.default_rng(1)
    lift = random.normal(size=40) * 3
    score = np.concatenate([lift + 1, lift - 1])
    positive = np.repeat([True, False], 40)
    together = auroc_with_interval(score, positive, [*range(40), *range(40)], seed=0)
    apart = auroc_with_interval(score, positive, list(range(80)), seed=0)
    assert together[0] == apart[0]
    assert together[2] - together[1] < 0.6 * (apart[2] - apart[1])


def test_without_a_test_part_the_numbers_are_called_optimistic(model: Model) -> None:
    train, select, _ = PERSONAS.split(seed=0)
    found = trimtab.project(model, extract(model, train), select, progress=False)
    assert not found.best().held_out
    assert "optimistic" in str(found.best())


def test_the_same_examples_hold_nothing_out(model: Model) -> None:
    with pytest.raises(SettingError, match="none would be held out"):
        trimtab.project(model, vector_for(model.backbone), LISTS, test=LISTS)


def test_one_example_a_side_has_no_interval(model: Model) -> None:
    states = read_contrast(model, SetContrast.from_texts(["a cake"], ["a day"]))
    row = separation(projections(states, vector_for(model.backbone))).iloc[0]
    assert np.isnan(row["gap"])
    assert row["auroc"] in (0.0, 1.0)
    assert np.isnan(row["auroc_low"])
    assert torch.isfinite(states.mean).all()


def test_depth_is_that_of_every_other_table(model: Model) -> None:
    table = projections(read_contrast(model, LISTS), extract(model, LISTS)).drop_duplicates("layer")
    assert table["depth"].tolist() == [0.25, 0.5, 0.75, 1.0]


def test_two_lists_that_never_mix_are_no_more_evidence_than_the_shorter_one() -> None:
    def ends(n: int, m: int) -> tuple[float, float]:
        score, positive = np.arange(n + m, 0, -1.0), np.repeat([True, False], [n, m])
        return auroc_with_interval(score, positive, list(range(n + m)))[1:]

    assert ends(4, 200) == ends(4, 4)
    assert ends(4, 4)[0] < 0.55  # Wilson's, of 4 out of 4
    assert ends(40, 40)[0] > 0.9
    assert np.isnan(ends(1, 200)).all()
