"""Dose: how far a push moves the model on neutral prompts, and strengths that move every layer alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import oracle
from tiny import tiny, vector_for
from trimtab.analysis import DOSE
from trimtab.data import BUILT_INS, NEUTRAL_PROMPTS
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation import Grid, calibrated, dose, neutral_texts
from trimtab.models import Backbone, Text
from trimtab.steering import Positions, SteeringSetting
from trimtab.vectors import extract

LAYERS = ((0,), (1, 2), (3,))


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny("llama"))


@pytest.fixture(scope="module")
def texts(model: Model) -> list[Text]:
    return neutral_texts(model, NEUTRAL_PROMPTS[:3], tokens=4)


def test_texts_are_what_the_unsteered_model_answers(model: Model, texts: list[Text]) -> None:
    for prompt, text in zip(NEUTRAL_PROMPTS, texts, strict=False):
        tokens = list(model.tokens(prompt))
        assert list(text.tokens[: text.prompt_length]) == tokens
        for token in text.tokens[text.prompt_length :]:
            logits, _ = oracle.forward(model.backbone, tokens)
            assert token == int(logits[-1].argmax())
            tokens.append(token)


def test_the_dose_is_the_mean_divergence_of_each_cell(model: Model, texts: list[Text]) -> None:
    vectors, grid = vector_for(model.backbone), Grid(LAYERS, (-0.3, 0.6), SteeringSetting("relative"))
    table = dose(model, vectors, grid, "any", texts)
    assert tuple(table.columns) == DOSE
    assert list(zip(table["layers"], table["strength"], strict=True))[:3] == [("0", -0.3), ("0", 0.6), ("1+2", -0.3)]
    for row, (_, cell) in zip(
        table.itertuples(), zip(grid.steered, grid.interventions(vectors), strict=True), strict=True
    ):
        expected = []
        for text in texts:
            plain, moved = (
                oracle.forward(model.backbone, text.tokens, c, text.prompt_length)[0].double().log_softmax(-1)
                for c in (None, cell)
            )
            behind = slice(text.prompt_length - 1, -1)
            expected.append(float((moved.exp() * (moved - plain)).sum(-1)[behind].mean()))
        assert row.kl == pytest.approx(np.mean(expected), abs=1e-4)


def test_strengths_are_told_relative_to_the_stream_and_in_units_of_the_vector(model: Model, texts: list[Text]) -> None:
    vectors = vector_for(model.backbone)
    ratio = (vectors.norm / vectors.require_residual_norm()).double()
    raw = dose(model, vectors, Grid(((1,),), (2.0,), SteeringSetting("raw")), "any", texts).iloc[0]
    assert (raw["relative"], raw["alpha"]) == pytest.approx((2 * float(ratio[1]), 2.0))
    relative = dose(model, vectors, Grid(((1,),), (0.5,), SteeringSetting("relative")), "any", texts).iloc[0]
    assert (relative["relative"], relative["alpha"]) == pytest.approx((0.5, 0.5 / float(ratio[1])))
    shared = Grid(((0, 1),), (0.5,), SteeringSetting("relative", share_strength=True, vector_layer=1))
    both = dose(model, vectors, shared, "any", texts).iloc[0]
    taken = float(vectors.norm[1]) / vectors.require_residual_norm()[:2].double()
    assert (both["relative"], both["alpha"]) == pytest.approx((0.25, float((0.25 / taken).mean())))
    turned = dose(model, vectors, Grid(((1,),), (0.5,), SteeringSetting("rotate")), "any", texts).iloc[0]
    assert np.isnan(turned["relative"])
    assert np.isnan(turned["alpha"])


@pytest.mark.parametrize("positions", ["all", "after_prompt", "generated"])
def test_calibrated_cells_move_the_model_by_what_was_asked(
    model: Model, texts: list[Text], positions: Positions
) -> None:
    vectors = vector_for(model.backbone)
    grid = calibrated(model, vectors, Grid(LAYERS, (-0.05, 0.02, 0.05), SteeringSetting("kl", positions)), texts)
    table = dose(model, vectors, grid, "any", texts)
    assert len(table) == len(LAYERS) * 3
    np.testing.assert_allclose(table["kl"], table["strength"].abs(), rtol=0.051)
    assert (np.sign(table["relative"]) == np.sign(table["strength"])).all()
    weaker, stronger = (table[table["strength"] == s].set_index("layers")["relative"] for s in (0.02, 0.05))
    assert (weaker < stronger).all()
    assert table["relative"].nunique() == len(table)  # each layer has a strength of its own


def test_a_calibrated_grid_pushes_relative_to_the_stream(model: Model, texts: list[Text]) -> None:
    vectors = vector_for(model.backbone)
    grid = calibrated(model, vectors, Grid(((1,),), (0.05,), SteeringSetting("kl")), texts)
    assert grid.alphas is not None
    (found,) = grid.interventions(vectors)
    assert (found.scale, found.strength) == ("relative", grid.alphas[(1,), 0.05])


def test_cells_that_no_push_moves_so_far_are_left_out_and_named(model: Model, texts: list[Text]) -> None:
    vectors = vector_for(model.backbone)
    # A push along what every token has already: nothing changes but the length, which the final norm takes back.
    states = _last_state(model, texts[0])
    still = replace(vectors, direction=torch.cat([vectors.direction[:-1], states[None]]))
    with pytest.warns(TrimtabWarning, match="layer 3 at 20"):
        grid = calibrated(model, still, Grid(((1,), (3,)), (0.05, 20.0), SteeringSetting("kl")), texts)
    assert ((1,), 0.05) in grid.steered
    assert ((3,), 20.0) not in grid.steered


def test_a_dose_that_no_cell_reaches_is_an_error(model: Model, texts: list[Text]) -> None:
    with pytest.raises(SettingError, match="ask for less"):
        calibrated(model, vector_for(model.backbone), Grid(((1,),), (500.0,), SteeringSetting("kl")), texts)


def test_a_grid_in_kl_wants_calibration_first(model: Model) -> None:
    with pytest.raises(SettingError, match="calibrated"):
        Grid(((1,),), (0.1,), SteeringSetting("kl")).interventions(vector_for(model.backbone))
    with pytest.raises(SettingError, match="not calibrated"):
        calibrated(model, vector_for(model.backbone), Grid(((1,),), (0.1,), SteeringSetting("raw")), [])


def test_no_neutral_prompt_belongs_to_a_behavior() -> None:
    asked = {pair.prompt for built_in in BUILT_INS.values() for pair in built_in.load()}
    assert asked.isdisjoint(NEUTRAL_PROMPTS)


def test_the_bundled_model_is_moved_alike_at_different_layers(smol: Backbone) -> None:
    model = Model(smol)
    texts = neutral_texts(model, NEUTRAL_PROMPTS[:3], tokens=4)
    vectors = extract(model, replace(BUILT_INS["cheerful"].load()[:6], part="train"))
    grid = calibrated(model, vectors, Grid(((9,), (20,)), (0.2,), SteeringSetting("kl")), texts)
    np.testing.assert_allclose(dose(model, vectors, grid, "any", texts)["kl"], 0.2, rtol=0.051)


def _last_state(model: Model, text: Text) -> torch.Tensor:
    _, states = oracle.forward(model.backbone, text.tokens)
    return states[-1][-1]
