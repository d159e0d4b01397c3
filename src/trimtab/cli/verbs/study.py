"""`trimtab study`: run a study file, then write the report."""

from __future__ import annotations

from pathlib import Path

import click

from trimtab.cli.help_examples import example
from trimtab.cli.next_command import show_next, typed
from trimtab.cli.options import dry_run_option, out_option, quiet_option, yes_option
from trimtab.cli.runs import run_and_report, show_plan
from trimtab.study import read_study
from trimtab.study.divided.team import processes_of
from trimtab.study.plan.accelerators import ACCELERATORS
from trimtab.study.ray.cluster import LOCAL
from trimtab.study.run import require_shareable


@click.command("study", epilog=example("trimtab study examples/quickstart.yaml"))
@click.argument("file", type=click.Path(path_type=Path))
@out_option("runs/<name>")
@dry_run_option
@click.option(
    "--accelerator", type=click.Choice(list(ACCELERATORS), case_sensitive=False), default=None,
    help="Plan for this GPU instead of this machine, with --dry-run.",
)  # fmt: skip
@yes_option
@quiet_option
@click.option("--ray", is_flag=True, help="Run the models side by side on Ray, on this machine.")
@click.option("--ray-address", metavar="HOST:PORT", default=None, help="The same on the Ray cluster there.")
@click.option(
    "--workers", type=click.IntRange(min=1), default=1, show_default=True,
    help="With Ray: how many processes share the sweeps of each model; each takes one GPU.",
)  # fmt: skip
def command(
    file: Path,
    out: Path | None,
    dry_run: bool,
    accelerator: str | None,
    yes: bool,
    quiet: bool,
    ray: bool,
    ray_address: str | None,
    workers: int,
) -> None:
    """Run FILE, a study in YAML: models × behaviors × layers × strengths.

    The same command resumes a study that was stopped. `trimtab init` writes a file to begin with.
    """
    if accelerator and not dry_run:
        raise click.UsageError("--accelerator is for planning: give --dry-run too")
    study = read_study(file)
    if dry_run:
        on_ray = ray or ray_address is not None
        where = LOCAL if on_ray else None
        require_shareable(study, where, workers)
        processes_of(study, where)
        show_plan(study, accelerator, on_ray=on_ray, workers=workers)
        show_next(["study", str(file), *typed("study", "dry_run", "accelerator")])
    else:
        where = ray_address or (LOCAL if ray else None)
        run_and_report(study, out, quiet, yes=yes, ray=where, workers=workers)
