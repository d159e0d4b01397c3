"""A loop with plain hooks on any transformers model: what an engine's numbers are compared with, format by format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

import trimtab as tt
from tiny import random_pairs, vector_for
from trimtab.models import EncodedPair, Text
from trimtab.steering import Intervention
from trimtab.vectors import SteeringVector

LAYERS = (0, 2, 3)


@torch.no_grad()
def states_of(model: Any, layers: Sequence[nn.Module], tokens: Sequence[int], device: str = "cpu") -> Tensor:
    """Output of every layer [layers, tokens, d_model], of a text alone."""
    seen: list[Tensor] = []
    handles = [
        layer.register_forward_hook(lambda m, a, o: seen.append((o if torch.is_tensor(o) else o[0])[0].float().cpu()))
        for layer in layers
    ]
    try:
        model(torch.tensor([list(tokens)], device=device), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(seen)


@torch.no_grad()
def logits_of(
    model: Any, layers: Sequence[nn.Module], tokens: Sequence[int], push: tuple[int, Tensor] | None, device: str = "cpu"
) -> Tensor:
    """Logits [tokens, vocabulary] with a vector added behind one layer, to all tokens but the first."""

    def steer(module: nn.Module, args: Any, output: Any) -> Any:
        assert push is not None
        hidden = (output if torch.is_tensor(output) else output[0]).clone()
        hidden[0, 1:] += push[1].to(hidden)
        return hidden if torch.is_tensor(output) else (hidden, *output[1:])

    handle = layers[push[0]].register_forward_hook(steer) if push else None
    try:
        return model(torch.tensor([list(tokens)], device=device), use_cache=False).logits[0].float().cpu()
    finally:
        if handle is not None:
            handle.remove()


def score_of(model: Any, layers: Sequence[nn.Module], pair: EncodedPair, push: tuple[int, Tensor] | None) -> float:
    """Mean log-probability per token of the positive completion less that of the negative one."""
    total = 0.0
    for sign, text in ((1, pair.positive), (-1, pair.negative)):
        log_probs = logits_of(model, layers, text[:-1], push).log_softmax(-1)
        tail = range(pair.prompt_length, len(text))
        total += sign * sum(float(log_probs[i - 1, text[i]]) for i in tail) / len(tail)
    return total


def require_the_same(loaded: tt.Model, model: Any, layers: Sequence[nn.Module], tolerance: float) -> None:
    """Extraction, states, a sweep and replies of a loaded model against a loop with hooks on the same object.

    Args:
        loaded: what is tested.
        model: the transformers model, or what stands around it.
        layers: its decoder layers, found by hand.
        tolerance: of states relative to their norm, and of scores; the rounding of the model's format.
    """
    pairs = random_pairs(4)
    for batch in loaded.capture(pairs, "last"):
        for place, index in enumerate(batch.indices):
            for found, text in ((batch.positive, pairs[index].positive), (batch.negative, pairs[index].negative)):
                _near(found[place], states_of(model, layers, text)[:, -1], tolerance)
    for index, states in loaded.states([Text(pairs[1].positive, 1)], range(len(layers))):
        assert index == 0
        _near(states, states_of(model, layers, pairs[1].positive)[:, 1:].transpose(0, 1), tolerance)
    source = torch.Generator().manual_seed(1)
    norm = float(states_of(model, layers, pairs[0].positive)[1].norm(dim=-1).mean())
    vectors = {layer: torch.randn(loaded.facts.width, generator=source) for layer in LAYERS}
    vectors = {layer: vector / vector.norm() * norm for layer, vector in vectors.items()}
    cells = [Intervention({layer: vector}, 1.0, "raw") for layer, vector in vectors.items()]
    expected = torch.tensor(
        [[score_of(model, layers, pair, push) for pair in pairs] for push in (None, *vectors.items())]
    )
    assert bool(((expected[1:] - expected[0]).abs().amax(1) > 5 * tolerance).all()), "nothing to see"
    for scored in loaded.score(pairs, cells, "text"):
        torch.testing.assert_close(scored.scores, expected[:, scored.indices], atol=4 * tolerance, rtol=0)
    _require_steered_passes(loaded, model, layers, pairs[0].positive, next(iter(vectors.items())), tolerance)


def _require_steered_passes(
    loaded: tt.Model,
    model: Any,
    layers: Sequence[nn.Module],
    tokens: Sequence[int],
    push: tuple[int, Tensor],
    tolerance: float,
) -> None:
    """The owner's own calls in a `steer` context."""
    made = vector_for(loaded.backbone, layers=loaded.facts.layers)
    direction = torch.zeros_like(made.direction)
    direction[push[0]] = push[1]
    vector = SteeringVector(direction, made.residual_norm, made.provenance)
    with loaded.steer(vector, layer=push[0], strength=1.0, scale="raw"), torch.no_grad():
        found = model(torch.tensor([list(tokens)]), use_cache=False).logits[0].float()
    expected = logits_of(model, layers, tokens, push)
    _near(found, expected, tolerance)
    assert float((found - logits_of(model, layers, tokens, None)).norm()) > 5 * tolerance * float(expected.norm())


def _near(found: Tensor, expected: Tensor, tolerance: float) -> None:
    error = (found - expected).norm(dim=-1) / expected.norm(dim=-1)
    assert float(error.max()) < tolerance
