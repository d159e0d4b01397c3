"""`trimtab report`: the page of one run, or of several side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import click

from trimtab.analysis import Denominator
from trimtab.cli.help_examples import example
from trimtab.cli.options import out_option
from trimtab.cli.output import tell
from trimtab.cli.progress import shown_progress
from trimtab.study import report_runs
from trimtab.study.step_names import REPORT


@click.command(
    "report", epilog=example("trimtab report runs/quickstart", "trimtab report runs/x runs/y -o comparison.html")
)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@out_option("report.html in the run, or here where there are several")
@click.option(
    "--denominator", type=click.Choice(get_args(Denominator)), default="unsteered", show_default=True,
    help="Whose standard deviation Glass's Δ divides by.",
)  # fmt: skip
@click.option(
    "--figures", type=click.Choice(["main", "all"]), default="main", show_default=True,
    help="Figures to draw for one column of a paper too: those of the main page, or all.",
)  # fmt: skip
def command(
    runs: tuple[Path, ...], out: Path | None, denominator: Denominator, figures: Literal["main", "all"]
) -> None:
    """Write one self-contained page, its charts and its tables for RUNS.

    The page of one run is written into its folder. A page of several runs has none: name it with --out.
    """
    page = out or (runs[0] if len(runs) == 1 else Path()) / "report.html"
    with shown_progress() as progress:
        progress(REPORT, 0, 1)
        written = report_runs(runs, page, denominator=denominator, figures=figures)
        progress(REPORT, 1, 1)
    tell(written, run=runs[0] if len(runs) == 1 else None)
