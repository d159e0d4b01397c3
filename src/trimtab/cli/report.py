"""`trimtab report`: the page of one run, or of several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from trimtab.analysis import Denominator
from trimtab.cli.told import tell
from trimtab.runs import report_runs


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", "-o", type=click.Path(path_type=Path), default=Path("report.html"), show_default=True)
@click.option(
    "--denominator", type=click.Choice(get_args(Denominator)), default="unsteered", show_default=True,
    help="Whose standard deviation Glass's Δ divides by.",
)  # fmt: skip
def command(runs: tuple[Path, ...], out: Path, denominator: Denominator) -> None:
    """Write one self-contained page, its charts and its tables for RUNS."""
    page = report_runs(runs, out, denominator=denominator)
    tell(page)
