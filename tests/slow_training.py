"""The oracle of trained vectors: one text a pass, a plain hook, torch's own gradients; nothing of trimtab's engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from trimtab.models import Backbone, EncodedPair

PushOne = Callable[[Tensor], Tensor]
"""States [tokens, d_model] of one text → pushed."""


@contextmanager
def _hooked(backbone: Backbone, layer: int, push: PushOne, first: int) -> Iterator[None]:
    def act(module: Any, args: Any, output: Any) -> Any:
        hidden = output if torch.is_tensor(output) else output[0]
        moved = torch.cat([hidden[:, :first], push(hidden[0, first:])[None]], dim=1)
        return moved if torch.is_tensor(output) else (moved, *output[1:])

    handle = backbone.anatomy.layers[layer].register_forward_hook(act)
    try:
        yield
    finally:
        handle.remove()


def text_log_probs(
    backbone: Backbone, tokens: Sequence[int], prompt_length: int, layer: int, push: PushOne, first: int = 1
) -> Tensor:
    """Log-probability of each token behind the prompt, by a call of the whole model on this text alone.

    Pushed are the tokens from `first` on; by default all but the first one, which is left as it is.
    """
    with _hooked(backbone, layer, push, first):
        logits = backbone.model(torch.tensor([list(tokens)]), use_cache=False).logits[0].float()
    behind = torch.tensor(list(tokens[prompt_length:]))
    return logits[prompt_length - 1 : -1].log_softmax(-1).gather(1, behind[:, None])[:, 0]


def pair_log_probs(
    backbone: Backbone, pair: EncodedPair, layer: int, push: PushOne, first: int = 1
) -> tuple[Tensor, Tensor]:
    """Of the positive and the negative completion, pushed from token `first` on."""
    texts = (pair.positive, pair.negative)
    positive, negative = (text_log_probs(backbone, text, pair.prompt_length, layer, push, first) for text in texts)
    return positive, negative


def unpushed(states: Tensor) -> Tensor:
    """No push."""
    return states


def pushed_by(vector: Tensor, factor: float = 1.0) -> PushOne:
    """h + factor·v."""
    return lambda states: states + factor * vector


def without(vector: Tensor) -> PushOne:
    """The direction removed."""
    return lambda states: states - torch.outer(states @ vector, vector) / vector.dot(vector)
