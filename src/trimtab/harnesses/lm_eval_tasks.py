"""Tasks of lm-eval on a loaded model, under given pushes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from trimtab._util.suggest import suggestion
from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabError
from trimtab.evaluation.benchmarks import BenchmarkScore
from trimtab.harnesses.steered_model import SteeredModel
from trimtab.steering import Intervention

_BOOTSTRAP = 1000
"""Resamples of metrics whose standard error lm-eval has no formula for."""


class LMEvalTasks:
    """Tasks, groups and files of lm-eval."""

    def require(self) -> None:
        """See `trimtab.evaluation.benchmarks.Harness`."""
        if find_spec("lm_eval") is None:
            raise SettingError("tasks of lm-eval need its package: pip install 'trimtab[lm-eval]'")

    def scores(
        self, task: str, model: Model, pushes: Sequence[Intervention | None], *, limit: int
    ) -> list[list[BenchmarkScore]]:
        """See `trimtab.evaluation.benchmarks.Harness`."""
        self.require()
        from lm_eval import simple_evaluate

        from trimtab.harnesses.lm_eval_model import SteeredLM

        manager = _tasks(not task.endswith((".yaml", ".yml")))
        if manager.all_tasks and task not in manager.all_tasks:
            raise SettingError(f"lm-eval has no task {task!r}{suggestion(task, manager.all_tasks)}")
        found = []
        with _random_state():
            for push in pushes:
                try:
                    results = simple_evaluate(
                        model=SteeredLM(SteeredModel.of(model, push)), tasks=[task], task_manager=manager, limit=limit,
                        bootstrap_iters=_BOOTSTRAP,
                    )  # fmt: skip
                except (TrimtabError, MemoryError, torch.OutOfMemoryError):
                    raise
                except Exception as error:  # whatever a task's own code, a download or a data set raises
                    raise SettingError(f"lm_eval:{task} cannot be run: {_why(error)}") from error
                found.append(_scores(results))
        return found


LM_EVAL = LMEvalTasks()


@lru_cache
def _tasks(named: bool) -> Any:
    """lm-eval's own tasks, or none where a file says all; looking for them takes seconds."""
    from lm_eval.tasks import TaskManager

    return TaskManager(include_defaults=named)


def _scores(results: Mapping[str, Any]) -> list[BenchmarkScore]:
    """Every metric of every task in lm-eval's results, whose names are `metric,filter`."""
    found = []
    for task, metrics in results["results"].items():
        samples = results["samples"].get(task, [])
        better = results["higher_is_better"].get(task) or {}
        for key, value in metrics.items():
            metric, comma, kind = key.partition(",")
            if not comma or metric.endswith("_stderr") or not _is_number(value):
                continue
            error = metrics.get(f"{metric}_stderr,{kind}")
            found.append(
                BenchmarkScore(
                    task,
                    metric if kind == "none" else f"{metric} ({kind})",
                    float(value),
                    float(error) if _is_number(error) else None,
                    better.get(metric),
                    {
                        str(one["doc_id"]): float(one[metric])
                        for one in samples
                        if one["filter"] == kind and _is_number(one.get(metric))
                    },
                )
            )
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number | np.bool_)


def _why(error: Exception) -> str:
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}. Its data has to be on this machine, or reachable from it"


@contextmanager
def _random_state() -> Iterator[None]:
    """Leave the global generators, which lm-eval seeds, as they were."""
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
