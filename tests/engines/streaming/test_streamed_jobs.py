"""Streamed weights: every job of an engine gives the numbers that it gives from memory, and reads each layer once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from streams import CountedLayers, is_left_alone, streamed
from sweeps import make_cells, swept
from tiny import HYBRID, random_pairs, tiny
from trimtab.engines import TransformersEngine
from trimtab.engines.transformers.probing.exactness import Mode
from trimtab.models import Backbone, Text
from trimtab.steering import Positions

FAMILIES = ("llama", "qwen2", "qwen3_moe", HYBRID, "gemma2", "gemma3", "gpt2", "gpt_neox", "gpt_oss")


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> tuple[Backbone, Backbone, CountedLayers]:
    """A model in memory, and the same one streamed."""
    return tiny(request.param), *streamed(request.param)


@pytest.fixture(scope="module")
def llamas() -> tuple[Backbone, Backbone, CountedLayers]:
    return tiny("llama"), *streamed("llama")


def texts() -> list[Text]:
    return [Text(pair.positive, pair.prompt_length) for pair in random_pairs(5)]


def one_batch_a_pair(backbone: Backbone, **changes: Any) -> TransformersEngine:
    engine = TransformersEngine(backbone, **changes)
    engine.budget = replace(engine.budget, tokens=1)
    return engine


def scores(engine: TransformersEngine, positions: Positions = "all") -> Tensor:
    return swept(engine, random_pairs(), make_cells(engine.backbone, positions), "text")


def captured(engine: TransformersEngine) -> Tensor:
    pairs = random_pairs()
    states = {i: torch.stack([b.positive[n], b.negative[n]]) for b in engine.capture(pairs, "last")
              for n, i in enumerate(b.indices)}  # fmt: skip
    return torch.stack([states[i] for i in range(len(pairs))])


def some_states(engine: TransformersEngine) -> Tensor:
    return torch.cat([states for _, states in sorted(engine.states(texts(), [1, 3]), key=lambda one: one[0])])


def text_scores(engine: TransformersEngine) -> Tensor:
    found = list(engine.score_texts(texts(), make_cells(engine.backbone)[:4]))
    order = torch.tensor([i for one in found for i in one.indices]).argsort()
    return torch.cat([torch.cat([one.log_prob, one.divergence]) for one in found], dim=1)[:, order]


def final_states(engine: TransformersEngine) -> Tensor:
    cells = make_cells(engine.backbone)[:4]
    return torch.cat([states for _, states in sorted(engine.final_states(texts(), cells), key=lambda one: one[0])], 1)


JOBS: dict[str, Callable[[TransformersEngine], Tensor]] = {
    "capture": captured, "states": some_states, "score_texts": text_scores, "final_states": final_states,
}  # fmt: skip


def test_a_sweep_is_bit_identical_and_takes_one_stream(family: tuple[Backbone, Backbone, CountedLayers]) -> None:
    in_memory, from_disk, weights = family
    for positions in ("all", "after_prompt"):
        engines = one_batch_a_pair(in_memory), one_batch_a_pair(from_disk)
        scores(engines[1], positions)  # whatever has to be tried of the model has been
        before = weights.streams
        expected, found = (scores(engine, positions) for engine in engines)
        assert torch.equal(found, expected)
        assert weights.streams == before + 1
    assert is_left_alone(from_disk)


@pytest.mark.parametrize("positions", ["prompt", "generated", "first:2", "after:1", "tokens:-1,3"])
def test_it_is_so_at_all_positions(llamas: tuple[Backbone, Backbone, CountedLayers], positions: Positions) -> None:
    in_memory, from_disk, weights = llamas
    scores(TransformersEngine(from_disk))
    before = weights.streams
    found = scores(one_batch_a_pair(from_disk), positions)
    assert weights.streams == before + 1
    assert torch.equal(found, scores(one_batch_a_pair(in_memory), positions))


@pytest.mark.parametrize("job", JOBS)
def test_every_job_is_bit_identical_and_takes_one_stream(
    llamas: tuple[Backbone, Backbone, CountedLayers], job: str
) -> None:
    in_memory, from_disk, weights = llamas
    JOBS[job](TransformersEngine(from_disk))
    before = weights.streams
    found = JOBS[job](one_batch_a_pair(from_disk))
    assert weights.streams == before + 1
    assert torch.equal(found, JOBS[job](one_batch_a_pair(in_memory)))


@pytest.mark.parametrize("mode", ["padded", "alone"])
@pytest.mark.parametrize("job", [*JOBS, "sweep"])
def test_it_is_so_in_padded_rows_and_alone(
    llamas: tuple[Backbone, Backbone, CountedLayers], job: str, mode: Mode
) -> None:
    in_memory, from_disk, weights = llamas
    run = JOBS.get(job, scores)
    run(TransformersEngine(from_disk, fastest=mode))
    before = weights.streams
    found = run(one_batch_a_pair(from_disk, fastest=mode))
    assert weights.streams == before + 1
    assert torch.equal(found, run(one_batch_a_pair(in_memory, fastest=mode)))


def test_what_is_tried_of_a_model_takes_one_stream(llamas: tuple[Backbone, Backbone, CountedLayers]) -> None:
    backbone, weights = streamed("llama")
    scores(TransformersEngine(backbone))
    assert weights.streams == 2, "one for all that is tried, one for the sweep"
    hybrid, weights = streamed(HYBRID)
    scores(TransformersEngine(hybrid))
    assert weights.streams == 2
