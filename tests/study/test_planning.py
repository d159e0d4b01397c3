"""Plans without network: what the study file tells is counted with, and said to be an estimate."""

from pathlib import Path
from typing import Any

import pytest

from trimtab.cli.main import main
from trimtab.data import dataset
from trimtab.errors import ModelError, SettingError, UnreachableError
from trimtab.study import make_study, plan_study
from trimtab.study.plan._estimates import FROM_FACTS, FROM_SIZE, CountingTokenizer
from trimtab.study.plan.accelerators import ACCELERATORS, UTILISATION
from trimtab.study.ray.planned import planned_on_ray

FACTS = {"layers": 12, "width": 64, "heads": 4, "kv_heads": 2, "parameters": "1B"}
MODEL = {"id": "nobody/nothing", "facts": FACTS}
HUB = "hub:nobody/nothing/file.jsonl"
SIZE = {"pairs": 100, "characters": 200}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.study.plan._estimates.hub_answers", lambda: False)


def study(**changes: Any) -> Any:
    return make_study({"models": [MODEL], "behaviors": ["corrigible"], "strengths": [-1, 1], **changes})


def test_facts_stand_in_for_a_configuration_and_the_plan_says_so() -> None:
    plan = plan_study(study(), "h100")
    (model,) = plan.models
    assert model.note == FROM_FACTS
    assert (model.layers, model.parameters, model.active_parameters) == (12, 10**9, 10**9)
    assert model.steps[0].cells == 24
    assert model.steps[0].note == ""
    assert model.flops == 2 * 10**9 * model.tokens
    assert model.seconds == pytest.approx(model.flops / (989e12 * UTILISATION))
    assert FROM_FACTS in plan.text()


def test_without_facts_a_model_that_cannot_be_reached_is_refused_with_what_to_do() -> None:
    with pytest.raises(ModelError, match="give its facts in the study file: layers, width and parameters"):
        plan_study(study(models=["nobody/nothing"]))
    with pytest.raises(ModelError, match="layers, width and parameters"):
        plan_study(study(models=[{"id": "nobody/nothing", "facts": {"layers": 12}}]))


def test_a_folder_that_is_not_there_is_refused_whatever_the_facts() -> None:
    with pytest.raises(ModelError, match="no such folder"):
        plan_study(study(models=[{"id": "./not/here", "facts": FACTS}]))


def test_a_size_stands_in_for_pairs_on_the_hub_and_the_plan_says_so() -> None:
    plan = plan_study(study(behaviors=[{"source": HUB, "size": SIZE, "limit": 80}]), "h100")
    (step,) = plan.steps
    assert step.note == FROM_SIZE
    assert (step.behavior, step.scoring) == ("file", "choice")
    assert (step.pairs, step.prompts) == (80, 80)
    assert f"pairs of file: {FROM_SIZE}" in plan.text()


@pytest.mark.parametrize("setting", [HUB, {"source": HUB, "size": SIZE, "scoring": "text"}])
def test_without_a_size_pairs_that_cannot_be_reached_are_refused(setting: Any) -> None:
    with pytest.raises(UnreachableError, match="to plan without it, give its size"):
        plan_study(study(behaviors=[setting]))


def test_a_question_of_given_length_is_that_long() -> None:
    short, long = (
        plan_study(study(behaviors=[{"source": HUB, "size": {"pairs": 100, "characters": n}}]), "h100").steps[0]
        for n in (200, 240)
    )
    assert long.naive_tokens - short.naive_tokens == 10 * (100 * 2 + 100 * 25)


def test_pieces_of_four_characters_share_their_beginnings() -> None:
    tokens = CountingTokenizer()
    one, other = (tokens(text)["input_ids"] for text in ("the same start, A", "the same start, B"))
    assert len(one) == 5
    assert one[:4] == other[:4]
    assert one[4] != other[4]


def test_the_hub_is_left_alone_where_pairs_are_here(tmp_path: Path) -> None:
    assert plan_study(study(behaviors=["corrigible"]), "a100").steps[0].prompts == len(dataset("corrigible"))


@pytest.mark.parametrize(("name", "gpus"), [("h100", 7), ("h200", 4), ("b200", 4), ("mi300x", 3), ("a100-40gb", 14)])
def test_gpus_are_counted_by_memory(name: str, gpus: int) -> None:
    assert ACCELERATORS[name].needed(487.4e9) == gpus


def test_an_accelerator_needs_sixteen_bits_and_a_known_name() -> None:
    with pytest.raises(SettingError, match="in 16 bits"):
        plan_study(study(models=[{**MODEL, "dtype": "float32"}]), "h100")
    with pytest.raises(SettingError, match="unknown; they are a100"):
        plan_study(study(), "tpu")


def test_an_accelerator_is_for_planning_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("behaviors: [cheerful]\n")
    assert main(["study", str(file), "--accelerator", "h100"]) == 2
    assert "--dry-run" in capsys.readouterr().err
    assert main(["study", str(file), "--accelerator", "h1000", "--dry-run"]) == 2
    assert "h100" in capsys.readouterr().err


def test_a_plan_for_ray_shares_the_sweeps_of_the_longest_model() -> None:
    other = {**MODEL, "id": "nobody/other", "resources": {"workers": 1}, "facts": {**FACTS, "parameters": "0.1B"}}
    wanted = study(models=[MODEL, other], diagnosis=True)
    plan = plan_study(wanted, "h100")
    steps = plan.models[0].timed.values()
    sweep = sum(step.seconds for step in steps if step.measure == "scores")
    rest = sum(step.seconds for step in steps) - sweep
    assert 0 < rest < sweep
    for workers, helped in ((1, ""), (4, ", of which 4 workers share the sweeps")):
        hours = f"{(rest + sweep / workers) / 3600:.3g} GPU hours"
        words = f"on Ray, with room for all workers: nobody/nothing{helped}, takes longest, {hours}"
        assert planned_on_ray(plan, wanted, workers) == words


def test_a_divided_model_on_ray_is_refused_in_a_plan_as_in_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("models: [{id: smollm2-135m, tensor_parallel: 3}]\nbehaviors: [cheerful]\n")
    assert main(["study", str(file), "--dry-run", "--ray"]) == 2
    assert "that Ray does not start" in capsys.readouterr().err


def test_workers_without_ray_are_refused_in_a_plan_as_in_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "study.yaml"
    file.write_text("models: [smollm2-135m]\nbehaviors: [cheerful]\n")
    assert main(["study", str(file), "--dry-run", "--workers", "2"]) == 2
    assert "give --ray too" in capsys.readouterr().err
