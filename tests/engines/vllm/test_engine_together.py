"""Requests of one engine do not touch each other: prefix cache, rows, cancels, a caller that leaves early."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import RUNNERS, Both, both, model_runner, nothing_is_held

from trimtab.engines import Model, Request
from trimtab.errors import DataError, SettingError
from trimtab.models import Text
from trimtab.serve import Scheduler
from trimtab.steering import Intervention

pytestmark = pytest.mark.vllm


@pytest.fixture(scope="module", params=RUNNERS)
def runner(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def engines(runner: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    options = {"enforce_eager": True, "max_num_batched_tokens": 256, "max_num_seqs": 128}
    with model_runner(runner), both("llama", tmp_path_factory.mktemp("llama"), **options) as running:
        yield running


def replies(model: Model, requests: list[Request]) -> list[tuple[int, ...]]:
    found = dict(model.replies(requests))
    return [found[index].tokens for index in range(len(requests))]


def long_prompt(seed: int, length: int = 100) -> tuple[int, ...]:
    """Longer than a few blocks of the cache."""
    return tuple(torch.randint(3, 250, (length,), generator=torch.Generator().manual_seed(seed)).tolist())


def cached_tokens(model: Model, request: Request) -> int:
    """How many of a request's tokens were found in the prefix cache."""
    from trimtab.engines.vllm._vllm_writer import sampling_params
    from trimtab.engines.vllm.guard.request_pool import Ask

    engine = model.engine
    params, spec = sampling_params(request, engine.identity.ends), engine.registry.spec(request.intervention)
    ask = Ask((0,), request.prompt, params, spec)
    outputs = [news.output for news in engine.pool.run([ask], 1)]
    return max(output.num_cached_tokens or 0 for output in outputs)


@pytest.mark.parametrize("positions", ["all", "after_prompt", "prompt", "generated"])
def test_what_a_steered_request_leaves_in_the_cache_is_never_read_by_another(engines: Both, positions: str) -> None:
    prompt = long_prompt(1)
    steered = Intervention({1: engines.directions[1]}, 0.5, "relative", positions)  # type: ignore[arg-type]
    other = Intervention({1: engines.directions[2]}, 0.5, "relative", positions)  # type: ignore[arg-type]
    for first, then in ((steered, None), (None, steered), (steered, other), (other, None)):
        engines.vllm.engine.engine.reset_prefix_cache()
        # The second prompt goes on where the first reply ended: generated tokens are in the cache too.
        (said,) = replies(engines.vllm, [Request(prompt, first, 64)])
        following = Request((*prompt, *said), then, 12)
        assert replies(engines.vllm, [following]) == replies(engines.plain, [following])


def test_the_unsteered_prompt_is_shared_by_cells_that_steer_behind_it(engines: Both) -> None:
    engines.vllm.engine.engine.reset_prefix_cache()
    prompt = long_prompt(3)
    behind = [Intervention({1: engines.directions[1]}, a, "relative", "after_prompt") for a in (0.2, 0.4)]
    everywhere = Intervention({1: engines.directions[1]}, 0.2, "relative", "all")
    assert cached_tokens(engines.vllm, Request(prompt, None, 1)) == 0
    assert [cached_tokens(engines.vllm, Request(prompt, cell, 1)) for cell in behind] == [96, 96]
    assert cached_tokens(engines.vllm, Request(prompt, everywhere, 1)) == 0
    assert cached_tokens(engines.vllm, Request(prompt, everywhere, 1)) == 96


def test_many_requests_with_many_interventions_are_each_what_they_are_alone(runner: str, engines: Both) -> None:
    """All of it in flight at once, and every third request given up in the middle of its text.

    500 requests under 100 interventions with V1; Triton's interpreter, in which V2 runs here, is too slow for so many.
    """
    source = random.Random(0)
    count, kinds = {"V1": (500, 100), "V2": (150, 48)}[runner]
    places = ["all", "after_prompt", "prompt", "generated"] * (kinds // 4)
    cells = [
        Intervention({source.randrange(4): engines.directions[source.randrange(4)]}, 0.1 + i / 200, "relative", where)
        for i, where in enumerate(places)
    ]
    requests = [
        Request(
            long_prompt(source.randrange(20), source.randrange(5, 90)),
            source.choice([*cells, None]),
            12,
            stop=after(source.randrange(2, 10)) if i % 3 == 0 else None,
        )
        for i in range(count)
    ]
    whole = replies(engines.vllm, requests)
    assert whole == replies(engines.plain, requests)
    given_up = [tokens for i, tokens in enumerate(whole) if i % 3 == 0]
    assert sum(len(tokens) < 12 for tokens in given_up) > count // 5
    # In whose company the default engine computes a text changes nothing either; see its own tests.
    for index in source.sample(range(count), 60):
        assert replies(engines.plain, [requests[index]]) == [whole[index]]
    assert nothing_is_held(engines.vllm)


def after(length: int) -> Callable[[str], bool]:
    """Gives a text up when it has become so long."""
    return lambda text: len(text) >= length


def test_cancelled_requests_free_their_rows_and_leave_the_others_alone(runner: str, engines: Both) -> None:
    source = random.Random(1)
    count, rounds = {"V1": (100, 5), "V2": (30, 2)}[runner]
    cells = [Intervention({1: engines.directions[i % 4]}, 0.1 + i / 100, "relative") for i in range(40)]
    requests = [Request(long_prompt(i, 20), cells[i % 40], 40) for i in range(count)]
    expected = replies(engines.plain, requests[:8])
    for _ in range(rounds):
        # A caller that leaves early gives up what is under way, while another goes on.
        stopped = engines.vllm.engine.write(requests)
        list(islice(stopped, source.randrange(1, 2 * count)))
        beside = engines.vllm.engine.generate(requests[:8])
        first = next(beside)
        stopped.close()
        found = dict([first, *beside])
        assert [found[index].tokens for index in range(8)] == expected
    assert not engines.vllm.engine.engine.has_unfinished_requests()
    assert nothing_is_held(engines.vllm)


def test_texts_join_and_leave_at_any_token(engines: Both) -> None:
    cells = [Intervention({1: engines.directions[i % 4]}, 0.1 + i / 50, "relative") for i in range(10)]
    requests = [Request(long_prompt(i, 20), cells[i % 10], 8 + i % 9) for i in range(60)]
    expected = replies(engines.plain, requests)
    writer = engines.vllm.writer()
    waiting, found, keys = list(range(60)), dict[int, tuple[int, ...]](), dict[int, int]()
    while waiting or writer.rows:
        for index in waiting[:3]:
            (keys[index],) = writer.add([requests[index]])
        del waiting[:3]
        moved = dict(writer.step())
        owners = {key: index for index, key in keys.items()}
        for key, text in moved.items():
            if text.finish is not None:
                found[owners[key]] = tuple(text.tokens)
            elif owners[key] % 3 == 0 and len(text.tokens) > 4:
                writer.cancel(key)
    assert sorted(found) == [i for i in range(60) if i % 3]
    assert all(found[index] == expected[index] for index in found)
    assert not engines.vllm.engine.engine.has_unfinished_requests()
    assert nothing_is_held(engines.vllm)


def test_many_callers_share_the_engine_through_the_scheduler(engines: Both) -> None:
    cells = [None, *(Intervention({1: engines.directions[i]}, 0.3, "relative") for i in range(4))]
    requests = [Request(long_prompt(i, 30), cells[i % 5], 12) for i in range(40)]
    expected = replies(engines.plain, requests)
    scheduler = Scheduler(engines.vllm)
    try:
        jobs = [scheduler.submit(request) for request in requests]
        for job in jobs[::4]:
            job.cancel()
        for index, job in enumerate(jobs):
            if index % 4:
                assert job.wait().tokens == expected[index]
    finally:
        scheduler.close()
    assert nothing_is_held(engines.vllm)


def test_log_probabilities_are_those_of_the_default_engine(engines: Both) -> None:
    cell = Intervention({1: engines.directions[1]}, 0.3, "relative")
    requests = [Request(long_prompt(i, 20), (None, cell)[i % 2], 6, logprobs=3) for i in range(4)]
    plain, vllm = (dict(model.replies(requests)) for model in (engines.plain, engines.vllm))
    for index in range(4):
        assert vllm[index].tokens == plain[index].tokens
        for one, other in zip(vllm[index].logprobs, plain[index].logprobs, strict=True):
            assert one.logprob == pytest.approx(other.logprob, abs=1e-3)
            assert [token for token, _ in one.top] == [token for token, _ in other.top]


def test_states_that_a_caller_leaves_behind_are_dropped(engines: Both) -> None:
    texts = [Text(long_prompt(i, 40), 20) for i in range(30)]
    cell = Intervention({1: engines.directions[1]}, 0.2, "relative")
    engine = engines.vllm.engine
    for begun in (
        engine.states(texts, [0, 2]),
        engine.score_texts(texts, [cell]),
        engine.sweep(engines.pairs * 6, [cell], "text"),
    ):
        next(begun)
        begun.close()
        assert engine.status()[0]["captured"] == 0
    assert not engine.pool.busy


def test_a_text_in_chunks_is_read_and_steered_as_a_whole(engines: Both) -> None:
    """Longer than one pass takes: many texts at once are cut wherever the pass is full."""
    texts = [Text(long_prompt(i, 200), 100) for i in range(24)]
    ours, theirs = (dict(model.states(texts, [3])) for model in (engines.vllm, engines.plain))
    for index in range(len(texts)):
        assert torch.allclose(ours[index], theirs[index], rtol=1e-3, atol=1e-3)
    cell = Intervention({1: engines.directions[1]}, 0.3, "relative", "after_prompt")
    requests = [Request(text.tokens, cell, 6) for text in texts]
    assert replies(engines.vllm, requests) == replies(engines.plain, requests)


def test_drawn_texts_depend_on_their_seed_alone(engines: Both) -> None:
    prompts = ["Hello there", "And you?"]
    together = engines.vllm.generate(prompts, temperature=1.0, seed=3, max_new_tokens=12)
    alone = engines.vllm.generate(prompts[:1], temperature=1.0, seed=3, max_new_tokens=12)
    assert together[0] == alone[0]
    assert engines.vllm.generate(prompts[:1], temperature=1.0, seed=4, max_new_tokens=12) != alone


def test_a_steer_context_steers_requests_and_ends(engines: Both) -> None:
    from tiny import vector_for

    vector = vector_for(engines.plain.backbone)  # type: ignore[arg-type]
    plain = engines.vllm.chat("Hello", max_new_tokens=12)
    with engines.vllm.steer(vector, layer=1, strength=0.5, scale="relative") as steered:
        moved = steered.chat("Hello", max_new_tokens=12)
    with engines.plain.steer(vector, layer=1, strength=0.5, scale="relative"):
        assert moved == engines.plain.chat("Hello", max_new_tokens=12)
    assert moved != plain
    assert engines.vllm.chat("Hello", max_new_tokens=12) == plain


def test_a_prompt_that_is_too_long_is_refused_before_vllm_has_it_and_by_vllm_and_the_engine_goes_on(
    engines: Both,
) -> None:
    request = Request((5,) * 1000, None, 4)
    with pytest.raises(DataError, match="leave no room"):
        list(engines.vllm.replies([request]))
    with pytest.raises(SettingError, match="vLLM refuses a request"):
        list(engines.vllm.engine.generate([request]))
    assert replies(engines.vllm, [Request((5, 6, 7), None, 4)])


def test_an_unknown_vector_is_refused_at_the_door_and_the_engine_goes_on(engines: Both) -> None:
    from trimtab.engines.vllm.guard.request_pool import Ask, one_token
    from trimtab.engines.vllm.wire.spec import Push, Spec

    ask = Ask((0,), (5, 6, 7), one_token(), Spec((Push("nobody", (1,), 1.0),)))
    with pytest.raises(SettingError, match="no vector 'nobody' is registered"):
        list(engines.vllm.engine.pool.run([ask], 1))
    assert replies(engines.vllm, [Request((5, 6, 7), None, 4)])
