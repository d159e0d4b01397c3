"""How long a plan says that things take: measured on the model, or on a stand-in, for the steps that a run reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from gguf_files import tensors, write_gguf
from trimtab._util.callbacks import StepName
from trimtab.models import Facts
from trimtab.study import make_study, plan_study, run_study
from trimtab.study.plan._calibration import _calibrated, _measured
from trimtab.study.plan._stand_in import ASSUMED, MIN_PARAMETERS, measurable, stand_in
from trimtab.study.step_names import REPORT, replying

CPU, FLOAT32 = torch.device("cpu"), torch.float32
VOCABULARY = 1000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_gguf(tmp_path_factory.mktemp("model") / "small.gguf", tensors()))


def facts(**changes: Any) -> Facts:
    about = {
        "architecture": "", "layers": 12, "width": 96, "heads": 4, "kv_heads": 2, "head_size": 24, "gqa_ratio": 2.0,
        "parameters": 24_000_000, "active_parameters": 24_000_000, "tied_embeddings": True, "context": 0, "moe": False,
    }  # fmt: skip
    return Facts(**{**about, **changes})


def study(model: str, **changes: Any) -> Any:
    about = {
        "models": [{"id": model, "name": "m"}], "behaviors": [{"source": "cheerful", "limit": 20}], "layers": "1",
        "strengths": [-1, 1], "scale": "relative",
    }  # fmt: skip
    return make_study({**about, **changes})


def test_a_small_model_on_this_disk_is_timed_itself_once(model: str) -> None:
    plan = plan_study(study(model))
    (planned,) = plan.models
    assert planned.assumed == ""
    assert all(step.seconds > 0 for step in planned.timed.values())
    before = _calibrated.cache_info().misses
    again = plan_study(study(model, strengths=[-2, -1, 1, 2])).models[0]
    assert _calibrated.cache_info().misses == before
    assert set(again.timed) == set(planned.timed)


def test_a_stand_in_has_the_shapes_of_the_model_and_its_times_are_scaled_by_parameters() -> None:
    found = stand_in(facts(), VOCABULARY, FLOAT32, CPU, 96_000_000)
    made = found.model.facts
    assert (made.width, made.heads, made.kv_heads, made.head_size) == (96, 4, 2, 24)
    assert made.layers == 12  # of a model this small, all of them
    assert found.layers == pytest.approx(1, rel=0.05)
    assert found.whole == pytest.approx(1, rel=0.05)
    assert found.load_seconds == pytest.approx(0.192)
    assert found.assumed == ASSUMED
    large = stand_in(facts(parameters=10**9, active_parameters=10**9, layers=20), VOCABULARY, FLOAT32, CPU, 4 * 10**9)
    own = large.model.facts
    assert own.layers < 20
    assert own.parameters > MIN_PARAMETERS
    assert large.layers * own.parameters == pytest.approx(10**9, rel=0.05)


def test_a_stand_in_can_be_timed_in_every_way() -> None:
    pace = _measured(stand_in(facts(), VOCABULARY, FLOAT32, CPU, 96_000_000), 1)
    assert min(pace.score, pace.capture, pace.read, pace.reread, pace.prompt, pace.step + pace.row) > 0
    assert pace.score < 0.5  # seconds a token of a model of 24 million parameters


def test_large_weights_are_not_loaded_for_a_plan(model: str) -> None:
    assert measurable(model, facts(), VOCABULARY, FLOAT32, CPU, 96_000_000).assumed == ""
    assert measurable(model, facts(), VOCABULARY, FLOAT32, CPU, 10**10).assumed == ASSUMED


@pytest.fixture
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.study.plan._estimates.hub_answers", lambda: False)


@pytest.mark.usefixtures("_offline")
def test_the_plan_of_a_model_that_is_not_here_says_what_its_time_rests_on() -> None:
    about = {"layers": 12, "width": 96, "heads": 4, "kv_heads": 2, "parameters": "24M"}
    text = plan_study(study("nobody/nothing", models=[{"id": "nobody/nothing", "facts": about}])).text()
    assert ASSUMED in text
    assert " on this machine" in text


def test_replies_that_end_early_make_the_lower_end_of_the_range(model: str) -> None:
    replies = {"prompts": 2, "max_new_tokens": 400, "judges": [{"pattern": "a"}]}
    steps, words = plan_study(study(model, replies=replies)).steps_of()
    step = steps[replying("cheerful", "m")]
    assert 0 < step.early < step.seconds
    assert step.count == 2 * 3 + 2 * 3
    assert words.endswith(" on this machine")
    assert list(steps)[-1] == REPORT


def test_what_a_check_adds_is_timed_alone(model: str) -> None:
    plan = plan_study(study(model, side_effects={"prompts": 4, "random": 1}, robustness=True))
    steps, _ = plan.steps_of("robustness")
    assert [getattr(key, "short", key) for key in steps] == ["load m", "robustness of cheerful", "write the report"]


def test_a_run_reports_the_steps_that_its_plan_expects_in_that_order(model: str, tmp_path: Path) -> None:
    whole = study(
        model, dose=True, diagnosis=True, robustness={"prompts": 4, "translations": False},
        replies={"prompts": 2, "max_new_tokens": 4, "judges": [{"pattern": "a"}], "strengths": [-2, 2]},
    )  # fmt: skip
    expected, _ = plan_study(whole).steps_of()
    reported: dict[str, list[tuple[int, int]]] = {}

    def progress(what: str, done: int, total: int) -> None:
        assert isinstance(what, StepName)
        reported.setdefault(what.key, []).append((done, total))

    run_study(whole, tmp_path / "run", progress=progress)
    assert [key for key in reported if key in expected] == [key for key in expected if key != REPORT]
    assert all(events[-1][0] == events[-1][1] for events in reported.values())
    unplanned = {key.partition(" ")[0] for key in reported if key not in expected}
    assert unplanned <= {"judge", "read"}  # judging is not timed, and pairs are read inside of a measure
    counts = [done for done, _ in reported[replying("cheerful", "m")]]
    assert set(range(7)) <= set(counts)  # one by one while they are written
