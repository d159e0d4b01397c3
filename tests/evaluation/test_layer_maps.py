"""A wrong layer map is found out by steering, a right one is not accused, and what cannot be told is not decided."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from tiny import tiny_model, tiny_tokenizer
from trimtab.data import Behavior, Pair
from trimtab.engines import Model
from trimtab.errors import SettingError, VectorError
from trimtab.evaluation import check_layer_map
from trimtab.evaluation.layer_maps import EARLIER, LATER, STATED, compare_maps, judged
from trimtab.models import Backbone, wrap
from trimtab.vectors import SteeringVector, extract

LAYERS = 10

pytestmark = pytest.mark.filterwarnings("ignore:.*in every pair")
NAMES = [EARLIER, STATED, LATER]


@functools.cache
def model() -> Model:
    """Deep enough for a layer map to be tested."""
    return Model(wrap(tiny_model("llama", num_hidden_layers=LAYERS), tiny_tokenizer(), name="deep"))


def behavior(count: int = 12) -> Behavior:
    """Questions that are all answered alike, so that a direction toward one answer works for all of them."""
    asked = (f"Is {i * 37} a number?" for i in range(count))
    return Behavior("agrees", tuple(Pair(f"p{q}", q, "Yes", "No", ("Yes", "No"), listed=False) for q in asked))


@functools.cache
def gradients() -> Tensor:
    """At each layer the direction that raises the score most, [LAYERS, d_model]: right by construction."""
    backbone = cast(Backbone, model().backbone)
    found = torch.zeros(LAYERS, backbone.facts.width)
    modules = list(backbone.model.model.layers)
    for pair in model().encode([replace(p, prompt=f"Is it {p.prompt}") for p in behavior()], "choice"):
        states: list[Tensor] = []

        def hold(module: Any, given: Any, output: Any, states: list[Tensor] = states) -> Tensor:
            state = (output[0] if isinstance(output, tuple) else output).detach().requires_grad_()
            states.append(state)
            return state

        for layer, module in enumerate(modules):
            handle = module.register_forward_hook(hold)
            with torch.enable_grad():
                states.clear()
                tokens = torch.tensor([pair.positive[: pair.shared]])
                logits = backbone.model(tokens).logits[0, -1]
                score = logits[pair.positive[pair.shared]] - logits[pair.negative[pair.shared]]
                (slope,) = torch.autograd.grad(score, states[0])
            handle.remove()
            found[layer] += slope[0].mean(0)
    return found


def vector(rows: dict[int, Tensor]) -> SteeringVector:
    return SteeringVector.from_directions(rows, model=model(), name="agrees")


def test_a_right_map_is_supported() -> None:
    found = check_layer_map(model(), vector(dict(enumerate(gradients()))), behavior(), strength=0.05)
    assert found.supported == STATED
    assert "support the layer map as stated" in found.summary
    stated = dict(zip(NAMES, found.steering.effects, strict=True))[STATED]
    assert stated.low > 0
    assert found.prompts == 12
    assert len(found.layers) == LAYERS - 2


@pytest.mark.parametrize(("shift", "supported"), [(1, EARLIER), (-1, LATER)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_file_that_is_one_layer_off_is_caught_whichever_way_it_pushes(shift: int, supported: str, sign: int) -> None:
    rows = {layer + shift: sign * row for layer, row in enumerate(gradients()) if 0 <= layer + shift < LAYERS}
    found = check_layer_map(model(), vector(rows), behavior(), strength=0.05)
    assert found.supported == supported
    assert f"more effect {supported} than as stated" in found.summary


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_directions_without_an_effect_of_their_own_decide_nothing(seed: int) -> None:
    rows = torch.randn(LAYERS, model().facts.width, generator=torch.Generator().manual_seed(seed))
    found = check_layer_map(model(), vector(dict(enumerate(rows))), behavior(), strength=0.05)
    assert found.supported == ""
    assert "cannot tell" in found.summary


def test_the_same_direction_at_all_layers_decides_nothing() -> None:
    found = check_layer_map(model(), vector(dict.fromkeys(range(LAYERS), gradients()[5])), behavior())
    assert found.supported == ""
    assert all(one.mean == 0 for one in (*found.steering.differences, *found.reading.differences))


def test_too_few_neighbours_and_other_models_are_refused() -> None:
    with pytest.raises(SettingError, match="cannot be tested"):
        check_layer_map(model(), vector({3: gradients()[3]}), behavior())
    with pytest.raises(SettingError, match="strength"):
        check_layer_map(model(), vector(dict(enumerate(gradients()))), behavior(), strength=0)
    with pytest.raises(VectorError):
        check_layer_map(model(), SteeringVector.from_directions({1: [1.0, 2.0]}), behavior())


def several(start: int, count: int) -> Behavior:
    """Pairs whose sides differ in more than one token, so that states of neighbouring layers do, too."""
    chosen = tuple(
        Pair(f"s{i}", f"Say {i * 37}", f"Yes, {i} is fine", f"No, never {i}") for i in range(start, start + count)
    )
    return Behavior("agrees", chosen)


@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_a_difference_of_states_is_placed_by_reading(shift: int) -> None:
    made = extract(model(), several(0, 12), progress=False)
    rows = {layer + shift: row for layer, row in enumerate(made.direction) if 0 <= layer + shift < LAYERS}
    found = check_layer_map(model(), vector(rows), several(20, 12), strength=0.05)
    supported = {-1: LATER, 0: STATED, 1: EARLIER}[shift]
    assert found.reading.supported == supported
    assert found.supported == supported or found.steering.supported not in ("", supported)
    cosine = dict(zip(NAMES, found.reading.effects, strict=True))[supported].mean
    held_out = extract(model(), several(20, 12), progress=False).direction
    own = torch.cosine_similarity(held_out, made.direction, dim=-1)
    assert cosine == pytest.approx(float(own[list(found.layers)].mean()), abs=1e-5)


def test_steering_and_reading_that_contradict_each_other_decide_nothing() -> None:
    later, earlier = ({name: _effects(0)[name] + 9 * (name == best) for name in NAMES} for best in (LATER, EARLIER))
    found = judged(later, earlier, range(8), "both")
    assert (found.steering.supported, found.reading.supported, found.supported) == (LATER, EARLIER, "")
    assert f"most effect {LATER}" in found.summary
    assert judged(later, _effects(1), range(8), "one").supported == LATER


def _effects(seed: int, gain: float = 0.0) -> dict[str, np.ndarray]:
    """[prompts, layers] under each map: chance at each layer, and what LATER has more at all of them."""
    rng = np.random.default_rng(seed)
    layers = {name: rng.normal(size=(1, 8)) for name in NAMES}
    found = {name: rng.normal(scale=0.2, size=(24, 8)) + layers[name] for name in NAMES}
    found[LATER] = found[LATER] + gain
    return found


def test_chance_is_seldom_taken_for_a_layer_map() -> None:
    decided = [compare_maps(_effects(seed)).supported for seed in range(200)]
    assert sum(map(bool, decided)) <= 10


def test_a_gain_at_all_layers_is_found() -> None:
    decided = [compare_maps(_effects(seed, 3.0)).supported for seed in range(50)]
    assert decided.count(LATER) >= 45
    assert decided.count(STATED) == decided.count(EARLIER) == 0
