"""Tasks of Inspect on a loaded model, under given pushes."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import torch

from trimtab.engines import Model
from trimtab.errors import SettingError, TrimtabError
from trimtab.evaluation.benchmarks import BenchmarkScore
from trimtab.harnesses.steered_model import SteeredModel
from trimtab.steering import Intervention

_HIGHER_IS_BETTER = {"accuracy": True}
"""Of metrics whose name says it; Inspect itself does not."""


class InspectTasks:
    """Tasks of installed packages (`inspect_evals/gsm8k`) and of files (`tasks.py`, `tasks.py@name`)."""

    def require(self) -> None:
        """See `trimtab.evaluation.benchmarks.Harness`."""
        if find_spec("inspect_ai") is None:
            raise SettingError("tasks of Inspect need its package: pip install 'trimtab[inspect]'")

    def scores(
        self, task: str, model: Model, pushes: Sequence[Intervention | None], *, limit: int
    ) -> list[list[BenchmarkScore]]:
        """See `trimtab.evaluation.benchmarks.Harness`."""
        self.require()
        from inspect_ai import eval as evaluate

        from trimtab.harnesses._inspect_provider import given_model

        found = []
        with tempfile.TemporaryDirectory() as logs:
            for push in pushes:
                asked = given_model(SteeredModel.of(model, push))
                try:
                    every = evaluate(task, model=asked, limit=limit, log_dir=logs, display="none")
                except (TrimtabError, MemoryError, torch.OutOfMemoryError):
                    raise
                except Exception as error:  # whatever a task's own code, a download or a data set raises
                    raise _refusal(task, f"{type(error).__name__}: {error}") from error
                finally:
                    asked.api.close()
                if not every:
                    raise _refusal(task, "there is no such task here")
                found.append([score for log in every for score in _scores(task, log)])
        return found


INSPECT = InspectTasks()


def _scores(task: str, log: Any) -> list[BenchmarkScore]:
    """Every metric of every scorer of one task."""
    if log.status != "success":
        why = log.error.message if log.error is not None else f"it ended as {log.status}"
        raise _refusal(task, why)
    found = []
    for score in log.results.scores:
        errors = [one.value for name, one in score.metrics.items() if name.startswith("stderr")]
        samples = _samples(log, score)
        for name, metric in score.metrics.items():
            if name.startswith("stderr"):
                continue
            alone = len(log.results.scores) == 1
            found.append(
                BenchmarkScore(
                    log.eval.task,
                    name if alone else f"{name} ({score.name})",
                    float(metric.value),
                    float(errors[0]) if len(errors) == 1 and math.isfinite(errors[0]) else None,
                    _HIGHER_IS_BETTER.get(name),
                    samples,
                )
            )
    return found


def _samples(log: Any, score: Any) -> dict[str, float]:
    """What a scorer gave each sample, on average over its epochs; none where it is no number."""
    from inspect_ai.scorer import value_to_float

    number = value_to_float()
    values: dict[str, list[float]] = {}
    for sample in log.samples or []:
        given = (sample.scores or {}).get(score.scorer)
        value = None if given is None else given.value
        if isinstance(value, Mapping):
            value = value.get(score.name)
        if value is None or (isinstance(value, Sequence) and not isinstance(value, str)):
            return {}
        values.setdefault(str(sample.id), []).append(number(value))
    return {name: sum(some) / len(some) for name, some in values.items()}


def _refusal(task: str, why: str) -> SettingError:
    text = " ".join(why.split())[:300]
    return SettingError(
        f"inspect:{task} cannot be run: {text}. The package that has the task must be installed, and its data be on "
        "this machine, or reachable from it"
    )
