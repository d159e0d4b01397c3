"""The model in the user's hand."""

import gc
import weakref

import pytest
import torch

from tiny import tiny_model, tiny_tokenizer
from trimtab.data import dataset
from trimtab.engines import Model, load
from trimtab.engines.transformers.packing.batches import Query
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.models import Backbone, wrap
from trimtab.steering import steering
from trimtab.vectors import SteeringVector, extract

QUESTION = "How was your day?"


@pytest.fixture(scope="module")
def model(smol: Backbone) -> Model:
    return Model(smol)


@pytest.fixture(scope="module")
def cheerful(model: Model) -> SteeringVector:
    return extract(model, dataset("cheerful")[:16])


def hooks(model: Model) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.backbone.model.modules())


def test_steering_changes_what_is_said_and_leaves_no_trace(model: Model, cheerful: SteeringVector) -> None:
    before, armed = model.chat(QUESTION, max_new_tokens=16), hooks(model)
    with model.steer(cheerful, layer=9, strength=0.3, scale="relative"):
        up = model.chat(QUESTION, max_new_tokens=16)
    with model.steer(cheerful, layer=9, strength=-0.3, scale="relative"):
        down = model.chat(QUESTION, max_new_tokens=16)
    assert len({before, up, down}) == 3
    assert model.chat(QUESTION, max_new_tokens=16) == before
    assert hooks(model) == armed


def test_strength_zero_says_the_same(model: Model, cheerful: SteeringVector) -> None:
    before = model.chat(QUESTION, max_new_tokens=12)
    with model.steer(cheerful, layer=[3, 9], strength=0.0):
        assert model.chat(QUESTION, max_new_tokens=12) == before


def test_an_error_inside_the_context_disarms_it_too(model: Model, cheerful: SteeringVector) -> None:
    armed = hooks(model)
    with pytest.raises(ZeroDivisionError), model.steer(cheerful, layer=9):
        _ = 1 / 0
    assert hooks(model) == armed
    model.capture(model.encode(dataset("cheerful")[:1].pairs, "text"), "last")  # not refused as "being steered"


def test_the_users_own_calls_of_the_model_are_steered_as_well(model: Model, cheerful: SteeringVector) -> None:
    ids = torch.tensor([[1, 5, 9, 30]])
    plain = model.backbone.model(ids).logits
    with model.steer(cheerful, layer=29, strength=0.2, scale="relative"):
        steered = model.backbone.model(ids).logits
    assert torch.equal(plain[0, 0], steered[0, 0])  # the first token is the attention sink and left alone
    assert not torch.allclose(plain[0, 1:], steered[0, 1:])


def test_each_prompt_may_have_its_own_intervention(model: Model, cheerful: SteeringVector) -> None:
    up = steering(cheerful, 9, 0.3, scale="relative")
    mixed = model.generate([QUESTION, QUESTION], interventions=[None, up], max_new_tokens=10)
    assert mixed[0] == model.chat(QUESTION, max_new_tokens=10)
    with model.steer(cheerful, layer=9, strength=0.3, scale="relative"):
        assert mixed[1] == model.chat(QUESTION, max_new_tokens=10)
    with pytest.raises(SettingError, match="2 prompts need as many"):
        model.generate([QUESTION, QUESTION], interventions=[up])


def test_a_layer_out_of_range_names_the_range(model: Model, cheerful: SteeringVector) -> None:
    with pytest.raises(SettingError, match="layers 0 to 29"), model.steer(cheerful, layer=30):
        pass


def test_in_half_precision_the_bundled_model_runs_as_fast_as_in_float32(smol: Backbone) -> None:
    """Probes of few tokens hang on single roundings where those are special tokens, as the first ids are."""
    half = load(dtype="bfloat16")
    queries = [Query((tuple(range(1, length)),), ((0, length - 2),), length - 1) for length in (60, 80)]
    assert half.engine.mode(queries, cells=True) == "packed"


def test_a_model_that_nobody_holds_any_more_is_freed() -> None:
    model = Model(wrap(tiny_model("llama"), tiny_tokenizer(), name="one of its own"))
    model.generate(["Hello"], max_new_tokens=2)
    weights = weakref.ref(model.backbone.model)
    del model
    gc.collect()
    assert weights() is None


def test_replies_that_nobody_reads_do_not_pass_for_steered_ones(model: Model, cheerful: SteeringVector) -> None:
    with (
        pytest.warns(TrimtabWarning, match="nothing was steered"),
        model.steer(cheerful, layer=1, strength=1.0),
    ):
        model.stream("Hello")
