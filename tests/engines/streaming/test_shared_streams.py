"""Independent jobs on a streamed model: they share streams, and each gives what it gives alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from streams import is_left_alone, streamed
from sweeps import make_cells, swept
from tiny import random_pairs, tiny
from trimtab.engines import Model, TransformersEngine, one_at_a_time, run_side_by_side, seconds_of
from trimtab.errors import ModelError
from trimtab.models import Backbone, Text

TEXTS = [Text(tuple(range(3, 12)), 2)]


def model_of(backbone: Backbone, **limits: Any) -> Model:
    model = Model(backbone)
    assert isinstance(model.engine, TransformersEngine)
    model.engine.budget = replace(model.engine.budget, tokens=1, **limits)
    return model


def scores(model: Model, pairs: int, cells: int) -> Tensor:
    engine = model.engine
    assert isinstance(engine, TransformersEngine)
    return swept(engine, random_pairs()[:pairs], make_cells(engine.backbone)[:cells], "text")


def states(model: Model) -> Tensor:
    found = list(model.capture(random_pairs(), "last"))
    return torch.cat([torch.cat([one.positive for one in found]), torch.cat([one.negative for one in found])])


def doses(model: Model) -> Tensor:
    cells = make_cells(model.engine.backbone)  # type: ignore[attr-defined]
    return torch.cat([one.divergence for one in model.score_texts(TEXTS, cells)])


JOBS: list[Callable[[Model], Tensor]] = [
    partial(scores, pairs=8, cells=9),
    partial(scores, pairs=3, cells=2),
    states,
    lambda model: model.first_token_norm(random_pairs()),
    doses,
]


@pytest.mark.parametrize("name", ["llama", "gemma2", "gpt_oss"])
def test_jobs_give_bit_identical_numbers_and_share_one_stream_behind_the_trial(name: str) -> None:
    expected = [job(model_of(tiny(name))) for job in JOBS]
    backbone, weights = streamed(name)
    model = model_of(backbone)
    found = run_side_by_side(model, [partial(job, model) for job in JOBS])
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert weights.streams == 3, "what may run together, the first token's norm by a plain pass, and all jobs"
    assert is_left_alone(backbone)
    again = weights.streams
    run_side_by_side(model, [partial(job, model) for job in JOBS])
    assert weights.streams == again + 1


def test_an_extraction_reads_the_norm_of_the_first_token_in_its_own_stream() -> None:
    backbone, weights = streamed("llama")
    model = model_of(backbone)
    states(model)
    before = weights.streams
    norm = model.first_token_norm(random_pairs())
    assert weights.streams == before
    assert torch.equal(norm, model_of(tiny("llama")).first_token_norm(random_pairs()))


def test_jobs_that_run_jobs_share_streams_too() -> None:
    backbone, weights = streamed("llama")
    model = model_of(backbone)
    scores(model, 8, 9)
    before = weights.streams

    def both() -> list[Tensor]:
        return run_side_by_side(model, [partial(scores, model, 8, 9), partial(scores, model, 3, 2)])

    first, second = run_side_by_side(model, [both, both])
    assert weights.streams == before + 1
    assert torch.equal(first[0], second[0])


@pytest.mark.parametrize("limits", [{"held_bytes": 1}, {"waiting_bytes": 0, "file_bytes": 0}])
def test_what_has_no_room_beside_others_takes_a_stream_of_its_own(limits: dict[str, int]) -> None:
    backbone, weights = streamed("llama")
    model = model_of(backbone)
    apart = [scores(model, 8, 9), scores(model, 3, 2)]
    roomy, before = model_of(backbone), weights.streams
    run_side_by_side(roomy, [partial(scores, roomy, 8, 9), partial(scores, roomy, 3, 2)])
    shared = weights.streams - before
    tight, before = model_of(backbone, **limits), weights.streams
    found = run_side_by_side(tight, [partial(scores, tight, 8, 9), partial(scores, tight, 3, 2)])
    assert weights.streams - before > shared
    assert all(torch.equal(one, other) for one, other in zip(found, apart, strict=True))


def test_jobs_that_hold_more_than_there_is_room_for_begin_one_after_the_other() -> None:
    backbone, weights = streamed("llama")
    model = model_of(backbone)
    scores(model, 8, 9)
    before, room = weights.streams, model.engine.budget.held_bytes  # type: ignore[attr-defined]
    run_side_by_side(model, [partial(scores, model, 3, 2)] * 3, [room, room, 0])
    assert weights.streams == before + 2, "the third holds nothing, and runs beside the first"


def test_an_error_of_one_job_ends_the_others_where_they_wait_and_they_clean_up() -> None:
    backbone, _ = streamed("llama")
    model = model_of(backbone)
    closed: list[str] = []

    def waits() -> None:
        try:
            scores(model, 8, 9)
            scores(model, 8, 9)
        finally:
            closed.append("files")

    def fails() -> None:
        scores(model, 3, 2)
        raise ModelError("something else")

    with pytest.raises(ModelError, match="something else"):
        run_side_by_side(model, [waits, fails])
    assert closed == ["files"]
    assert is_left_alone(backbone)
    assert scores(model, 3, 2).shape[0]


def test_what_is_one_at_a_time_is_free_again_when_the_job_that_was_next_is_given_up() -> None:
    backbone, _ = streamed("llama")
    model = model_of(backbone)

    def fails() -> None:
        with one_at_a_time(model):
            scores(model, 3, 2)
        raise ModelError("right behind it")

    def waits() -> None:
        with one_at_a_time(model):
            scores(model, 3, 2)

    def goes_on() -> int:
        with pytest.raises(ModelError, match="right behind it"):
            run_side_by_side(model, [fails, waits])
        with one_at_a_time(model):
            return len(scores(model, 3, 2))

    assert run_side_by_side(model, [goes_on])[0] > 0


def test_an_error_in_a_pass_is_raised_in_its_job_which_may_go_on_without_it() -> None:
    backbone, _ = streamed("llama")
    model = model_of(backbone)
    expected = scores(model, 3, 2)

    def refused() -> str:
        def fail(*_: Any) -> None:
            if torch.is_grad_enabled():
                raise AssertionError("gradients")
            raise ModelError("a layer of mine")

        handle = backbone.model.get_input_embeddings().register_forward_hook(fail)
        try:
            model.first_token_norm(random_pairs()[:1])
        except ModelError as error:
            return str(error)
        finally:
            handle.remove()
        return ""

    works: list[Callable[[], str | Tensor]] = [refused, partial(scores, model, 3, 2)]
    found = run_side_by_side(model, works)
    assert found[0] == "a layer of mine"
    assert isinstance(found[1], Tensor)
    assert torch.equal(found[1], expected)


def test_each_job_has_its_own_gradient_mode() -> None:
    backbone, _ = streamed("llama")
    model = model_of(backbone)
    modes: list[bool] = []

    def watched() -> None:
        for _ in model.capture(random_pairs(), "last"):
            modes.append(torch.is_grad_enabled())
        modes.append(torch.is_grad_enabled())

    run_side_by_side(model, [watched, watched, watched])
    assert all(modes)
    assert torch.is_grad_enabled()


def test_what_all_jobs_need_is_made_by_one_of_them() -> None:
    backbone, _ = streamed("llama")
    model = model_of(backbone)
    made: list[Tensor] = []

    def uses() -> Tensor:
        with one_at_a_time(model):
            if not made:
                made.append(scores(model, 3, 2))
        return made[0]

    first, second, third = run_side_by_side(model, [uses] * 3)
    assert len(made) == 1
    assert first is second is third


def test_the_times_of_jobs_add_up_to_that_of_all() -> None:
    backbone, _ = streamed("llama")
    model = model_of(backbone)
    clock = seconds_of(model)

    def timed() -> float:
        started = clock()
        scores(model, 8, 9)
        return clock() - started

    before = clock()
    parts = run_side_by_side(model, [timed, timed])
    whole = clock() - before
    assert min(parts) > 0
    assert sum(parts) <= whole * 1.001


def test_a_model_whose_long_texts_change_others_shares_no_stream() -> None:
    backbone, weights = streamed("llama")
    model = model_of(backbone)
    apart = [scores(model, 8, 9), scores(model, 3, 2)]
    assert isinstance(model.engine, TransformersEngine)
    model.engine.exactness._known_limit = 200  # as with rotary frequencies that follow the longest text
    before = weights.streams
    one = scores(model, 8, 9)
    alone = weights.streams - before
    found = run_side_by_side(model, [partial(scores, model, 8, 9), partial(scores, model, 3, 2)])
    assert weights.streams - before - alone == 2 * alone
    assert torch.equal(one, apart[0])
    assert all(torch.equal(one, other) for one, other in zip(found, apart, strict=True))


def test_a_model_in_memory_runs_them_one_after_the_other() -> None:
    order: list[int] = []

    def noted(number: int) -> int:
        order.append(number)
        return number

    assert run_side_by_side(Model(tiny("llama")), [partial(noted, number) for number in range(3)]) == [0, 1, 2]
    assert order == [0, 1, 2]
