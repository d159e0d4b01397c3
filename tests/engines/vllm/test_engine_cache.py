"""The prefix cache without and with the names that steering gives to its blocks: the bug, and that it is not there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import IN_PROCESS, RUNNERS, Both, both, model_runner

from trimtab.engines import Request
from trimtab.engines.vllm.wire import cache_keys
from trimtab.engines.vllm.wire.spec import Spec
from trimtab.steering import Intervention

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module", params=RUNNERS)
def engines(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """An engine inside this process, whose insides a test can change."""
    with model_runner(request.param) as patch:
        patch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        with both(
            "llama", tmp_path_factory.mktemp("llama"), enforce_eager=True, **IN_PROCESS[request.param]
        ) as running:
            yield running


def after_a_steered_one(engines: Both, positions: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What an unsteered request says that goes on with a steered one's text, on vLLM and on the default engine."""
    engines.vllm.engine.engine.reset_prefix_cache()
    prompt = tuple(torch.randint(3, 250, (70,), generator=torch.Generator().manual_seed(2)).tolist())
    steered = Intervention({1: engines.directions[1]}, 1.0, "relative", positions)  # type: ignore[arg-type]
    said = dict(engines.vllm.replies([Request(prompt, steered, 64)]))[0].tokens
    following = Request((*prompt, *said), None, 12)
    ours, theirs = (dict(model.replies([following]))[0].tokens for model in (engines.vllm, engines.plain))
    return ours, theirs


@pytest.mark.parametrize("positions", ["all", "after_prompt", "prompt", "generated"])
def test_without_salt_steering_contaminates_the_cache(
    engines: Both, positions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spec, "cache_salt", None)
    monkeypatch.setattr(cache_keys, "_own_keys", lambda request, end: [])
    ours, theirs = after_a_steered_one(engines, positions)
    assert ours != theirs


@pytest.mark.parametrize("positions", ["all", "after_prompt", "prompt", "generated"])
def test_with_salt_it_does_not(engines: Both, positions: str) -> None:
    ours, theirs = after_a_steered_one(engines, positions)
    assert ours == theirs


@pytest.mark.parametrize("positions", ["all", "prompt"])
def test_the_engines_own_names_hold_also_where_a_client_forgets_the_salt(
    engines: Both, positions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spec, "cache_salt", None)
    ours, theirs = after_a_steered_one(engines, positions)
    assert ours == theirs


def test_the_clients_salt_holds_also_where_the_engine_names_no_blocks(
    engines: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_keys, "_own_keys", lambda request, end: [])
    ours, theirs = after_a_steered_one(engines, "all")
    assert ours == theirs
