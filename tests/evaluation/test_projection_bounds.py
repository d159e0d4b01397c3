"""Bounds from percentiles of projections: as a plain loop finds them, and a cap there changes what is above."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import trimtab
from tiny import tiny, vector_for
from trimtab.data import PromptContrast, SetContrast
from trimtab.engines import Model
from trimtab.errors import DataError, SettingError, VectorError
from trimtab.evaluation import BoundSide, ProjectionBounds
from trimtab.evaluation.projection_bounds import BoundPosition
from trimtab.models import EncodedPair
from trimtab.vectors import SteeringVector, extract

LAYER = 1
PERSONAS = PromptContrast.from_system_prompts(
    [("You are full of joy.", "You are full of despair.")], [f"What of number {i}?" for i in range(8)], name="joyful"
)
RAW = SetContrast.from_texts(
    [f"{i} ways to bake a bright cake" for i in range(6)], [f"A dark dull day {i}" for i in range(4)], raw=True
)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny("llama"))


@pytest.fixture(scope="module")
def pairs() -> trimtab.Behavior:
    return trimtab.dataset("cheerful", limit=8)


@contextmanager
def entering(model: Model, layer: int) -> Iterator[list[Tensor]]:
    """The states that enter a layer, pass by pass: what the layer before has left, pushed or not."""
    seen: list[Tensor] = []
    backbone: Any = model.backbone
    block = backbone.anatomy.layers[layer]
    hook = block.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append((args[0] if args else kwargs["hidden_states"])[0].detach().clone()),
        with_kwargs=True,
    )
    try:
        yield seen
    finally:
        hook.remove()


def states(model: Model, texts: Sequence[Sequence[int]]) -> list[Tensor]:
    """States behind LAYER, each text run alone through the plain model."""
    backbone: Any = model.backbone
    with entering(model, LAYER + 1) as seen, torch.no_grad():
        for tokens in texts:
            backbone.model(torch.tensor([list(tokens)]))
    return seen


def along(vector: SteeringVector, state: Tensor) -> Tensor:
    """h·v̂ / ‖v‖ of each token, in float64."""
    direction = vector.direction[LAYER].double()
    return state.double() @ direction / direction.norm() ** 2


def looped(model: Model, vector: SteeringVector, encoded: Sequence[EncodedPair]) -> dict[BoundSide, list[Tensor]]:
    """Projections of the tokens behind each prompt."""
    texts: dict[BoundSide, list[tuple[int, ...]]] = {
        "positive": [one.positive for one in encoded],
        "negative": [one.negative for one in encoded],
    }
    return {
        side: [along(vector, state)[one.prompt_length :] for one, state in zip(encoded, states(model, of), strict=True)]
        for side, of in texts.items()
    }


@pytest.mark.parametrize("percentile", [0, 5, 25, 75, 100])
def test_percentiles_are_those_of_a_plain_loop_over_tokens(
    model: Model, pairs: trimtab.Behavior, percentile: float
) -> None:
    vector = extract(model, pairs)
    found = trimtab.projection_bounds(model, vector, pairs, token_position="each_token", progress=False)
    parts = looped(model, vector, model.encode(pairs, "text"))
    rows: dict[BoundSide, Any] = {side: torch.cat(ones).numpy() for side, ones in parts.items()}
    rows["both"] = np.concatenate(list(rows.values()))
    for side, values in rows.items():
        expected = np.percentile(values, percentile)
        assert found.at(percentile, side)[LAYER] == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_by_default_texts_are_read_where_the_vector_was(model: Model, pairs: trimtab.Behavior) -> None:
    vector = extract(model, pairs)
    found = trimtab.projection_bounds(model, vector, pairs, layers=[LAYER], progress=False)
    means = [float(one.mean()) for one in looped(model, vector, model.encode(pairs, "text"))["negative"]]
    assert found.token_position == "mean_completion"
    assert found.at(25, "negative") == {LAYER: pytest.approx(np.percentile(means, 25), rel=1e-4)}
    # Along a mean difference the means of the sides are one norm apart.
    assert float(found.positive.mean() - found.negative.mean()) == pytest.approx(1, rel=1e-4)


def test_choice_pairs_are_read_at_their_letters_in_both_orders(model: Model) -> None:
    choices = trimtab.dataset("corrigible", limit=8)
    vector = extract(model, choices)
    found = trimtab.projection_bounds(model, vector, choices, progress=False)
    assert found.token_position == "answer"
    assert len(found.positive) == len(found.negative) == 16
    assert (found.positive - found.negative).mean(0).tolist() == pytest.approx([1.0] * 4, rel=1e-3)


@pytest.mark.parametrize("token_position", ["auto", "each_token"])
def test_choice_pairs_are_shown_as_the_balance_says(model: Model, token_position: BoundPosition) -> None:
    choices = trimtab.dataset("corrigible", limit=8)
    vector = extract(model, choices, balance="off")
    found, other = (
        trimtab.projection_bounds(
            model, vector, choices, token_position=token_position, balance=balance, progress=False
        )
        for balance in ("off", "both_orders")
    )
    assert 2 * len(found.positive) == len(other.positive)
    assert 2 * len(found.negative) == len(other.negative)
    if token_position == "auto":
        assert len(found.positive) == len(choices)


def test_choice_pairs_can_be_read_by_text(model: Model) -> None:
    choices = trimtab.dataset("corrigible", limit=8)
    found = trimtab.projection_bounds(model, extract(model, choices), choices, form="text", progress=False)
    assert found.token_position == "mean_completion"


@pytest.mark.parametrize("scale", ["cap", "floor"])
def test_a_push_at_the_bound_changes_exactly_the_tokens_beyond_it(
    model: Model, pairs: trimtab.Behavior, scale: str
) -> None:
    vector = extract(model, pairs)
    found = trimtab.projection_bounds(model, vector, pairs, token_position="each_token", progress=False)
    bound = found.at(75, "positive")[LAYER]
    encoded = model.encode(pairs, "text")
    texts = [one.positive for one in encoded]
    plain = states(model, texts)
    with model.steer(vector, layer=LAYER, strength=bound, scale=scale):
        pushed = states(model, texts)
    moved = []
    for one, before, after in zip(encoded, plain, pushed, strict=True):
        changed = (before != after).any(-1)
        beyond = along(vector, before) > bound if scale == "cap" else along(vector, before) < bound
        beyond[0] = False  # the attention sink is never pushed unless asked for
        assert torch.equal(changed, beyond)
        assert along(vector, after)[changed].tolist() == pytest.approx([bound] * int(changed.sum()), rel=1e-4, abs=1e-4)
        moved.append(changed[one.prompt_length :])
    share = float(torch.cat(moved).float().mean())
    assert share == pytest.approx(0.25 if scale == "cap" else 0.75, abs=1.5 / len(torch.cat(moved)))


@pytest.mark.parametrize("contrast", [PERSONAS, RAW], ids=["prompts", "lists"])
def test_other_contrasts_have_a_row_for_each_example(model: Model, contrast: PromptContrast | SetContrast) -> None:
    vector = extract(model, contrast)
    found = trimtab.projection_bounds(model, vector, contrast, progress=False)
    assert (len(found.positive), len(found.negative)) == (len(contrast.positive), len(contrast.negative))
    apart = found.positive.mean(0) - found.negative.mean(0)
    assert apart.tolist() == pytest.approx([1.0] * 4, rel=1e-3)
    assert f"{len(contrast.positive)} positive" in repr(found)


def test_each_token_of_raw_texts_is_a_row_and_the_attention_sink_is_none(model: Model) -> None:
    vector = extract(model, RAW)
    found = trimtab.projection_bounds(model, vector, RAW, layers=[LAYER], token_position="each_token", progress=False)
    encoded = model.encode_examples(RAW.positive)
    expected = torch.cat([along(vector, state)[1:] for state in states(model, [one.tokens for one in encoded])])
    assert found.positive[:, 0].sort().values.tolist() == pytest.approx(expected.sort().values.tolist(), rel=1e-3)


def test_a_vector_that_was_taken_from_each_token_is_bounded_so(model: Model) -> None:
    vector = extract(model, RAW, token_position="each_token")
    found = trimtab.projection_bounds(model, vector, RAW, progress=False)
    assert found.token_position == "each_token"
    assert len(found.positive) > len(RAW.positive)


def test_progress_counts_the_texts(model: Model) -> None:
    counts: list[tuple[int, int]] = []
    trimtab.projection_bounds(
        model, vector_for(model.backbone), RAW, progress=lambda done, total: counts.append((done, total))
    )
    assert counts[-1] == (10, 10)


@pytest.mark.parametrize("percentile", [-1, 100.5, float("nan"), float("inf")])
def test_a_percentile_out_of_range_is_refused(percentile: float) -> None:
    rows = torch.zeros(2, 1)
    with pytest.raises(SettingError, match=r"percentile.*from 0 to 100"):
        ProjectionBounds("x", (0,), rows, rows, "last").at(percentile)


def test_an_unknown_side_is_refused_with_those_there_are() -> None:
    rows = torch.zeros(2, 1)
    with pytest.raises(SettingError, match=r"'left'.*positive, negative, both"):
        ProjectionBounds("x", (0,), rows, rows, "last").at(25, "left")  # type: ignore[arg-type]


def test_layers_that_the_vector_lacks_are_refused(model: Model) -> None:
    whole = vector_for(model.backbone)
    direction = whole.direction.clone()
    direction[2] = 0
    vector = SteeringVector(direction, whole.residual_norm, whole.provenance)
    with pytest.raises(SettingError, match="no direction at layer 2"):
        trimtab.projection_bounds(model, vector, RAW, layers=[2], progress=False)
    with pytest.raises(SettingError, match="no direction at layer 9"):
        trimtab.projection_bounds(model, vector, RAW, layers=[9], progress=False)
    with pytest.raises(SettingError, match="no layers are named"):
        trimtab.projection_bounds(model, vector, RAW, layers=[], progress=False)
    assert trimtab.projection_bounds(model, vector, RAW, progress=False).layers == (0, 1, 3)


def test_a_vector_of_another_model_is_refused(model: Model) -> None:
    with pytest.raises(VectorError, match="Make one from this model"):
        trimtab.projection_bounds(model, vector_for(model.backbone, layers=3), RAW, progress=False)


def test_places_that_the_data_lack_are_refused(model: Model, pairs: trimtab.Behavior) -> None:
    vector = vector_for(model.backbone)
    with pytest.raises(SettingError, match="mean_prompt"):
        trimtab.projection_bounds(model, vector, pairs, token_position="mean_prompt", progress=False)
    with pytest.raises(SettingError, match="each_token"):  # prompts alone have no completion
        trimtab.projection_bounds(model, vector, PERSONAS, token_position="each_token", progress=False)


def test_texts_of_one_side_alone_are_no_contrast() -> None:
    with pytest.raises(DataError, match="negative list is empty"):
        SetContrast.from_texts(["One text"], [], raw=True)
