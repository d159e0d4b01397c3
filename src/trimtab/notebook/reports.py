"""`report`: the page of what a Python session has measured."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from trimtab.analysis import Denominator
from trimtab.errors import SettingError
from trimtab.evaluation import Sweep
from trimtab.notebook.measured_run import Measured
from trimtab.report import RunTables
from trimtab.study.reporting import Written, read_run, report_tables

Reportable = Measured | Sweep | str | os.PathLike[str]
"""What was measured, or the folder of a run."""


def report(
    results: Reportable | list[Reportable] | tuple[Reportable, ...],
    out: str | os.PathLike[str] = "report.html",
    *,
    denominator: Denominator = "unsteered",
) -> Written:
    """Write the page of what was measured, with its figures and tables beside it.

    Args:
        results: what `tune`, `diagnose`, `side_effects`, `robustness` or `sweep` returned, or the folder of a run, or
            several of them; on a page of several every table and figure names its run.
        out: the page, `….html`.
        denominator: whose standard deviation Glass's Δ divides by.

    Returns:
        The path of the page, and its findings in sentences.

    Raises:
        SettingError: for something else than results.
        RunError: when the page cannot be written, or a folder holds no run.
    """
    given = list(results) if isinstance(results, list | tuple) else [results]
    return report_tables(_with_names([_tables(one) for one in given]), Path(out), denominator=denominator)


def _tables(result: Reportable) -> RunTables:
    if isinstance(result, Measured):
        return result.run
    if isinstance(result, Sweep):
        return RunTables("sweep", {"name": "sweep"}, result.samples)
    if isinstance(result, str | os.PathLike):
        return read_run(Path(result))
    raise SettingError(
        f"a {type(result).__name__} has no report; give what tune, diagnose, side_effects, robustness or sweep "
        "returned, or a run folder"
    )


def _with_names(runs: Sequence[RunTables]) -> list[RunTables]:
    """Runs with names of their own: two tunings get numbers."""
    named: list[RunTables] = []
    for run in runs:
        taken = {other.name for other in named}
        name, number = run.name, 1
        while name in taken:
            number += 1
            name = f"{run.name}-{number}"
        named.append(replace(run, name=name))
    return named
