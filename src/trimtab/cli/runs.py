"""Running a study from the command line: how long it will take, its progress, its findings and its report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.exceptions import Exit

from trimtab._util.wording import plural
from trimtab.cli.costs import agreed
from trimtab.cli.output import Then, no_more, tell
from trimtab.cli.processes import beside_the_first, is_started, speaks, start_processes
from trimtab.cli.progress import shown_progress, waiting
from trimtab.cli.setting.edited_settings import AT_SETTINGS, warn_of_edits
from trimtab.cli.setting.strength_warning import warn_of_study
from trimtab.cli.terminal import echo_text
from trimtab.errors import IncompleteRun, TrimtabError
from trimtab.study import Study, plan_study, reopened, report_runs, run_study
from trimtab.study.divided.team import processes_of
from trimtab.study.ray.planned import planned_on_ray
from trimtab.study.recommending.recommended_file import RECOMMENDED
from trimtab.study.step_names import REPORT, TimedStep
from trimtab.vectors import SteeringVector


def check_run(run: Path, check: str, settings: Mapping[str, Any], quiet: bool) -> None:
    """Add a measure to a finished run, write its report, and show what it found."""
    if run.is_file() and run.name == RECOMMENDED:
        run = run.parent
    if check in AT_SETTINGS:
        warn_of_edits(run, check)
    study, vectors = reopened(run, {check: settings})
    run_and_report(study, run, quiet, vectors, check=check)


def run_and_report(
    study: Study,
    out: Path | None,
    quiet: bool,
    vectors: SteeringVector | None = None,
    *,
    yes: bool = False,
    ray: str | None = None,
    workers: int = 1,
    check: str = "",
    then: Then = no_more,
) -> None:
    """Run a study, write its report, show what it found and where the report is.

    Args:
        study: What to run.
        out: The run folder.
        quiet: Show no progress.
        vectors: Steer with these instead of extracting any.
        yes: Pay for judges without asking.
        ray: Where models run side by side.
        workers: How many processes share the sweeps of each model there.
        check: A measure that is added to a finished run: its findings alone are shown.
        then: Makes what may be typed next, beside what the run suggests.

    Raises:
        IncompleteRun: When a model could not be finished; what there is has its report.
    """
    count = processes_of(study, ray)
    if count > 1 and not is_started():
        raise Exit(start_processes(count, sys.argv[1:]))
    with beside_the_first(speaks(count)):
        _run_and_report(study, out, quiet, vectors, yes, ray, workers, check, then, speaks(count))


def _run_and_report(
    study: Study,
    out: Path | None,
    quiet: bool,
    vectors: SteeringVector | None,
    yes: bool,
    ray: str | None,
    workers: int,
    check: str,
    then: Then,
    speaks: bool,
) -> None:
    """Do so; a process that does not speak leaves progress, report and findings to the first one."""
    quiet = quiet or not speaks
    doubt, instead = "judging", "give --yes, or another judge"
    if check:
        doubt, instead = "judging, which this run has not finished,", "finish its study first"
    if not check:
        warn_of_study(study)
    expected = {} if quiet or ray else _expected(study, check)
    incomplete: IncompleteRun | None = None
    with shown_progress(quiet, study.name, expected, models=len(study.models), ordered=ray is None) as progress:
        try:
            folder = run_study(
                study, out, vectors=vectors, progress=progress,
                approve=lambda cost: yes or agreed(doubt, cost, instead), ray=ray, workers=workers,
            )  # fmt: skip
        except IncompleteRun as error:  # what there is gets its report
            folder, incomplete = error.folder, error
        if not speaks:
            return
        progress(REPORT, 0, 1)
        page = report_runs([folder], folder / "report.html")
        progress(REPORT, 1, 1)
    tell(page, check, run=folder, then=then)
    if incomplete is not None:
        raise incomplete


def show_plan(study: Study, accelerator: str | None = None, *, on_ray: bool = False, workers: int = 1) -> None:
    """Print the plan of a study, for this machine or an accelerator, and what Ray changes where it is to run there."""
    warn_of_study(study)
    with waiting(f"{study.name}: timing a few passes", quiet=accelerator is not None):
        plan = plan_study(study, accelerator)
    echo_text(plan.text())
    if on_ray:
        echo_text(planned_on_ray(plan, study, workers))


def _expected(study: Study, check: str) -> Mapping[str, TimedStep]:
    """Say how long a study will take, or a check that is added to it; returns what is expected of each step."""
    size = f"{plural(len(study.behaviors), 'behavior')} in {plural(len(study.models), 'model')}"
    try:
        with waiting(f"{study.name}: timing a few passes"):
            plan = plan_study(study)
    except TrimtabError as error:  # what stops the run as well is reported by the run
        echo_text(f"{study.name}: {size}; how long it takes is not known: {error}", err=True)
        return {}
    steps, time = plan.steps_of(check)
    echo_text(f"{study.name}: {size}, {time}", err=True)
    return steps
