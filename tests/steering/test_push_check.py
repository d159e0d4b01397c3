"""A push that changes nothing is no finding: it is an error, wherever it happens, and what may rightly rest is not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from sweeps import make_cells, score_rows
from tiny import CHAT_TEMPLATE, HYBRID, random_directions, random_pairs, tiny, tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model, Request
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.models import Backbone, Text, wrap
from trimtab.steering import Gate, Intervention, Positions, PushCheck, push_each, steered

IDS = torch.tensor([random_pairs(1)[0].positive[:9]])
PAIRS = random_pairs(3)
TEXTS = [Text(p.positive, p.prompt_length) for p in PAIRS]
PROMPT = PAIRS[0].positive[: PAIRS[0].prompt_length]

Work = Callable[[Model, Intervention], object]


def sweep(model: Model, cell: Intervention) -> object:
    return list(model.score(PAIRS, [cell], "text"))


def score_texts(model: Model, cell: Intervention) -> object:
    return list(model.score_texts(TEXTS, [cell]))


def reply(model: Model, cell: Intervention) -> object:
    return list(model.replies([Request(PROMPT, None, 3), Request(PROMPT, cell, 3)]))


def score_choices(model: Model, cell: Intervention) -> object:
    return score_rows(model.engine, PAIRS, [cell] * len(PAIRS), "choice")


@torch.no_grad()
def raw_pass(model: Model, cell: Intervention) -> object:
    with steered(model.backbone, [cell]):  # type: ignore[arg-type]
        return model.backbone.model(IDS)  # type: ignore[attr-defined]


@torch.no_grad()
def raw_generation(model: Model, cell: Intervention) -> object:
    with steered(model.backbone, [cell]):  # type: ignore[arg-type]
        return model.backbone.model.generate(IDS, max_new_tokens=3, pad_token_id=0)  # type: ignore[attr-defined]


WORKS: list[Work] = [sweep, score_texts, reply, score_choices, raw_pass, raw_generation]
everywhere = pytest.mark.parametrize("work", WORKS, ids=lambda work: work.__name__)


@pytest.fixture(scope="module", params=["llama", HYBRID])
def model(request: pytest.FixtureRequest) -> Model:
    return Model(tiny(request.param))


def push(model: Model, strength: float, positions: Positions = "all", **options: Any) -> Intervention:
    return Intervention({2: random_directions(model.backbone)[2]}, strength, positions=positions, **options)


@everywhere
@pytest.mark.parametrize("scale", ["raw", "relative", "rotate"])
def test_a_push_that_is_rounded_away_is_an_error(model: Model, work: Work, scale: Any) -> None:
    with pytest.raises(SettingError, match=r"layer 2 with strength 1e-30 .*float32"):
        work(model, push(model, 1e-30, scale=scale))


@everywhere
def test_strength_zero_pushes_nothing_and_may(model: Model, work: Work) -> None:
    work(model, push(model, 0.0))


@pytest.mark.parametrize("work", [sweep, reply, raw_generation], ids=lambda work: work.__name__)
@pytest.mark.parametrize("positions", ["after_prompt", "generated"])
def test_pushes_of_written_tokens_are_watched_too(model: Model, work: Work, positions: Positions) -> None:
    with pytest.raises(SettingError, match="is rounded away"):
        work(model, push(model, 1e-30, positions))


@everywhere
def test_each_of_several_layers_must_move(model: Model, work: Work) -> None:
    directions = random_directions(model.backbone)
    with pytest.raises(SettingError, match="layer 3"):
        work(model, Intervention({1: directions[1], 3: 1e-30 * directions[3]}, 1.0, "raw"))


@everywhere
def test_each_of_several_vectors_must_move(model: Model, work: Work) -> None:
    with pytest.raises(SettingError, match="strength 1e-30"):
        work(model, push(model, 1.0).and_also(push(model, 1e-30)))


@everywhere
def test_each_cell_of_many_must_move(model: Model, work: Work) -> None:
    if work in (sweep, score_texts):
        cells = [push(model, 1.0), push(model, 1e-30), push(model, -1.0)]
        for many in (lambda: list(model.score(PAIRS, cells, "text")), lambda: list(model.score_texts(TEXTS, cells))):
            with pytest.raises(SettingError, match="1e-30"):
                many()
    else:
        work(model, push(model, 1.0))
        with pytest.raises(SettingError, match="1e-30"):
            work(model, push(model, 1e-30))


@everywhere
def test_a_gate_that_stays_shut_may_leave_all_as_it_is(model: Model, work: Work) -> None:
    weight = random_directions(model.backbone)[2]
    shut = Gate({2: weight}, {2: 0.0}, threshold=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrimtabWarning)
        work(model, push(model, 1e-30, gate=shut))
    with pytest.raises(SettingError, match="is rounded away"):
        work(model, push(model, 1e-30, gate=replace(shut, threshold=0.0)))


@pytest.mark.parametrize("work", [sweep, score_texts, reply], ids=lambda work: work.__name__)
def test_a_projection_that_is_gone_already_is_a_warning(model: Model, work: Work) -> None:
    """Strength 1e-30 stands for a projection that is zero up to rounding."""
    with pytest.warns(TrimtabWarning, match="project_out at layer 2"):
        work(model, push(model, 1e-30, scale="project_out"))


def test_a_context_says_at_its_end_that_a_projection_was_gone(model: Model) -> None:
    context = model.steer(vector_for(model.backbone), layer=2, strength=1e-30, scale="project_out")
    with pytest.warns(TrimtabWarning, match="project_out at layer 2"), context, torch.no_grad():
        model.backbone.model(IDS)  # type: ignore[attr-defined]


def test_plus_and_minus_in_contexts_in_one_another_are_two_pushes(model: Model) -> None:
    vector = vector_for(model.backbone)
    with model.steer(vector, layer=1, strength=1.0), model.steer(vector, layer=1, strength=-1.0), torch.no_grad():
        model.backbone.model(IDS)  # type: ignore[attr-defined]
        list(model.replies([Request(PROMPT, None, 2)]))


def test_a_context_without_a_pass_says_that_nothing_was_steered(model: Model) -> None:
    with (
        pytest.warns(TrimtabWarning, match="without a pass"),
        model.steer(vector_for(model.backbone), layer=1),
    ):
        pass


def test_a_context_whose_passes_hold_no_token_at_its_positions_says_so(model: Model) -> None:
    with (
        pytest.warns(TrimtabWarning, match="no pass in it held a token at positions generated"),
        model.steer(vector_for(model.backbone), layer=1, positions="generated"),
        torch.no_grad(),
    ):
        model.backbone.model(IDS)  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("error::trimtab.errors.TrimtabWarning")
def test_a_context_that_steered_says_nothing(model: Model) -> None:
    vector = vector_for(model.backbone)
    with model.steer(vector, layer=1), torch.no_grad():
        model.backbone.model(IDS)  # type: ignore[attr-defined]
    with model.steer(vector, layer=1, strength=0.0), torch.no_grad():
        model.backbone.model(IDS)  # type: ignore[attr-defined]
    with model.steer(vector, layer=1, positions="generated"):
        list(model.replies([Request(PROMPT, None, 1)]))
    with pytest.raises(ZeroDivisionError), model.steer(vector, layer=1):
        _ = 1 / 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_the_error_names_the_number_format(dtype: torch.dtype) -> None:
    backbone = wrap(tiny_model("llama").to(dtype), tiny_tokenizer(CHAT_TEMPLATE), name="tiny")
    cell = Intervention({2: random_directions(backbone)[2]}, 1e-7, "raw")
    with pytest.raises(SettingError, match=str(dtype)[6:]):
        sweep(Model(backbone), cell)


@pytest.mark.parametrize("scale", ["raw", "relative", "rotate", "project_out", "clamp"])
def test_a_direction_of_zeros_is_refused_unless_the_strength_is_zero(scale: Any) -> None:
    with pytest.raises(SettingError, match="layer 1 is zero"):
        Intervention({0: torch.ones(3), 1: torch.zeros(3)}, 1.0, scale)
    Intervention({0: torch.ones(3), 1: torch.zeros(3)}, 0.0, "raw")


def test_every_scale_moves_something(llama: Backbone) -> None:
    """So that the checks above are not of pushes that never move."""
    for cell in make_cells(llama):
        raw_pass(Model(llama), cell)


def test_an_intervention_is_one_line_without_its_numbers() -> None:
    one = Intervention({9: torch.ones(500), 3: torch.ones(500)}, 0.5, "relative", "after_prompt")
    assert repr(one) == "Intervention(layers 3, 9: strength 0.5 relative, positions after_prompt)"
    gate = Gate({4: torch.ones(500)}, {4: 0.0})
    two = one.and_also(Intervention({4: torch.ones(500)}, -1.0, "raw", "after_prompt", gate=gate))
    assert repr(two).endswith("+ Intervention(layer 4: strength -1 raw, positions after_prompt, gated)")
    assert "tensor" not in repr(gate)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_push_counts_where_it_is_left_and_not_where_any_would_be(dtype: torch.dtype) -> None:
    """Entries that are zero take any push: alone they are no push, unless the push is along them."""
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(3, 64, generator=generator).to(dtype)
    state[:, :4] = 0
    wide, narrow = torch.ones(64), torch.zeros(64)
    narrow[0] = 1.0
    everywhere = torch.ones(3, dtype=torch.bool)

    def moved(direction: torch.Tensor, strength: float, scale: str = "relative") -> bool:
        cell, check = Intervention({0: direction}, strength, scale), PushCheck()
        push_each(state, cell.aims(0), everywhere, look=check.look(cell, 0))
        try:
            check.settle(dtype)
        except SettingError:
            return False
        return True

    pushed = push_each(state, Intervention({0: wide}, 1e-6, "relative").aims(0), everywhere)
    assert not torch.equal(pushed, state), "the entries that are zero"
    assert not moved(wide, 1e-6)
    assert moved(wide, 0.05)
    assert moved(narrow, 1e-6)
    for scale, small, large in (("raw", 1e-7, 0.1), ("rotate", 1e-5, 10.0)):
        assert not moved(wide, small, scale)
        assert moved(wide, large, scale)
