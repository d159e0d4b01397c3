"""The loss of every trained method, against its formula on one text at a time; and what each is trained for."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from planted import choice_pairs, word_pairs
from slow_training import PushOne, pushed_by, text_log_probs, unpushed, without
from tiny import tiny
from trimtab.data import Behavior, Pair
from trimtab.engines import Model
from trimtab.models import Backbone, EncodedPair
from trimtab.vectors import AGGREGATIONS, extract
from trimtab.vectors.training import TrainedAggregation
from trimtab.vectors.training._training_steps import Training
from trimtab.vectors.training.trainer import begin

OPEN = Behavior("open", tuple(Pair(f"p{i}", f"w{3 * i} w{i}", f"w7 w9 w{i} w7", f"w7 w{i % 4} w13") for i in range(6)))
CHOICES = Behavior("choices", tuple(choice_pairs(4)))
WORDS = Behavior("words", tuple(word_pairs(["Yes", "No", "Yes", "No"])))
METHODS = [name for name in AGGREGATIONS.names() if AGGREGATIONS.get(name).trained]
LAYERS = (0, 2)

Scores = Callable[[PushOne], tuple[Tensor, Tensor]]
"""A push → log-probabilities of the tokens that count of the positive and of the negative completion."""


def ssv(at: Scores, v: Tensor, f: float) -> Tensor:
    return -at(pushed_by(v))[0].mean()


def one_shot(at: Scores, v: Tensor, f: float) -> Tensor:
    positive, negative = at(pushed_by(v))
    return -positive.sum() - (1 + 1e-6 - negative.exp()).log().sum()


def bipo(at: Scores, v: Tensor, f: float) -> Tensor:
    (p0, n0), losses = at(unpushed), []
    for d in (1.0, -1.0):
        p, n = at(pushed_by(v, d))
        logit = d * 0.1 * (p.sum() - p0.sum()) - d * 0.1 * (n.sum() - n0.sum())
        losses.append(softplus(-logit))
    return (losses[0] + losses[1]) / 2


def reps(at: Scores, v: Tensor, f: float) -> Tensor:
    (p0, n0), (p, n), (pr, nr) = at(unpushed), at(pushed_by(v, f)), at(without(v))
    more = max(float((n0.sum() - p0.sum()).detach()), 1.0)
    less = max(float((p0.sum() - n0.sum()).detach()), 1.0)
    up = more / len(p) * p.sum() - n.sum() / len(n)
    down = less / len(n) * nr.sum() - pr.sum() / len(p)
    return softplus(-up) + softplus(-down)


FORMULAS = {"ssv": ssv, "one_shot": one_shot, "bipo": bipo, "reps": reps}
PARTING = ("one_shot",)
"""Methods for which negative tokens count from where the completions part."""


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(tiny("llama"))


def scores_of(backbone: Backbone, pair: EncodedPair, layer: int, *, choice: bool, parting: bool) -> Scores:
    if choice:
        texts = [(pair.positive[: pair.shared + 1], pair.shared), (pair.negative[: pair.shared + 1], pair.shared)]
    else:
        start = pair.shared if parting else pair.prompt_length
        texts = [(pair.positive, pair.prompt_length), (pair.negative, start)]

    def at(push: PushOne) -> tuple[Tensor, Tensor]:
        positive, negative = (text_log_probs(backbone, text, start, layer, push) for text, start in texts)
        return positive, negative

    return at


def training_of(model: Model, behavior: Behavior, method: str, **settings: Any) -> Training:
    chosen = AGGREGATIONS.get(method)
    assert isinstance(chosen, TrainedAggregation)
    work = begin(model, behavior, chosen, LAYERS, {"held_back": 0.0, **settings}, "auto", "auto", "both_orders", 0)
    drawn = torch.randn(work.vectors.free.shape, generator=torch.Generator().manual_seed(1))
    work.vectors.free.data = 0.4 * drawn
    return work


@pytest.mark.parametrize("behavior", [OPEN, CHOICES, WORDS], ids=["texts", "choices", "words"])
@pytest.mark.parametrize("method", METHODS)
def test_loss_and_gradient_are_those_of_the_formula_on_one_text_at_a_time(
    model: Model, method: str, behavior: Behavior
) -> None:
    work = training_of(model, behavior, method, batch_size=3)
    rows = work.batches.batches[0]
    step = 5
    loss, gradient = work.gradient(rows, LAYERS, step)
    factor = work.method.factor_at(work.settings, random.Random(f"0 {step}").random())
    unit = work.vectors.unit
    for place, layer in enumerate(LAYERS):
        free = work.vectors.free.detach()[place].clone().requires_grad_()
        total = weight = torch.zeros(())
        for row in rows:
            at = scores_of(
                model.backbone,  # type: ignore[arg-type]
                work.reading.encoded[row], layer, choice=work.reading.form == "choice", parting=method in PARTING,
            )  # fmt: skip
            total = total + work.weights[row] * FORMULAS[method](at, free * unit[place], factor)
            weight = weight + work.weights[row]
        expected = total / weight
        (slope,) = torch.autograd.grad(expected, free)
        assert float(loss[place]) == pytest.approx(float(expected.detach()), rel=1e-4)
        assert torch.allclose(gradient[place], slope, atol=2e-4 * float(slope.abs().max()) + 1e-6)


every_method = pytest.mark.parametrize("method", METHODS)


def preference(model: Model, vector: Any, layer: int, factor: float) -> float:
    """Mean log-probability of positive minus negative completions of the open pairs."""
    push, found = pushed_by(vector.direction[layer], factor), []
    for pair in model.encode(OPEN.pairs, "text"):
        positive, negative = scores_of(model.backbone, pair, layer, choice=False, parting=False)(push)  # type: ignore[arg-type]
        found.append(positive.sum() - negative.sum())
    return float(torch.stack(found).mean().detach())


@every_method
def test_training_makes_the_loss_smaller(model: Model, method: str) -> None:
    with pytest.warns(match="held back"):
        vector = extract(model, OPEN, method=method, training={"steps": 16}, progress=False)
    made = vector.provenance.training
    assert made is not None
    work = training_of(model, OPEN, method)
    work.vectors.free.data = vector.direction[list(LAYERS)] / work.vectors.unit
    after = work.loss(work.decides, LAYERS).tolist()
    assert all(now < made.unsteered_loss for now in after)


@every_method
def test_one_layer_alone_is_the_same_layer_of_the_staircase(model: Model, method: str) -> None:
    options: Any = {"method": method, "training": {"steps": 5}, "progress": False, "seed": 2}
    with pytest.warns(match="held back"):
        whole, alone = extract(model, CHOICES, **options), extract(model, CHOICES, layers=[1], **options)
    assert torch.allclose(alone.direction[1], whole.direction[1], atol=1e-5)


@pytest.mark.parametrize("method", ["bipo", "one_shot", "reps"])
def test_pushing_along_the_vector_makes_the_positive_completions_preferred(model: Model, method: str) -> None:
    with pytest.warns(match="held back"):
        vector = extract(model, OPEN, method=method, training={"steps": 24}, layers=[2], progress=False)
    assert preference(model, vector, 2, 1.0) > preference(model, vector, 2, 0.0) + 0.5


def test_bipo_is_trained_for_the_opposite_direction_too(model: Model) -> None:
    with pytest.warns(match="held back"):
        vector = extract(model, OPEN, method="bipo", training={"steps": 24}, layers=[2], progress=False)
    assert preference(model, vector, 2, -1.0) < preference(model, vector, 2, 0.0) - 0.5


def test_one_pair_is_enough_for_one_shot_which_stops_at_its_target(model: Model) -> None:
    before = training_of(model, Behavior("one", OPEN.pairs[:1]), "one_shot", suppression=0.0)
    target = 0.8 * float(before.loss((0,), (2,), steered=False))
    training = {"steps": 100, "norm_bound": 1.0, "suppression": 0.0, "target_loss": target}
    with pytest.warns(match="none of the 1 pairs is held back"):
        vector = extract(model, Behavior("one", OPEN.pairs[:1]), method="one_shot", training=training, progress=False)
    made = vector.provenance.training
    assert made is not None
    assert all("is low enough" in reason for reason in made.stopped.values())
    assert len(made.stopped) == 4
    (pair,) = model.encode(OPEN.pairs[:1], "text")
    for layer in range(4):
        at = scores_of(model.backbone, pair, layer, choice=False, parting=True)  # type: ignore[arg-type]
        assert float(-at(pushed_by(vector.direction[layer]))[0].sum()) < target
        assert len(made.loss[layer]) < 100


def test_suppression_makes_the_negative_completion_less_likely_than_promotion_alone_does(model: Model) -> None:
    found = []
    for weight in (0.0, 20.0):
        training = {"steps": 40, "norm_bound": 1.0, "suppression": weight, "target_loss": -1.0}
        with pytest.warns(match="held back"):
            vector = extract(model, CHOICES, method="one_shot", training=training, layers=[1], progress=False)
        (pair,) = model.encode(CHOICES.pairs[:1], "choice")
        at = scores_of(model.backbone, pair, 1, choice=True, parting=False)  # type: ignore[arg-type]
        found.append(float(at(pushed_by(vector.direction[1]))[1]))
    assert found[1] < found[0]


def test_every_trained_method_says_where_it_comes_from_and_the_docs_have_a_row_for_it() -> None:
    docs = Path(__file__).parents[3] / "docs"
    for name in METHODS:
        method = AGGREGATIONS.get(name)
        assert method.name == name
        assert "25" in method.source or "24" in method.source
        assert f"| `{name}` |" in (docs / "choosing.md").read_text(encoding="utf-8")
