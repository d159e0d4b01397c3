"""Dose and cost of an arm: nats from the plain model on neutral prompts, tokens and milliseconds a request."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trimtab.data import NEUTRAL_PROMPTS, Form, Pair
from trimtab.engines import Model, Request
from trimtab.evaluation.baselines.arms import THE_MODEL, Arm
from trimtab.evaluation.dose import neutral_texts
from trimtab.models import Backbone, Text

TIMED_PROMPTS, TIMED_TOKENS, TIMED_ROUNDS = 3, 8, 3
"""Requests that are timed: the first tokens of replies to a few prompts, several times over."""


@dataclass(frozen=True, eq=False)
class NeutralStates:
    """What the plain model says to neutral prompts: the states that decide about each token of its replies."""

    replies: tuple[tuple[str, tuple[int, ...]], ...]
    """(prompt, first tokens of the reply)."""
    plain: tuple[Tensor, ...]
    """Of each reply [tokens, d_model]."""


def neutral_states(model: Model, prompts: Sequence[str] = NEUTRAL_PROMPTS) -> NeutralStates:
    """Read what the plain model says to neutral prompts.

    Raises:
        SettingError: when the engine does not give states, or the model ends every reply at once.
    """
    replies = []
    for prompt in prompts:
        # Where the model ends at once there is no token to measure at.
        replies += [(prompt, text.tokens[text.prompt_length :]) for text in neutral_texts(model, [prompt])]
    texts = _texts(model, THE_MODEL, replies)
    return NeutralStates(tuple(replies), tuple(states[0] for states in _states(model, THE_MODEL, texts)))


def arm_dose(model: Model, arm: Arm, neutral: NeutralStates) -> float:
    """Mean KL divergence in nats of the arm's next-token distributions from the plain model's on neutral prompts.

    The replies are the plain model's; an arm that changes the prompt reads them behind its own. D(p ‖ q), p the arm's,
    q the plain model's, as `trimtab.evaluation.dose` has it for a push.

    Args:
        model: from `trimtab.load`.
        arm: what is done.
        neutral: from `neutral_states` of the same model, without what the arm changes of its weights.

    Raises:
        PromptError: when the model's template refuses what the arm asks.
    """
    backbone = model.backbone
    assert isinstance(backbone, Backbone), "engines without weights give no states"
    moved = _states(model, arm, _texts(model, arm, neutral.replies))
    found = [_divergence(backbone, states[-1], plain) for states, plain in zip(moved, neutral.plain, strict=True)]
    return sum(found) / len(found) if found else math.nan


def _texts(model: Model, arm: Arm, replies: Sequence[tuple[str, tuple[int, ...]]]) -> list[Text]:
    prompts = [model.prompt_tokens(arm.asked_one(Pair("neutral", prompt, "", "")), "text") for prompt, _ in replies]
    return [Text((*prompt, *reply), len(prompt)) for prompt, (_, reply) in zip(prompts, replies, strict=True)]


def _states(model: Model, arm: Arm, texts: Sequence[Text]) -> list[Tensor]:
    cells = [] if arm.push is None else [arm.push.intervention(model)]
    found = dict(model.final_states(texts, cells))
    return [found[index] for index in range(len(texts))]


@torch.no_grad()
def _divergence(backbone: Backbone, moved: Tensor, plain: Tensor) -> float:
    """Mean over the tokens of one reply: states [tokens, d_model] each."""
    p, q = (backbone.logits(states.to(backbone.device)).float().log_softmax(-1) for states in (moved, plain))
    # Rounding may leave a divergence of -1e-7 where nothing moved.
    return float((p.exp() * (p - q)).sum(-1).clamp(min=0).mean())


def added_tokens(model: Model, arm: Arm, prompts: Sequence[Pair], form: Form) -> float:
    """Mean number of tokens that an arm adds to a request."""
    if arm.change is None:
        return 0.0
    longer = [
        len(model.prompt_tokens(arm.change(pair), form)) - len(model.prompt_tokens(pair, form)) for pair in prompts
    ]
    return sum(longer) / len(longer)


def milliseconds(
    model: Model,
    arms: Sequence[Arm],
    prompts: Sequence[Pair],
    form: Form,
    plain: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> list[float]:
    """Median time of a request under each arm: the first tokens of a greedy reply, one request at a time.

    The arms take turns, so that a machine that becomes busy slows all of them.

    Args:
        model: from `trimtab.load`.
        arms: what is timed; the first is the plain model.
        prompts: some of them are asked.
        form: how.
        plain: makes a context within which the model is the plain one, where it has an adapter.
    """
    around = [plain, *[nullcontext] * (len(arms) - 1)]
    requests = [
        [
            Request(
                model.prompt_tokens(arm.asked_one(pair), form),
                None if arm.push is None else arm.push.intervention(model),
                TIMED_TOKENS,
            )
            for pair in prompts[:TIMED_PROMPTS]
        ]
        for arm in arms
    ]
    for inside, mine in zip(around, requests, strict=True):
        with inside():
            _timed(model, mine[0])  # the first request of a kind does what later ones need not do again
    found: list[list[float]] = [[] for _ in arms]
    for _ in range(TIMED_ROUNDS):
        for number in range(len(requests[0])):
            for place, mine in enumerate(requests):
                with around[place]():
                    found[place].append(_timed(model, mine[number]))
    return [statistics.median(times) for times in found]


def _timed(model: Model, request: Request) -> float:
    started = time.perf_counter()
    for _ in model.replies([request]):
        pass
    return 1000 * (time.perf_counter() - started)
