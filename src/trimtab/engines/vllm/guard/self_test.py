"""Proof that an engine steers, asked for when it has started: steering that silently does nothing is the worst bug."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from trimtab.engines.vllm.guard.request_pool import Ask
from trimtab.errors import ModelError
from trimtab.models import EncodedPair
from trimtab.steering import Intervention

if TYPE_CHECKING:
    from trimtab.engines.vllm.engine import VLLMEngine

_PROMPT = tuple(range(2, 10))


def require_steering(engine: VLLMEngine) -> None:
    """Push behind each layer, in a prompt and in what is written, and see that the model answers otherwise.

    Raises:
        ModelError: when a layer is not armed, or its push changes nothing.
    """
    facts = engine.identity.facts
    layers = range(facts.layers)
    armed = sorted({layer for answer in engine.status() for layer in answer["layers"]})
    if armed != list(layers):
        raise ModelError(f"vLLM has armed the layers {armed}, not all of 0 to {facts.layers - 1}")
    push = torch.linspace(-1.0, 1.0, facts.width)
    pair = EncodedPair("steering", (*_PROMPT, 11), (*_PROMPT, 13), len(_PROMPT), len(_PROMPT))
    in_prompt = [None, *(Intervention({layer: push}, 2.0, "relative") for layer in layers)]
    in_text = [None, *(Intervention({layer: push}, 50.0, "raw", "generated") for layer in layers)]
    scores = engine.score_choices([pair] * len(in_prompt), in_prompt, "choice").tolist()
    second = _second_tokens(engine, in_text)
    for where, found in (("prompts", scores), ("what is written", second)):
        if still := [layer for layer in layers if found[1 + layer] == found[0]]:
            raise ModelError(
                f"a push behind layer {still[0]} changes nothing in {where}, so this engine does not steer; a compiled "
                "graph of another program may have been reused: empty vLLM's cache (VLLM_CACHE_ROOT) and start again"
            )


def _second_tokens(engine: VLLMEngine, cells: Sequence[Intervention | None]) -> list[tuple[int, float]]:
    """The second token that each cell writes, and its log-probability: the first that a generated token shapes."""
    from vllm import SamplingParams

    def asks() -> Iterator[Ask]:
        for index, cell in enumerate(cells):
            params = SamplingParams(max_tokens=2, temperature=0.0, logprobs=0, detokenize=False, ignore_eos=True)
            yield Ask((index,), _PROMPT, params, engine.registry.spec(cell))

    found: dict[int, tuple[int, float]] = {}
    for news in engine.pool.run(asks(), engine.most_requests):
        if news.output.finished:
            output = news.output.outputs[0]
            token = output.token_ids[1]
            found[news.ask.key[0]] = token, output.logprobs[1][token].logprob
    return [found[index] for index in range(len(cells))]
