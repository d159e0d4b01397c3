"""What the verbs that check a run have in common."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from trimtab.cli.costs import agreed
from trimtab.cli.progress import progress_bars
from trimtab.cli.told import tell
from trimtab.runs import Study, reopened, report_runs, run_study
from trimtab.vectors import SteeringVector

behaviors_option = click.option(
    "--behavior", "-b", "behaviors", multiple=True, help="Of the run's, by name; may be given again. All by default."
)


def check_run(run: Path, check: str, settings: Mapping[str, Any], quiet: bool) -> None:
    """Go on with a run until this check is done, and say what it found."""
    study, vectors = reopened(run, {check: settings})
    run_and_tell(study, run, vectors, check, quiet)


def run_and_tell(study: Study, out: Path | None, vectors: SteeringVector | None, check: str, quiet: bool) -> None:
    """Run a study, write its report, and say what a check found."""
    with progress_bars(quiet) as progress:
        folder = run_study(
            study, out, vectors=vectors, progress=progress,
            approve=lambda cost: agreed("judging, which this run has not finished,", cost, "finish its study first"),
        )  # fmt: skip
        progress("writing the report", 0, 1)
        page = report_runs([folder], folder / "report.html")
        progress("writing the report", 1, 1)
    tell(page, check)
