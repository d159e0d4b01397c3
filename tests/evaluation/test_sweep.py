"""A sweep in memory, on the bundled model."""

import pytest
import torch

from sweeps import score_rows
from trimtab.analysis import COLUMNS
from trimtab.data import Behavior, Pair, dataset, present
from trimtab.engines import Model, TransformersEngine
from trimtab.errors import SettingError, VectorError
from trimtab.evaluation import Sweep, sweep
from trimtab.models import Backbone
from trimtab.steering import steering
from trimtab.vectors import SteeringVector, extract


@pytest.fixture(scope="module")
def model(smol: Backbone) -> Model:
    return Model(smol)


@pytest.fixture(scope="module")
def parts() -> tuple[Behavior, Behavior, Behavior]:
    return dataset("cheerful", limit=24).split(seed=0)


@pytest.fixture(scope="module")
def vectors(model: Model, parts: tuple[Behavior, ...]) -> SteeringVector:
    return extract(model, parts[0])


@pytest.fixture(scope="module")
def swept(model: Model, vectors: SteeringVector, parts: tuple[Behavior, ...]) -> Sweep:
    return sweep(
        model, vectors, parts[1], test=parts[2], layers=[3, 14, 29], strengths=[-0.1, 0, 0.1], scale="relative"
    )


def test_one_row_for_each_prompt_and_cell(swept: Sweep, parts: tuple[Behavior, ...]) -> None:
    table = swept.samples
    assert tuple(table.columns) == COLUMNS
    assert len(table) == (len(parts[1]) + len(parts[2])) * (1 + 3 * 2)
    assert not table.duplicated(["split", "prompt_id", "layers", "strength"]).any()
    assert set(table.loc[table["split"] == "test", "prompt_id"]) == {p.id for p in parts[2]}


def test_every_score_is_what_hooks_give(
    swept: Sweep, model: Model, vectors: SteeringVector, parts: tuple[Behavior, ...]
) -> None:
    pairs = list(parts[2])
    encoded = model.encode(pairs, "text")
    engine = model.engine
    assert isinstance(engine, TransformersEngine)
    for layer, strength in ((3, -0.1), (29, 0.1)):
        cell = steering(vectors, layer, strength, scale="relative")
        expected = score_rows(engine, encoded, [cell] * len(pairs), "text")
        rows = swept.samples.query("split == 'test' and layer == @layer and strength == @strength").set_index(
            "prompt_id"
        )
        assert torch.allclose(
            torch.tensor(rows.loc[[p.id for p in pairs], "score"].to_numpy()).float(), expected, atol=1e-4
        )


def test_steering_cheerful_works_on_held_out_prompts(swept: Sweep) -> None:
    best = swept.best()
    assert best.held_out
    assert best.layer == 14
    assert best.glass_interval[0] > 0
    assert "held-out prompts" in str(best)


def test_numbers_from_the_choosing_prompts_are_labelled(
    model: Model, vectors: SteeringVector, parts: tuple[Behavior, ...]
) -> None:
    best = sweep(model, vectors, parts[1], layers=[14], strengths=[-0.1, 0.1], scale="relative").best()
    assert not best.held_out
    assert "optimistic" in str(best)


def test_choice_pairs_are_scored_in_both_orders(model: Model) -> None:
    behavior = dataset("corrigible")[:4]
    vectors = extract(model, behavior)
    table = sweep(model, vectors, behavior, layers=[12], strengths=[1]).samples
    assert sorted(table["order"].unique()) == [0, 1]
    assert len(table) == 2 * len(present(behavior, "choice"))
    by_order = table.pivot_table(index="prompt_id", columns="order", values="label", aggfunc="first")
    assert (by_order[0] != by_order[1]).all()


def test_answers_by_text_show_no_options(model: Model) -> None:
    behavior = dataset("corrigible")[:4]
    table = sweep(
        model, extract(model, behavior, form="text"), behavior, layers=[12], strengths=[1], scoring="text"
    ).samples
    assert set(table["scoring"]) == {"text"}
    assert set(table["order"]) == {0}


def test_text_sum_is_not_divided_by_length(model: Model, vectors: SteeringVector) -> None:
    behavior = dataset("concise")[:3]
    mean, total = (
        sweep(model, vectors, behavior, layers=[5], strengths=[1], scoring=how).samples["score"]
        for how in ("text", "text_sum")
    )
    # The positive completions are many times shorter: per token they are less likely, as a whole more.
    assert (mean < total).all()


def test_vectors_of_another_shape_are_refused(
    model: Model, vectors: SteeringVector, parts: tuple[Behavior, ...]
) -> None:
    narrow = SteeringVector(vectors.direction[:, :8], vectors.residual_norm, vectors.provenance)
    with pytest.raises(VectorError, match="needs"):
        sweep(model, narrow, parts[1])


def test_positions_that_cannot_matter_are_refused(model: Model) -> None:
    pair = Pair("x", "Do you like tea?", "Yes", "No", ("Yes", "No"), listed=False)
    behavior = Behavior("tea", (pair,))
    with pytest.warns(match="every pair"):
        vectors = extract(model, behavior)
    with pytest.warns(match="every pair"), pytest.raises(SettingError, match="no cell can change"):
        sweep(model, vectors, behavior, positions="generated")
