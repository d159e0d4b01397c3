"""Benchmarks: tasks of evaluation harnesses, on a model as it is and under the pushes of some cells."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from trimtab._util.registry import Entry, Registry
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.evaluation.grid import Grid
from trimtab.inputs.bounded_files import FileKind, read_bytes
from trimtab.steering import UNSTEERED, Intervention, require_fit
from trimtab.vectors import SteeringVector

_TASK_FILE = FileKind("task file", 1 << 24, SettingError)
_OF_SUFFIX = {".yaml": "lm_eval", ".yml": "lm_eval", ".py": "inspect"}
_EQUAL = 1e-6
"""Relative difference up to which the mean of the samples is the metric itself."""


@dataclass(frozen=True)
class BenchmarkScore:
    """One metric of one task."""

    task: str
    metric: str
    """As the harness names it."""
    value: float
    stderr: float | None
    """The harness's own standard error; None where it gives none."""
    higher_is_better: bool | None
    """None where the harness does not say."""
    samples: Mapping[str, float] = field(default_factory=dict)
    """The metric of each sample, where it has one."""


class Harness(Protocol):
    """Runs tasks in this process."""

    def require(self) -> None:
        """Refuse to continue where it is not installed.

        Raises:
            SettingError: with what to install.
        """
        ...

    def scores(
        self, task: str, model: Model, pushes: Sequence[Intervention | None], *, limit: int
    ) -> list[list[BenchmarkScore]]:
        """All metrics of a task (or of the tasks of a group), once under each push.

        Args:
            task: its name in the harness, or a file.
            model: from `trimtab.load`.
            pushes: None for the model as it is.
            limit: samples at most, the first ones of the task.

        Raises:
            SettingError: for a task that there is not, or whose data cannot be read.
        """
        ...


HARNESSES: Registry[Harness] = Registry(
    "harness",
    "trimtab.harnesses",
    {
        "lm_eval": Entry("trimtab.harnesses.lm_eval_tasks:LM_EVAL", "Tasks of lm-evaluation-harness."),
        "inspect": Entry("trimtab.harnesses.inspect_tasks:INSPECT", "Tasks of Inspect."),
    },
)
"""What tasks may come from, by the word before the colon."""


@dataclass(frozen=True)
class Benchmark:
    """A task by name: `lm_eval:arc_easy`, `inspect:inspect_evals/gsm8k`, or a file of one of the two."""

    harness: str
    task: str
    """Its name there, or the path of a file."""

    @classmethod
    def parse(cls, text: str, folder: Path | None = None) -> Benchmark:
        """Read a task's name.

        Args:
            text: `HARNESS:TASK`; or a file: `.yaml` of lm-eval, `.py` of Inspect (`tasks.py@name` for one of several).
            folder: what paths are relative to.

        Raises:
            SettingError: for another form, a harness that there is not, and a file that is missing.
        """
        path, at, _ = text.rpartition("@") if ".py@" in text else (text, "", "")
        suffix = Path(path).suffix
        harness, colon, task = text.partition(":")
        if suffix in _OF_SUFFIX and harness not in HARNESSES.names():
            place = (folder or Path()) / path
            if not place.is_file():
                raise SettingError(f"{place}: no such file of a task")
            return cls(_OF_SUFFIX[suffix], str(place.resolve()) + (text[len(path) :] if at else ""))
        if not colon or not task:
            raise SettingError(
                f"{text!r} is no task; write HARNESS:TASK, such as lm_eval:arc_easy (harnesses: "
                f"{', '.join(HARNESSES.names())}), or a file, .yaml of lm-eval or .py of Inspect"
            )
        return cls(HARNESSES.require(harness), task)

    @property
    def name(self) -> str:
        """In tables: without the folder of a file."""
        return f"{self.harness}:{Path(self.task).name if self._file is not None else self.task}"

    @property
    def key(self) -> list[str]:
        """What identifies it: its name, and the content of its file."""
        content = "" if self._file is None else hashlib.sha256(read_bytes(self._file, _TASK_FILE)).hexdigest()
        return [self.name, content]

    @property
    def _file(self) -> Path | None:
        place = Path(self.task.rpartition("@")[0] if ".py@" in self.task else self.task)
        return place if place.suffix in _OF_SUFFIX and place.is_file() else None


def benchmark_samples(
    model: Model, vectors: SteeringVector, grid: Grid, behavior: str, benchmark: Benchmark, *, limit: int
) -> pd.DataFrame:
    """Metrics of a task in every cell of a grid and without steering, and the metric of each of its samples.

    Args:
        model: from `trimtab.load`.
        vectors: of `behavior`.
        grid: the cells.
        behavior: whose vectors steer.
        benchmark: the task.
        limit: samples at most.

    Returns:
        A row for each sample, with `sample` and `value`, or one with an empty `sample` where a metric has no values of
        single samples or is not their mean; `metric_value` and `stderr` are the harness's own in each.

    Raises:
        SettingError: as `Harness.scores`.
    """
    vectors = require_fit(vectors, model.backbone)
    cells = [UNSTEERED, *grid.steered]
    found = HARNESSES.get(benchmark.harness).scores(
        benchmark.task, model, [None, *grid.interventions(vectors)], limit=limit
    )
    n_layers = model.facts.layers
    rows: list[dict[str, Any]] = []
    for cell, scores in zip(cells, found, strict=True):
        where = {
            "model": model.name, "behavior": behavior, "engine": model.engine.name, "layer": cell.first_layer,
            "layers": cell.layers_label, "depth": (cell.first_layer + 1) / n_layers, "scale": grid.scale,
            "strength": cell.strength, "positions": grid.positions, "benchmark": benchmark.name,
        }  # fmt: skip
        for score in scores:
            better = {None: "", True: "higher", False: "lower"}[score.higher_is_better]
            error = float("nan") if score.stderr is None else score.stderr
            of_metric = {
                **where, "task": score.task, "metric": score.metric, "metric_value": score.value, "stderr": error,
                "better": better,
            }  # fmt: skip
            samples = score.samples if _is_mean(score) else {}
            rows += [{**of_metric, "sample": name, "value": value} for name, value in samples.items()] or [
                {**of_metric, "sample": "", "value": float("nan")}
            ]
    table: pd.DataFrame = pd.DataFrame(rows)
    return table


def _is_mean(score: BenchmarkScore) -> bool:
    """Whether the metric is the mean of its samples, so that differences of samples are differences of it."""
    if not score.samples:
        return False
    mean = sum(score.samples.values()) / len(score.samples)
    return abs(mean - score.value) <= _EQUAL * max(1.0, abs(score.value))
