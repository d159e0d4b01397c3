"""A number that is not finite is never a result: what overflowed, where and in which format is said instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
import torch

from tiny import random_pairs, tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model
from trimtab.engines.requests import Request, Sampling
from trimtab.errors import ModelError, SettingError, VectorError
from trimtab.evaluation import Sweep
from trimtab.models import EncodedPair, Text, wrap
from trimtab.steering import Intervention, steering
from trimtab.vectors import SteeringVector

HOT = 200
"""A token whose states overflow in float16 behind layer 1; the few tokens tried at loading do not."""


def hot_model(dtype: torch.dtype) -> Model:
    made = tiny_model("llama")
    with torch.no_grad():
        made.model.embed_tokens.weight[HOT] = 65000.0
        made.model.layers[1].mlp.down_proj.weight *= 500
    return Model(wrap(made.to(dtype), tiny_tokenizer(), name="hot"))


@pytest.fixture(scope="module")
def hot() -> Model:
    return hot_model(torch.float16)


PAIR = EncodedPair("blazing", (5, HOT, 9, 12, 7), (5, HOT, 9, 12, 8), 4, 4)
FIRST = EncodedPair("blazing", (HOT, 5, 9, 12, 7), (HOT, 5, 9, 12, 8), 4, 4)
TEXT = Text((5, HOT, 9, 12), 2)


def cells(model: Model, strength: float) -> list[Intervention]:
    return [steering(vector_for(model.backbone), layer, strength, scale="raw") for layer in (1, 3)]


def relative_cells(model: Model) -> list[Intervention]:
    """Pushes that are as long as the states, however long these are."""
    return [steering(vector_for(model.backbone), layer, 1.0, scale="relative") for layer in (1, 3)]


ASKED: dict[str, Callable[[Model], Any]] = {
    "capture": lambda m: list(m.capture([*random_pairs(2, vocabulary=150), PAIR], "last")),
    "capture behind the first token": lambda m: list(m.capture([FIRST], "last")),
    "sweep": lambda m: list(m.score([PAIR], relative_cells(m), "choice")),
    "sweep by text": lambda m: list(m.score([PAIR], relative_cells(m), "text")),
    "follow": lambda m: list(m.score_texts([TEXT], relative_cells(m))),
    "states": lambda m: list(m.states([TEXT], [1, 2])),
}


@pytest.mark.parametrize("what", ASKED)
def test_states_that_overflow_are_an_error_naming_layer_dtype_and_remedy(what: str, hot: Model) -> None:
    with pytest.raises(ModelError, match=r"(blazing|text 1): .* hot behind layer 1 .* float16.* bfloat16 or"):
        ASKED[what](hot)


def test_a_push_onto_states_that_overflow_is_not_called_rounded_away(hot: Model) -> None:
    with pytest.raises(ModelError, match="hot behind layer 1"):
        list(hot.score([PAIR], cells(hot, 1.0), "choice"))


@pytest.mark.parametrize("what", ASKED)
def test_in_another_format_they_are_numbers(what: str) -> None:
    ASKED[what](hot_model(torch.bfloat16))


def test_the_norm_of_a_first_token_is_finite_or_an_error(hot: Model) -> None:
    with pytest.raises(ModelError, match=r"first token of hot behind layer 1"):
        hot.first_token_norm([FIRST])


@pytest.mark.parametrize("sampling", [None, Sampling(seed=0)])
def test_no_reply_is_written_from_logits_that_are_not_finite(hot: Model, sampling: Sampling | None) -> None:
    with pytest.raises(ModelError, match=r"logits of the next token are not finite.*float16"):
        list(hot.replies([Request((5, 6), sampling=sampling), Request((5, HOT, 9), sampling=sampling)]))


STEERED: dict[str, Callable[[Model, list[Intervention]], Any]] = {
    "sweep": lambda m, c: list(m.score(random_pairs(3), c, "choice")),
    "follow": lambda m, c: list(m.score_texts([Text((5, 6, 7), 1)], c)),
    "replies": lambda m, c: list(m.replies([Request((5, 6), c[0])])),
}


@pytest.mark.parametrize("what", STEERED)
def test_a_strength_that_makes_states_overflow_is_an_error_naming_the_setting(what: str) -> None:
    model = Model(wrap(tiny_model("llama").half(), tiny_tokenizer(), name="half"))
    with pytest.raises(SettingError, match=r"layer 1 with strength 1e\+06 \(raw\).*smaller strength"):
        STEERED[what](model, cells(model, 1e6))


def test_a_trial_text_that_overflows_is_no_unknown_architecture() -> None:
    made = tiny_model("llama")
    model = Model(wrap(made, tiny_tokenizer(), name="hot"))
    with torch.no_grad():
        made.model.layers[1].mlp.down_proj.weight *= 1e38
    with pytest.raises(ModelError, match="hot: the states of a short trial text are not finite in float32"):
        list(model.states([TEXT], [1]))


def overflowing_at_load(factor: float) -> Any:
    made = tiny_model("gemma3")
    with torch.no_grad():
        made.model.layers[2].post_feedforward_layernorm.weight += factor
    return made


def test_a_model_that_overflows_when_it_is_loaded_is_refused_in_words() -> None:
    with pytest.raises(ModelError, match=r"behind layer 2 are not finite.*65,504.*float16.*bfloat16 or float32"):
        wrap(overflowing_at_load(6e4).half(), tiny_tokenizer(), name="gemma")
    wrap(overflowing_at_load(6e4).bfloat16(), tiny_tokenizer(), name="gemma")


def test_a_weight_that_the_format_cannot_hold_is_named() -> None:
    with pytest.raises(ModelError, match=r"post_feedforward_layernorm\.weight of layer 2.*float16.*bfloat16"):
        wrap(overflowing_at_load(1e5).half(), tiny_tokenizer(), name="gemma")


def test_a_weight_that_is_no_number_is_named() -> None:
    made = tiny_model("llama")
    with torch.no_grad():
        made.model.layers[2].mlp.up_proj.weight[0, 0] = torch.nan
    with pytest.raises(ModelError, match=r"mlp\.up_proj\.weight of layer 2 holds NaN"):
        wrap(made, tiny_tokenizer(), name="broken")


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), 1e39])
def test_a_vector_that_is_not_finite_cannot_be_made(factor: float) -> None:
    with pytest.raises(VectorError, match="NaN or infinite"):
        vector_for(tiny("llama")) * factor


def test_norms_of_states_that_are_not_finite_make_no_vector() -> None:
    good = vector_for(tiny("llama"))
    with pytest.raises(VectorError, match="residual norms hold NaN"):
        SteeringVector(good.direction, good.require_residual_norm() * torch.nan, good.provenance)


def test_a_sweep_without_scores_has_no_best_cell_and_says_so() -> None:
    model = tiny("llama")
    from trimtab import sweep
    from trimtab.data import dataset

    done = sweep(Model(model), vector_for(model), dataset("cheerful").split((0.4, 0.3, 0.3), 0)[1][:3], layers="1")
    nothing = pd.DataFrame(done.samples).assign(score=float("nan"))
    with pytest.raises(SettingError, match="no cell of this sweep"):
        Sweep(nothing).best()
