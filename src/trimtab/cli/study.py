"""`trimtab study`: everything that a study file asks for, then the report."""

from __future__ import annotations

from pathlib import Path

import click

from trimtab.cli.costs import agreed
from trimtab.cli.progress import progress_bars
from trimtab.cli.told import tell
from trimtab.runs import Study, plan_study, read_study, report_runs, run_study
from trimtab.runs.accelerators import ACCELERATORS
from trimtab.runs.ray_driver import LOCAL
from trimtab.vectors import SteeringVector


@click.command("study")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), default=None, help="The run folder; runs/<name> by default."
)
@click.option("--dry-run", is_flag=True, help="Print the plan; loads no weights.")
@click.option(
    "--accelerator", type=click.Choice(list(ACCELERATORS), case_sensitive=False), default=None,
    help="Plan for this GPU instead of this machine, with --dry-run.",
)  # fmt: skip
@click.option("--yes", "-y", is_flag=True, help="Pay for language models as judges without asking.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
@click.option("--ray", is_flag=True, help="Run the models side by side on Ray, on this machine.")
@click.option("--ray-address", metavar="HOST:PORT", default=None, help="The same on the Ray cluster there.")
def command(
    file: Path,
    out: Path | None,
    dry_run: bool,
    accelerator: str | None,
    yes: bool,
    quiet: bool,
    ray: bool,
    ray_address: str | None,
) -> None:
    """Run FILE, a study in YAML: models × behaviors × layers × strengths.

    A study that was stopped goes on where it was when the same command is given again.
    """
    if accelerator and not dry_run:
        raise click.UsageError("--accelerator is for planning: give --dry-run too")
    study = read_study(file)
    if dry_run:
        click.echo(plan_study(study, accelerator).text())
    else:
        run_and_report(study, out, quiet, yes=yes, ray=ray_address or (LOCAL if ray else None))


def run_and_report(
    study: Study,
    out: Path | None,
    quiet: bool,
    vectors: SteeringVector | None = None,
    *,
    yes: bool = False,
    ray: str | None = None,
) -> None:
    """Run a study, write its report, and say where it is."""
    with progress_bars(quiet) as progress:
        folder = run_study(
            study, out, vectors=vectors, progress=progress,
            approve=lambda cost: yes or agreed("judging", cost, "give --yes, or another judge"), ray=ray,
        )  # fmt: skip
        progress("writing the report", 0, 1)
        page = report_runs([folder], folder / "report.html")
        progress("writing the report", 1, 1)
    tell(page)
