"""docs/harnesses.md: its commands name arguments that exist, its task runs, and its comparison finds the difference."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lm_eval")

from documented_commands import shown
from inspect_ai import eval
from inspect_ai.model import get_model
from lm_eval import simple_evaluate
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

import trimtab.harnesses.inspect_registry  # makes the provider known
import trimtab.harnesses.lm_eval_model  # noqa: F401
from harnesses.saved_models import Saved, saved
from trimtab.harnesses._arguments import LOAD_KEYS, OPTION_KEYS, PLACE_KEYS, Arguments, parse_name
from trimtab.harnesses.lm_harness import main

PAGE = Path(__file__).parents[2] / "docs" / "harnesses.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r'^```python title="([\w.]+)"\n(.*?)^```', TEXT, re.MULTILINE | re.DOTALL))
TASK = {
    "task": "arc_easy", "output_type": "multiple_choice", "test_split": "test", "doc_to_text": "Q: {{question}}\nA:",
    "doc_to_target": "{{gold}}", "doc_to_choice": "{{choices}}", "metric_list": [{"metric": "acc"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return saved(tmp_path_factory.mktemp("page"))


def typed_arguments(words: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The model and the arguments of a command of either harness."""
    flags = ("--model", "-M", "--model_args")
    after = {flag: [words[i + 1] for i, word in enumerate(words) if word == flag] for flag in flags}
    given = dict(pair.split("=", 1) for pair in [*after["-M"], *",".join(after["--model_args"]).split(",")] if pair)
    return given.pop("model", after["--model"][0].removeprefix("trimtab/")), given


@pytest.mark.parametrize("one", [*shown("inspect"), *shown("trimtab-lm-eval")], ids=str)
def test_commands_name_arguments_that_exist(one: Any) -> None:
    model, given = typed_arguments(one.words)
    assert parse_name(model).model == "smollm2-135m"
    assert set(Arguments.sort(given).place) <= set(PLACE_KEYS)
    assert bool(parse_name(model).vector) == ("vectors" in given)


def test_every_argument_is_on_the_page() -> None:
    table = TEXT.partition("## Arguments")[2].partition("\n## ")[0]
    shown_there = set(re.findall(r"`(\w+)`", table))
    assert {*PLACE_KEYS, *OPTION_KEYS} <= shown_there
    assert shown_there & set(LOAD_KEYS)


def _run_inspect(files: Saved) -> None:
    task: dict[str, Any] = {}
    exec(compile(BLOCKS["hello.py"], "hello.py", "exec"), task)
    for folder, arguments in (("logs/steered", files.arguments), ("logs/plain", {"dtype": "float32"})):
        model = get_model(f"trimtab/{files.model}", memoize=False, **arguments)
        (log,) = eval(task["hello"](), model=model, log_dir=folder, display="none", max_tokens=24)
        assert log.status == "success"
        model.api.close()


def _run_lm_eval(files: Saved, folder: Path) -> None:
    rows = [{"question": f"What is {n}?", "choices": ["yes", "no", "maybe"], "gold": n % 3} for n in range(8)]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    place = {"data_files": {"test": str(folder / "test.jsonl")}, "cache_dir": str(folder / "cache")}
    (folder / "arc_easy.yaml").write_text(json.dumps({**TASK, "dataset_path": "json", "dataset_kwargs": place}))
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    for out, arguments in (("out/steered", files.arguments), ("out/plain", {"dtype": "float32"})):
        tracker = EvaluationTracker(output_path=out)
        found = simple_evaluate(
            model="trimtab", model_args={"model": files.model, **arguments}, tasks=["arc_easy"], task_manager=manager,
            log_samples=True, evaluation_tracker=tracker, bootstrap_iters=0,
        )  # fmt: skip
        samples = found.pop("samples")
        tracker.save_results_aggregated(results=found, samples=samples)
        tracker.save_results_samples(task_name="arc_easy", samples=samples["arc_easy"])


def test_two_evaluations_are_compared_as_the_page_says(
    files: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    _run_inspect(files)
    _run_lm_eval(files, tmp_path)
    capsys.readouterr()
    compare: dict[str, Any] = {}
    exec(compile(BLOCKS["compare.py"], "compare.py", "exec"), compare)
    printed = capsys.readouterr().out
    assert re.search(r"hello: [+-]\d\.\d{3} \[[+-]\d\.\d{3}, [+-]\d\.\d{3}\] over 3 questions", printed), printed
    assert re.search(r"arc_easy: [+-]\d\.\d{3} \[[+-]\d\.\d{3}, [+-]\d\.\d{3}\] over 8 questions", printed), printed
    steered = compare["of_lm_eval"]("out/steered", "acc")
    assert set(steered) == set(map(str, range(8)))
    assert compare["difference"]({"a": 1.0, "b": 1.0, "c": 0.0}, {"a": 0.0, "b": 1.0}).startswith("+0.500 [")


def test_the_command_of_lm_eval_is_declared() -> None:
    project = pytest.importorskip("tomllib").loads((PAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, name = project["project"]["scripts"]["trimtab-lm-eval"].partition(":")
    assert getattr(importlib.import_module(module), name) is main
