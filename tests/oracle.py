"""The slow, obvious way: one row, no cache, no padding, token by token. What everything else is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor

from trimtab.models import Backbone, EncodedPair
from trimtab.steering import Intervention


def is_pushed(
    intervention: Intervention, position: int, prompt_length: int, tokens: Sequence[int] = (), vocabulary: Any = None
) -> bool:
    if position == 0 and not intervention.first_token:
        return False
    kind, _, numbers = intervention.positions.partition(":")
    if kind == "tokens":
        return position in [int(n) if int(n) >= 0 else prompt_length + int(n) for n in numbers.split(",")]
    predicted = position - prompt_length + 2  # number of the reply's token that is predicted here, from 1 on
    if numbers:
        return 1 <= predicted <= int(numbers) if kind == "first" else predicted > int(numbers)
    if kind in ("thinking", "response"):
        marks = {vocabulary["<think>"]: "thinking", vocabulary["</think>"]: "response"}
        before = [marks[token] for token in tokens[: position + 1] if token in marks]
        phase = before[-1] if before else "response" if position >= prompt_length else ""
        return predicted >= 1 and phase == kind
    return {
        "all": True,
        "prompt": position < prompt_length,
        "after_prompt": position >= prompt_length - 1,
        "generated": position >= prompt_length,
    }[intervention.positions]


def pushed(state: Tensor, layer: int, intervention: Intervention) -> Tensor:
    direction = intervention.directions[layer]
    alpha, axis = intervention.strength, direction / direction.norm()
    if intervention.scale == "raw":
        return state + alpha * direction
    if intervention.scale == "relative":
        return state + alpha * state.norm() * axis
    if intervention.scale == "rotate":
        turned = state + alpha * state.norm() * axis
        return state.norm() * turned / turned.norm()
    if intervention.scale == "project_out":
        return state - alpha * (state @ axis) * axis
    if intervention.scale == "cap":
        return state - max(float(state @ axis - alpha * direction.norm()), 0.0) * axis
    if intervention.scale == "floor":
        return state + max(float(alpha * direction.norm() - state @ axis), 0.0) * axis
    if intervention.scale == "affine":
        mean = intervention.statistics["negative_mean"][layer]
        return state - (state @ axis) * axis + (mean @ axis) * axis + alpha * direction
    if intervention.scale == "transport":
        slope, offset = (intervention.statistics[f"transport_{name}"][layer] for name in ("slope", "offset"))
        return (1 - alpha) * state + alpha * (slope * state + offset)
    assert intervention.scale == "clamp"
    return state - (state @ axis) * axis + alpha * direction


def pushed_by_all(state: Tensor, layer: int, pushes: Sequence[Intervention]) -> Tensor:
    """The state behind several pushes of a layer: neighbours that add are sums over one and the same state."""
    while pushes:
        adding = list(takewhile(lambda push: push.scale in ("raw", "relative"), pushes))
        state, pushes = (
            (state + sum(pushed(state, layer, push) - state for push in adding), pushes[len(adding) :])
            if adding
            else (pushed(state, layer, pushes[0]), pushes[1:])
        )
    return state


@torch.no_grad()
def forward(
    backbone: Backbone, tokens: Sequence[int], intervention: Intervention | None = None, prompt_length: int = 0
) -> tuple[Tensor, Tensor]:
    """Logits [tokens, vocabulary], and states behind every layer [n_layers, tokens, d_model] as steered."""
    states: list[Tensor] = []
    vocabulary = backbone.tokenizer.get_vocab() if intervention is not None else {}
    if backbone.name.endswith("dynamic"):
        backbone.model(torch.tensor([[1]]), use_cache=False)  # it remembers the longest text until a short one comes

    def steer_and_keep(module: object, args: object, output: Tensor | tuple[Tensor, ...]) -> object:
        hidden = (output if torch.is_tensor(output) else output[0]).clone()
        layer = len(states)
        here = [one for one in (intervention.parts() if intervention else ()) if layer in one.directions]
        for position in range(len(tokens) if here else 0):
            if is_pushed(here[0], position, prompt_length, tokens, vocabulary):  # all steer the same positions
                hidden[0, position] = pushed_by_all(hidden[0, position], layer, here)
        states.append(hidden[0])
        return hidden if torch.is_tensor(output) else (hidden, *output[1:])

    handles = [layer.register_forward_hook(steer_and_keep) for layer in backbone.anatomy.layers]
    try:
        logits = backbone.model(torch.tensor([list(tokens)]), use_cache=False).logits[0]
    finally:
        for handle in handles:
            handle.remove()
    return logits, torch.stack(states)


def score(backbone: Backbone, pair: EncodedPair, intervention: Intervention | None, scoring: str) -> float:
    """Logit difference, or difference of log-probabilities of the two completions (summed, or per token)."""
    if scoring == "choice":
        logits, _ = forward(backbone, pair.positive[: pair.shared], intervention, pair.prompt_length)
        return float(logits[-1, pair.positive[pair.shared]] - logits[-1, pair.negative[pair.shared]])
    total = 0.0
    for sign, text in ((1, pair.positive), (-1, pair.negative)):
        log_probs = forward(backbone, text[:-1], intervention, pair.prompt_length)[0].log_softmax(-1)
        tail = range(pair.prompt_length, len(text))
        found = sum(float(log_probs[i - 1, text[i]]) for i in tail)
        total += sign * (found / len(tail) if scoring == "text" else found)
    return total


def greedy(
    backbone: Backbone, prompt: Sequence[int], intervention: Intervention | None, new_tokens: int, *, stop: int = -1
) -> list[int]:
    """Greedy tokens after a prompt, the whole sequence run again for each."""
    tokens = list(prompt)
    for _ in range(new_tokens):
        tokens.append(int(forward(backbone, tokens, intervention, len(prompt))[0][-1].argmax()))
        if tokens[-1] == stop:
            break
    return tokens[len(prompt) :]
