"""What may happen while the passes of a streamed job are under way: errors, the user's steering, other threads."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from streams import is_left_alone, streamed
from sweeps import make_cells, swept
from tiny import random_directions, random_pairs, tiny, vector_for
from trimtab._util.layer_progress import noting_layers
from trimtab.engines import Model, TransformersEngine
from trimtab.engines.transformers.streaming.together import start, together
from trimtab.errors import SettingError
from trimtab.models import Backbone
from trimtab.steering import Intervention


def small_batches(backbone: Backbone) -> TransformersEngine:
    engine = TransformersEngine(backbone)
    engine.budget = replace(engine.budget, tokens=1)
    return engine


def scores(backbone: Backbone) -> Tensor:
    return swept(small_batches(backbone), random_pairs(), make_cells(backbone), "text")


class Failure(Exception):
    """Of somebody's own hook."""


@pytest.mark.parametrize("error", [Failure, KeyboardInterrupt])
def test_an_error_in_one_pass_ends_all_and_leaves_the_model_usable(error: type[BaseException]) -> None:
    backbone, _ = streamed("llama")
    expected = scores(backbone)
    calls = 0

    def fail(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise error("in the third pass")

    handle = backbone.anatomy.layers[2].register_forward_hook(fail)
    with pytest.raises(error, match="third pass"):
        scores(backbone)
    handle.remove()
    assert calls == 3
    assert is_left_alone(backbone)
    assert torch.equal(scores(backbone), expected)


def test_a_push_that_changes_nothing_is_the_error_that_it_is_from_memory() -> None:
    backbone, _ = streamed("llama")
    tiny_push = Intervention({2: random_directions(backbone)[2]}, 1e-30, "raw")
    cells = [*make_cells(backbone)[:2], tiny_push]
    for one in (tiny("llama"), backbone):
        with pytest.raises(SettingError, match="is rounded away"):
            list(small_batches(one).sweep(random_pairs(), cells, "text"))
    assert is_left_alone(backbone)


def test_a_sweep_that_is_left_in_the_middle_leaves_nothing_behind() -> None:
    backbone, _ = streamed("llama")
    results = small_batches(backbone).sweep(random_pairs(), make_cells(backbone), "text")
    next(results)
    assert isinstance(results, Generator)
    results.close()
    assert is_left_alone(backbone)


def test_a_job_says_which_layer_it_is_at() -> None:
    backbone, _ = streamed("llama")
    engine, seen = small_batches(backbone), []
    with noting_layers(lambda what, done, total: seen.append(getattr(done, "note", None))) as advance:
        advance("sweep", 0, 1)
        swept(engine, random_pairs(), make_cells(backbone), "text")
    assert seen[-4:] == ["layer 1 of 4", "layer 2 of 4", "layer 3 of 4", ""]


def test_what_is_done_is_not_run_again() -> None:
    backbone, weights = streamed("llama")
    engine, pairs, cells = small_batches(backbone), random_pairs(), make_cells(backbone)
    whole = swept(engine, pairs, cells, "text")
    rest = list(engine.sweep(pairs, cells, "text", done=[0, 2, 3]))
    assert sorted(i for one in rest for i in one.indices) == [1, 4, 5]
    for one in rest:
        assert torch.equal(one.scores, whole[:, one.indices])
    before = weights.streams
    assert not list(engine.sweep(pairs, cells, "text", done=range(len(pairs))))
    assert weights.streams == before


def test_threads_take_turns_and_contexts_of_others_do_not_count() -> None:
    backbone, _ = streamed("llama")
    model, expected = Model(backbone), scores(tiny("llama"))
    pairs, cells = random_pairs(), make_cells(backbone)
    begun = threading.Barrier(2)

    def sweep_it(steered: bool) -> Tensor:
        begun.wait()
        table = torch.zeros(1 + len(cells), len(pairs))
        for one in model.score(pairs, cells, "text"):
            table[:, one.indices] = one.scores
        return table

    with model.steer(vector_for(backbone), layer=1, strength=3.0), ThreadPoolExecutor(2) as pool:
        ids = torch.tensor([pairs[0].positive])
        steered = backbone.model(ids, use_cache=False).logits
        found = list(pool.map(sweep_it, [True, False]))
        assert torch.equal(backbone.model(ids, use_cache=False).logits, steered)
    for table in found:
        torch.testing.assert_close(table, expected, atol=1e-4, rtol=0)
    assert not torch.equal(backbone.model(ids, use_cache=False).logits, steered)


def test_work_may_wait_for_work_that_it_has_started() -> None:
    backbone, weights = streamed("llama")
    ids = torch.tensor([random_pairs(1)[0].positive])

    def run() -> Tensor:
        found: Tensor = backbone.model(ids, use_cache=False).logits
        return found

    def twice() -> Tensor:
        first, second = start(run), start(run)
        return first.result() + second.result()

    with torch.no_grad():
        before = weights.streams
        with together(backbone):
            both, alone = start(twice), start(run)
        assert weights.streams == before + 1
        assert torch.equal(both.result(), 2 * alone.result())


def test_an_error_reaches_who_waits_for_the_work_and_nobody_else() -> None:
    backbone, _ = streamed("llama")
    ids = torch.tensor([random_pairs(1)[0].positive])

    def fail() -> None:
        backbone.model(ids, use_cache=False)
        raise Failure

    def survive() -> str:
        try:
            start(fail).result()
        except Failure:
            return "caught"
        return "nothing came"

    with torch.no_grad(), together(backbone):
        found = start(survive)
        other = start(lambda: backbone.model(ids, use_cache=False).logits)
    assert found.result() == "caught"
    assert bool(other.result().isfinite().all())
    assert is_left_alone(backbone)


@pytest.fixture(autouse=True)
def _gradients_are_as_before() -> Iterator[None]:
    before = torch.is_grad_enabled()
    yield
    assert torch.is_grad_enabled() == before
