"""Models whose layers return the residual stream in other ways than Llama's do: pushed and read where it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import Both, both, every_kind, states

from trimtab.engines import Request
from trimtab.steering import Intervention

pytestmark = pytest.mark.vllm

FAMILIES: dict[str, dict[str, Any]] = {
    # All of the stream, and beside it a residual that nobody reads; norms behind attention and MLP.
    "exaone4": {},
    # VLLM's backend of transformers models: a dimension before the tokens.
    "olmo2": {"enforce_eager": True},
}


@pytest.fixture(scope="module", params=FAMILIES)
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with both(request.param, tmp_path_factory.mktemp(request.param), **FAMILIES[request.param]) as running:
        yield running


@pytest.mark.parametrize("positions", ["all", "after_prompt"])
def test_greedy_tokens_are_the_same_for_every_intervention_in_one_batch(engines: Both, positions: Any) -> None:
    prompts = [pair.positive[: pair.prompt_length] for pair in engines.pairs]
    cells: list[Intervention | None] = [None, *every_kind(engines.directions, positions).values()]
    requests = [Request(prompts[i % len(prompts)], cell, 8) for i, cell in enumerate(cells)]
    ours, theirs = (dict(model.replies(requests)) for model in (engines.vllm, engines.plain))
    assert [ours[i].tokens for i in range(len(cells))] == [theirs[i].tokens for i in range(len(cells))]


def test_logit_differences_agree(engines: Both) -> None:
    cells = [cell for cell in every_kind(engines.directions, "all").values() if not cell.first_token]
    found = []
    for model in (engines.vllm, engines.plain):
        whole = torch.zeros(1 + len(cells), len(engines.pairs))
        for scored in model.score(engines.pairs, cells, "choice"):
            whole[:, scored.indices] = scored.scores
        found.append(whole)
    assert (found[0] - found[1]).abs().max() <= 1e-3
    assert (found[1][1:] - found[1][0]).abs().amax(1).min() > 0


def test_captured_states_agree(engines: Both) -> None:
    ours, theirs = (states(model, engines.pairs) for model in (engines.vllm, engines.plain))
    assert ((ours - theirs).norm(dim=-1) <= 1e-4 * theirs.norm(dim=-1)).all()
