"""A real vLLM engine gives the default engine's numbers: dense and MoE, eager and compiled, on one worker and two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import Both, both, every_kind, model_runner, nothing_is_held

from sweeps import score_rows
from trimtab.engines import Request
from trimtab.models import Text
from trimtab.steering import Intervention, Positions

pytestmark = pytest.mark.vllm
NEW_TOKENS = 8
TOLERANCE = 1e-4
POSITIONS = ("all", "after_prompt", "prompt", "generated", "first:3", "after:2", "tokens:2,4,-1")
TWO_CORES = {"VLLM_CPU_OMP_THREADS_BIND": "0|1"}
EAGER, TWO_WORKERS, TWO_STAGES = {"enforce_eager": True}, {"tensor_parallel_size": 2}, {"pipeline_parallel_size": 2}
ENGINES: dict[str, tuple[str, dict[str, Any], dict[str, str], str]] = {
    "bundled, eager": ("bundled", EAGER, {}, "V1"),
    "bundled, compiled": ("bundled", {}, {}, "V1"),
    "qwen3, eager": ("qwen3", EAGER, {}, "V1"),
    "qwen3, eager, V2": ("qwen3", EAGER, {}, "V2"),
    "qwen3, compiled, V2": ("qwen3", {}, {}, "V2"),
    "qwen3, compiled, two workers": ("qwen3", TWO_WORKERS, TWO_CORES, "V1"),
    "qwen3, compiled, two workers, V2": ("qwen3", TWO_WORKERS, TWO_CORES, "V2"),
    "qwen3, compiled, two stages": ("qwen3", TWO_STAGES, TWO_CORES, "V1"),
    "qwen3, compiled, two stages, V2": ("qwen3", TWO_STAGES, TWO_CORES, "V2"),
    "qwen3_moe, eager, two workers": ("qwen3_moe", EAGER | TWO_WORKERS, TWO_CORES, "V1"),
    "qwen3_moe, compiled": ("qwen3_moe", {}, {}, "V1"),
    "qwen3_moe, compiled, V2": ("qwen3_moe", {}, {}, "V2"),
    "bundled, compiled, V2": ("bundled", {}, {}, "V2"),
}


@pytest.fixture(scope="module", params=ENGINES)
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """One configuration after the other."""
    name, options, environment, runner = ENGINES[request.param]
    with model_runner(runner) as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        with both(name, tmp_path_factory.mktemp(name), **options) as running:
            yield running


def tokens(model: Any, requests: list[Request]) -> list[tuple[int, ...]]:
    replies = dict(model.replies(requests))
    return [replies[index].tokens for index in range(len(requests))]


def scores(model: Any, pairs: Any, cells: Any, scoring: Any) -> torch.Tensor:
    whole = torch.zeros(1 + len(cells), len(pairs))
    for scored in model.score(pairs, cells, scoring):
        whole[:, scored.indices] = scored.scores
    return whole


def test_every_layer_is_armed(engines: Both) -> None:
    layers = {layer for worker in engines.vllm.engine.status() for layer in worker["layers"]}
    assert sorted(layers) == list(range(engines.plain.facts.layers))


def test_the_two_know_the_model_by_the_same_fingerprint_facts_and_template(engines: Both) -> None:
    assert engines.vllm.fingerprint == engines.plain.fingerprint
    assert engines.vllm.facts == engines.plain.facts
    assert engines.vllm.template_hash == engines.plain.template_hash


@pytest.mark.parametrize("positions", POSITIONS)
def test_greedy_tokens_are_the_same_for_every_intervention_in_one_batch(engines: Both, positions: Positions) -> None:
    prompts = [pair.positive[: pair.prompt_length] for pair in engines.pairs]
    cells: list[Intervention | None] = [None, *every_kind(engines.directions, positions).values()]
    requests = [Request(prompts[i % len(prompts)], cell, NEW_TOKENS) for i, cell in enumerate(cells)]
    assert tokens(engines.vllm, requests) == tokens(engines.plain, requests)


@pytest.mark.parametrize("positions", POSITIONS[:3])
def test_logit_differences_agree(engines: Both, positions: Positions) -> None:
    cells = [cell for cell in every_kind(engines.directions, positions).values() if not cell.first_token]
    ours, theirs = (scores(model, engines.pairs, cells, "choice") for model in (engines.vllm, engines.plain))
    assert (ours - theirs).abs().max() <= TOLERANCE
    moved = (theirs[1:] - theirs[0]).abs().amax(1)
    # Behind the last layer nothing is left that would carry a push from the prompt to an answer that begins later.
    in_prompt = any(pair.shared == pair.prompt_length for pair in engines.pairs)
    last = engines.plain.facts.layers - 1
    expected = [positions != "prompt" or in_prompt or min(cell.layers) < last for cell in cells]
    assert [bool(effect > 0) for effect in moved] == expected
    assert moved.max() > 0.1


@pytest.mark.parametrize(
    ("scoring", "positions"), [("text", "after_prompt"), ("text", "all"), ("text_sum", "generated")]
)
def test_text_scores_agree(engines: Both, scoring: Any, positions: Positions) -> None:
    cells = [cell for cell in every_kind(engines.directions, positions).values() if not cell.first_token]
    ours, theirs = (scores(model, engines.pairs, cells, scoring) for model in (engines.vllm, engines.plain))
    assert (ours - theirs).abs().max() <= TOLERANCE


def test_scores_under_an_intervention_each_agree(engines: Both) -> None:
    cells = [None, *every_kind(engines.directions, "all").values()][: len(engines.pairs)]
    pairs = engines.pairs[: len(cells)]
    ours = engines.vllm.engine.score_choices(pairs, cells, "choice")
    assert (ours - score_rows(engines.plain.engine, pairs, cells, "choice")).abs().max() <= TOLERANCE


@pytest.mark.parametrize("token_position", ["answer", "last", "mean_completion"])
def test_captured_states_agree(engines: Both, token_position: Any) -> None:
    found: list[torch.Tensor] = []
    for model in (engines.vllm, engines.plain):
        states = torch.zeros(2, len(engines.pairs), model.facts.layers, model.facts.width)
        for captured in model.capture(engines.pairs, token_position):
            states[0, captured.indices], states[1, captured.indices] = captured.positive, captured.negative
        found.append(states)
    ours, theirs = found
    assert ((ours - theirs).norm(dim=-1) <= 1e-4 * theirs.norm(dim=-1)).all()
    vector = (theirs[0] - theirs[1]).mean(0)
    # Where both sides end in the same token, little is left of the states but what float32 rounds off.
    rounded_off = 1e-6 * theirs.norm(dim=-1).amax((0, 1))
    assert ((ours[0] - ours[1]).mean(0) - vector).norm(dim=-1).le(1e-4 * vector.norm(dim=-1) + rounded_off).all()


def test_the_first_tokens_norm_agrees(engines: Both) -> None:
    ours, theirs = (model.first_token_norm(engines.pairs) for model in (engines.vllm, engines.plain))
    assert torch.allclose(ours, theirs, rtol=1e-4)


def test_followed_texts_agree(engines: Both) -> None:
    texts = [Text(pair.positive, pair.prompt_length) for pair in engines.pairs]
    cells = list(every_kind(engines.directions, "all").values())[:3]
    found = []
    for model in (engines.vllm, engines.plain):
        likely, apart = torch.zeros(1 + len(cells), len(texts)), torch.zeros(len(cells), len(texts))
        for followed in model.score_texts(texts, cells):
            likely[:, followed.indices], apart[:, followed.indices] = followed.log_prob, followed.divergence
        found.append((likely, apart))
    (ours, our_apart), (theirs, their_apart) = found
    assert (ours - theirs).abs().max() <= TOLERANCE
    assert (our_apart - their_apart).abs().max() <= TOLERANCE
    assert their_apart.min() > 0


def test_an_early_stop_ends_a_text_as_in_the_default_engine(engines: Both) -> None:
    prompt = engines.pairs[0].positive[: engines.pairs[0].prompt_length]
    request = Request(prompt, None, NEW_TOKENS, stop=lambda text: len(text) >= 3)
    ours, theirs = (dict(model.replies([request]))[0] for model in (engines.vllm, engines.plain))
    assert ours == theirs


def test_reading_and_pushes_of_every_kind_leave_nothing_behind(engines: Both) -> None:
    cells = list(every_kind(engines.directions, "all").values())
    prompt = engines.pairs[0].positive
    tokens(engines.vllm, [Request(prompt, cell, 2) for cell in cells])
    scores(engines.vllm, engines.pairs[:1], cells[:2], "text")
    list(engines.vllm.capture(engines.pairs[:1], "last"))
    assert nothing_is_held(engines.vllm)
