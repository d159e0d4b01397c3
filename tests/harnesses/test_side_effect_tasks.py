"""Tasks of harnesses in side effects: run at the chosen settings, by the harness itself, on the model of the study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytest.importorskip("lm_eval")

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

import trimtab as tt
from harnesses.saved_models import LAYER, STRENGTH, Saved, saved
from trimtab.errors import SettingError
from trimtab.evaluation import Grid
from trimtab.evaluation.benchmarks import HARNESSES, Benchmark, benchmark_samples
from trimtab.steering import SteeringSetting
from trimtab.store.cached_tables import read_cached_tables
from trimtab.study import RunFolder, read_study, report_runs, run_study
from trimtab.study.plan.planning import plan_study

QUESTIONS = [
    {"question": f"What is {number}?", "choices": ["Good", "No", "Perhaps later"], "gold": number % 3}
    for number in range(9)
]
CHOICES: dict[str, Any] = {
    "task": "choices", "output_type": "multiple_choice", "test_split": "test", "doc_to_text": "Q: {{question}}\nA:",
    "doc_to_target": "{{gold}}", "doc_to_choice": "{{choices}}",
    "metric_list": [{"metric": "acc", "higher_is_better": True}],
}  # fmt: skip
INSPECT_FILE = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import GenerateConfig
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

@task
def greetings():
    samples = [Sample(prompt, target=target, id=prompt) for prompt, target in TARGETS]
    return Task(samples, solver=generate(), scorer=includes(), config=GenerateConfig(max_tokens=8))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return saved(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def loaded(files: Saved) -> tt.Model:
    return files.load()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A task of each harness, whose data are here."""
    place = tmp_path_factory.mktemp("task-files")
    lines = "".join(json.dumps(one) + "\n" for one in QUESTIONS)
    (place / "test.jsonl").write_text(lines, encoding="utf-8")
    data = {"data_files": {"test": str(place / "test.jsonl")}, "cache_dir": str(place / "cache")}
    config = {**CHOICES, "dataset_path": "json", "dataset_kwargs": data}
    (place / "choices.yaml").write_text(json.dumps(config), encoding="utf-8")
    return place


GRID = Grid(((LAYER,),), (-STRENGTH, STRENGTH), SteeringSetting())


def test_a_task_of_lm_eval_gives_the_harnesss_own_numbers_in_every_cell(
    files: Saved, loaded: tt.Model, folder: Path
) -> None:
    benchmark = Benchmark.parse("choices.yaml", folder)
    vector = tt.SteeringVector.load(files.vector)
    table = benchmark_samples(loaded, vector, GRID, "kind", benchmark, limit=6)
    assert set(table["benchmark"]) == {"lm_eval:choices.yaml"}
    for strength in (0.0, -STRENGTH, STRENGTH):
        steering = {"vector": files.vector, "layer": LAYER, "strength": strength} if strength else {}
        theirs = simple_evaluate(
            model="trimtab", model_args={"model": files.model, "dtype": "float32", **steering},
            tasks=[str(folder / "choices.yaml")], task_manager=TaskManager(include_defaults=False), limit=6,
        )  # fmt: skip
        mine = table[table["strength"] == strength]
        assert mine["metric_value"].unique().tolist() == [pytest.approx(theirs["results"]["choices"]["acc,none"])]
        assert mine["stderr"].iloc[0] == pytest.approx(theirs["results"]["choices"]["acc_stderr,none"])
        samples = {str(one["doc_id"]): one["acc"] for one in theirs["samples"]["choices"]}
        assert dict(zip(mine["sample"], mine["value"], strict=True)) == pytest.approx(samples)
        assert len(samples) == 6
        assert set(mine["better"]) == {"higher"}


def test_a_task_of_inspect_gives_its_metric_error_and_samples(files: Saved, loaded: tt.Model, folder: Path) -> None:
    vector, prompts = tt.SteeringVector.load(files.vector), ["Hello", "Why?", "And then?", "Oh", "left out"]
    push = GRID.intervention(vector, GRID.steered[-1])
    replies = loaded.generate(prompts, interventions=[push] * 5, max_new_tokens=8)
    targets = [(one, replies[place] if place != 2 else "never there") for place, one in enumerate(prompts)]
    (folder / "greetings.py").write_text(INSPECT_FILE.replace("TARGETS", repr(targets)), encoding="utf-8")
    table = benchmark_samples(loaded, vector, GRID, "kind", Benchmark.parse("greetings.py@greetings", folder), limit=4)
    assert set(table["task"]) == {"greetings"}
    assert set(table["metric"]) == {"accuracy"}
    steered, plain = table[table["strength"] == STRENGTH], table[table["strength"] == 0]
    assert dict(zip(steered["sample"], steered["value"], strict=True)) == dict(
        zip(prompts[:4], [1.0, 1.0, 0.0, 1.0], strict=True)
    )
    assert steered["metric_value"].iloc[0] == pytest.approx(0.75)
    assert steered["stderr"].iloc[0] == pytest.approx(0.25)
    assert plain["metric_value"].iloc[0] < 0.75, "the push is on the model that Inspect asks, and on no other"


@pytest.mark.parametrize("text", ["arc_easy", "lm_eval:", "other:task", "nowhere.yaml", "inspect:no/such/task"])
def test_what_is_no_task_is_refused(loaded: tt.Model, files: Saved, text: str) -> None:
    vector = tt.SteeringVector.load(files.vector)
    with pytest.raises(SettingError, match=r"task|harness"):
        benchmark_samples(loaded, vector, GRID, "kind", Benchmark.parse(text), limit=4)


def test_a_task_without_its_data_is_refused_in_words(loaded: tt.Model, folder: Path) -> None:
    broken = {**CHOICES, "task": "gone", "dataset_path": "json", "dataset_kwargs": {"data_files": "nowhere.jsonl"}}
    (folder / "gone.yaml").write_text(json.dumps(broken), encoding="utf-8")
    with pytest.raises(SettingError, match="data has to be on this machine"):
        HARNESSES.get("lm_eval").scores(str(folder / "gone.yaml"), loaded, [None], limit=2)


@pytest.mark.parametrize(("name", "package"), [("lm_eval", "lm-eval"), ("inspect", "inspect")])
def test_a_harness_that_is_not_installed_is_named_with_what_to_install(
    name: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"trimtab.harnesses.{name}_tasks.find_spec", lambda module: None)
    with pytest.raises(SettingError, match=rf"trimtab\[{package}\]"):
        HARNESSES.get(name).require()


def test_a_study_runs_tasks_at_its_chosen_setting_and_reports_them(files: Saved, folder: Path, tmp_path: Path) -> None:
    content = {
        "name": "tasks", "models": [{"id": files.model, "dtype": "float32"}],
        "behaviors": [{"source": "permissive", "limit": 16}], "layers": "1", "strengths": [-0.4, 0.4],
        "side_effects": {
            "random": 0, "prompts": 4, "max_new_tokens": 2, "measure": ["concise"],
            "tasks": [str(folder / "choices.yaml")], "task_limit": 5,
        },
    }  # fmt: skip
    (folder / "study.yaml").write_text(json.dumps(content), encoding="utf-8")
    study = read_study(folder / "study.yaml")
    plan = plan_study(study).text()
    assert f"not counted: the time of tasks, up to 5 samples each, unsteered and at each setting: {folder}" in plan
    run = run_study(study, tmp_path / "run")
    found = read_cached_tables(RunFolder(run), "side_effects", "tasks")
    assert found is not None
    assert set(found["strength"]) == {0.0, -0.4, 0.4}, "unsteered, and the best cell at both signs"
    assert found.groupby("strength")["sample"].nunique().tolist() == [5, 5, 5]
    report_runs([run], run / "report.html")
    written = pd.read_csv(run / "tables" / "side_tasks.csv")
    assert written["task"].tolist() == ["choices", "choices"]
    assert "Tasks of harnesses" in (run / "report.html").read_text(encoding="utf-8")
