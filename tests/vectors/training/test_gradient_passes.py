"""Passes with gradients: the numbers of one text at a time, and each vector's own gradient."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

from planted import choice_pairs
from slow_training import pair_log_probs, pushed_by, unpushed
from tiny import CONFIGS, tiny
from trimtab.engines import Model
from trimtab.engines.transformers.engine import TransformersEngine
from trimtab.engines.transformers.training.gradient_passes import StaircasePasses
from trimtab.errors import SettingError
from trimtab.models import Backbone, EncodedPair, Text
from trimtab.vectors.training import TrainingItem, TrainingPart, add

LAYERS = (0, 1, 3)
UNEVEN = choice_pairs(5)


def encoded(backbone: Backbone, count: int = 4) -> list[EncodedPair]:
    """Pairs of uneven lengths; their completions too."""
    found = []
    for number, pair in enumerate(Model(backbone).encode(UNEVEN[:count], "choice")):
        tail = tuple(40 + number + i for i in range(number))
        found.append(EncodedPair(pair.id, pair.positive + tail, pair.negative, pair.prompt_length, pair.shared))
    return found


def items_of(pairs: list[EncodedPair]) -> list[TrainingItem]:
    return [
        TrainingItem(
            tuple(Text(text, pair.prompt_length) for text in (pair.positive, pair.negative)), pair.prompt_length
        )
        for pair in pairs
    ]


def passes_of(backbone: Backbone, pairs: list[EncodedPair], positions: str = "all", **options: Any) -> StaircasePasses:
    engine = TransformersEngine(backbone, **options)
    return engine.gradient_passes(items_of(pairs), positions, False, nullcontext())


def drawn(backbone: Backbone, layers: tuple[int, ...] = LAYERS) -> Tensor:
    random = torch.Generator().manual_seed(3)
    return torch.randn(len(layers), backbone.facts.width, generator=random, requires_grad=False) * 0.5


def hooks_of(model: torch.nn.Module) -> list[list[int]]:
    return [[*module._forward_hooks, *module._forward_pre_hooks] for module in model.modules()]


def with_gradient(
    passes: StaircasePasses, items: tuple[int, ...], layers: tuple[int, ...], vectors: Tensor
) -> tuple[Tensor, Tensor]:
    """Log-probabilities under +v and −v, and the gradient of a sum in which every one of them counts differently."""
    free = vectors.clone().requires_grad_()
    found = passes.log_probs(TrainingPart(items, layers), free, (add(1.0), add(-1.0)))
    counts = torch.linspace(0.5, 1.5, found[0].numel()).view_as(found[0])
    (gradient,) = torch.autograd.grad((found * counts).sum(), free)
    return found.detach(), gradient


FIRST_PUSHED = {"all": lambda pair: 1, "after_prompt": lambda pair: pair.prompt_length - 1}
"""The first token that is pushed at some positions."""


@pytest.mark.parametrize("positions", sorted(FIRST_PUSHED))
@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_numbers_and_gradients_are_those_of_one_text_at_a_time(family: str, positions: str) -> None:
    backbone, first = tiny(family), FIRST_PUSHED[positions]
    pairs, vectors = encoded(backbone, 3), drawn(backbone, (1, 3))
    found, gradient = with_gradient(passes_of(backbone, pairs, positions), (0, 1, 2), (1, 3), vectors)
    counts = torch.linspace(0.5, 1.5, found[0].numel()).view_as(found[0])
    for row, layer in enumerate((1, 3)):
        free = vectors[row].clone().requires_grad_()
        ways = [
            torch.cat([torch.cat(pair_log_probs(backbone, p, layer, pushed_by(free, sign), first(p))) for p in pairs])
            for sign in (1.0, -1.0)
        ]
        expected = torch.stack(ways)
        (slope,) = torch.autograd.grad((expected * counts).sum(), free)
        assert torch.allclose(found[row], expected, atol=1e-4)
        assert torch.allclose(gradient[row], slope, atol=1e-4 * float(slope.abs().max()) + 1e-5)


@pytest.mark.parametrize("positions", ["all", "after_prompt", "generated", "after:2"])
def test_gradients_are_those_of_finite_differences(positions: str) -> None:
    backbone = tiny("llama")
    pairs, vectors = encoded(backbone), drawn(backbone)
    passes, items = passes_of(backbone, pairs, positions), (0, 1, 2, 3)
    found, gradient = with_gradient(passes, items, LAYERS, vectors)
    counts = torch.linspace(0.5, 1.5, found[0].numel()).view_as(found[0])
    way, step = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(8)), 5e-3
    sides = [
        passes.log_probs(TrainingPart(items, LAYERS), vectors + side * step * way, (add(1.0), add(-1.0)))
        for side in (1, -1)
    ]
    slopes = ((sides[0].double() - sides[1].double()) * counts).sum((1, 2)) / (2 * step)
    assert torch.allclose((gradient * way).sum(1).double(), slopes, rtol=5e-3, atol=5e-3)


@pytest.mark.parametrize("positions", ["all", "after_prompt"])
def test_a_layer_alone_has_the_numbers_and_the_gradient_that_it_has_in_the_staircase(positions: str) -> None:
    backbone = tiny("llama")
    pairs, vectors, items = encoded(backbone), drawn(backbone), (0, 1, 2, 3)
    found, gradient = with_gradient(passes_of(backbone, pairs, positions), items, LAYERS, vectors)
    for row, layer in enumerate(LAYERS):
        apart = passes_of(backbone, pairs, positions)
        alone, slope = with_gradient(apart, items, (layer,), vectors[row : row + 1])
        assert torch.allclose(alone[0], found[row], atol=1e-5)
        assert torch.allclose(slope[0], gradient[row], atol=1e-5)


def test_beginnings_that_no_push_reaches_are_run_once_and_no_step_runs_them_again() -> None:
    backbone = tiny("llama")
    pairs, items = encoded(backbone), (0, 1, 2, 3)
    (whole,), (behind,) = (
        passes_of(backbone, pairs, positions).prepared(items, LAYERS) for positions in ("all", "after_prompt")
    )
    beginning = behind.unsteered.beginning
    assert beginning is not None
    rest = sum(len(p.positive) + len(p.negative) - 2 * p.prompt_length for p in pairs)
    assert behind.unsteered.batch.ids.numel() <= rest < whole.unsteered.batch.ids.numel()
    assert behind.unsteered.batch.ids.shape[1] + beginning.length == whole.unsteered.batch.ids.shape[1] + 1
    assert not any(part.requires_grad for part in (*beginning.keys, *beginning.values))


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "qwen3_5"])
@pytest.mark.parametrize("mode", ["padded", "alone"])
def test_packing_padding_and_company_change_nothing(family: str, mode: Any) -> None:
    backbone = tiny(family)
    pairs, vectors = encoded(backbone), drawn(backbone)
    found, gradient = with_gradient(passes_of(backbone, pairs, fastest=mode), (0, 1, 2, 3), LAYERS, vectors)
    apart = passes_of(backbone, pairs)
    parts = [with_gradient_of(apart, (item,), vectors, found, pairs) for item in range(4)]
    assert torch.allclose(torch.cat([part for part, _ in parts], dim=2), found, atol=1e-4)
    summed = torch.stack([slope for _, slope in parts]).sum(0)
    assert torch.allclose(summed, gradient, atol=1e-4 * float(gradient.abs().max()) + 1e-5)


def with_gradient_of(
    passes: StaircasePasses, items: tuple[int, ...], vectors: Tensor, whole: Tensor, pairs: list[EncodedPair]
) -> tuple[Tensor, Tensor]:
    """Of some items, weighted as in the whole."""
    lengths = [len(p.positive) + len(p.negative) - 2 * p.prompt_length for p in pairs]
    start = sum(lengths[: items[0]])
    counts = torch.linspace(0.5, 1.5, whole[0].numel()).view_as(whole[0])[:, start : start + lengths[items[0]]]
    free = vectors.clone().requires_grad_()
    found = passes.log_probs(TrainingPart(items, LAYERS), free, (add(1.0), add(-1.0)))
    return found.detach(), torch.autograd.grad((found * counts).sum(), free)[0]


def test_parts_that_fit_into_memory_give_what_the_whole_gives() -> None:
    backbone = tiny("llama")
    pairs, vectors, items = encoded(backbone), drawn(backbone), (0, 1, 2, 3)
    whole, _ = with_gradient(passes_of(backbone, pairs), items, LAYERS, vectors)
    small = passes_of(backbone, pairs, memory_bytes=1 << 20)
    parts = small.parts(items, LAYERS, 2)
    assert len(parts) > 1
    tokens = [len(p.positive) + len(p.negative) - 2 * p.prompt_length for p in pairs]
    starts = [sum(tokens[:i]) for i in range(5)]
    for part in parts:
        rows = [LAYERS.index(layer) for layer in part.layers]
        found, _ = with_gradient(small, part.items, part.layers, vectors[rows])
        columns = torch.cat([torch.arange(starts[i], starts[i + 1]) for i in part.items])
        assert torch.allclose(found, whole[rows][:, :, columns], atol=1e-5)
    covered = sorted((item, layer) for part in parts for item in part.items for layer in part.layers)
    assert covered == sorted((item, layer) for item in items for layer in LAYERS)


def test_the_unsteered_numbers_are_those_of_the_plain_model() -> None:
    backbone = tiny("llama")
    pairs = encoded(backbone)
    expected = torch.cat([torch.cat(pair_log_probs(backbone, pair, 0, unpushed)) for pair in pairs[1:3]])
    assert torch.allclose(passes_of(backbone, pairs).unsteered((1, 2)), expected, atol=1e-4)


def test_a_model_that_cannot_begin_in_the_middle_takes_a_pass_for_each_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tiny("llama")
    pairs, vectors, items = encoded(backbone), drawn(backbone), (0, 1, 2, 3)
    expected, slope = with_gradient(passes_of(backbone, pairs), items, LAYERS, vectors)
    monkeypatch.setattr(
        "trimtab.engines.transformers.training.gradient_passes.steer_in_one_pass",
        lambda *_: (_ for _ in ()).throw(TypeError()),
    )
    with pytest.warns(match="each layer takes its own"):
        found, gradient = with_gradient(passes_of(backbone, pairs), items, LAYERS, vectors)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(gradient, slope, atol=1e-5)


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_it_was_found(fails: bool) -> None:
    backbone = tiny("llama")
    model = backbone.model
    before = hooks_of(model)
    model.train()
    for number, weight in enumerate(model.parameters()):
        weight.requires_grad_(number % 2 == 0)

    def push(states: Tensor, vector: Tensor) -> Tensor:
        if fails:
            raise ZeroDivisionError
        return states + vector

    try:
        passes = passes_of(backbone, encoded(backbone))
        free = drawn(backbone).requires_grad_()
        with pytest.raises(ZeroDivisionError) if fails else nullcontext():
            torch.autograd.grad(passes.log_probs(TrainingPart((0, 1), LAYERS), free, (push,)).sum(), free)
        assert all(weight.requires_grad == (number % 2 == 0) for number, weight in enumerate(model.parameters()))
        assert all(weight.grad is None for weight in model.parameters())
        assert all(module.training for module in model.modules())
        assert hooks_of(model) == before  # other tests of this process may have left some on the model that they share
    finally:
        model.eval().requires_grad_(False)


def test_positions_that_do_not_exist_are_refused() -> None:
    backbone = tiny("llama")
    with pytest.raises(SettingError, match="positions 'everywhere'"):
        TransformersEngine(backbone).gradient_passes([], "everywhere", False, nullcontext())
