"""`trimtab diagnose`: are the pairs good, is the vector steady, which layer."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from trimtab.cli.checks import check_run, run_and_tell
from trimtab.cli.options import extraction_options, unless_run_options
from trimtab.runs import make_study


@click.command("diagnose")
@click.argument("run", type=click.Path(path_type=Path), required=False)
@unless_run_options
@extraction_options
@click.option("--methods", is_flag=True, help="With RUN: sweep the vectors of every other method as well.")
@click.option("--out", "-o", type=click.Path(path_type=Path), default=None, help="The run folder, without RUN.")
def command(
    run: Path | None,
    model: str,
    behavior: str | None,
    limit: int | None,
    dtype: str,
    device: str,
    seed: int,
    quiet: bool,
    method: str,
    token_position: str,
    balance: str,
    scoring: str,
    methods: bool,
    out: Path | None,
) -> None:
    """Diagnose the pairs and vectors of RUN, or of --behavior, which needs no sweep; and write the report.

    How well the pairs agree, which do not, what confounds them, whether more are worth writing, and which layer the
    usual heuristics pick; all of it from one pass over the pairs.
    """
    if (run is None) == (behavior is None):
        raise click.UsageError("give a run folder, or --behavior for pairs that were not swept yet")
    if run is not None:
        _refuse_settings_of_the_run()
        check_run(run, "diagnosis", {"methods": methods}, quiet)
        return
    if methods:
        raise click.UsageError("--methods compares on a sweep: give a run folder")
    study = make_study(
        {
            "name": "diagnosis",
            "models": [{"id": model, "dtype": dtype, "device": device}],
            "behaviors": [{"source": behavior, "scoring": scoring, "limit": limit}],
            "method": method, "token_position": token_position, "balance": balance, "seed": seed,
            "sweep": False, "diagnosis": True,
        },
        "options",
    )  # fmt: skip
    run_and_tell(study, out, None, "diagnosis", quiet)


def _refuse_settings_of_the_run() -> None:
    """A run has its model, pairs and seed; others given beside it would do nothing."""
    context = click.get_current_context()
    given = [
        name
        for name in context.params
        if name not in ("run", "methods", "quiet") and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given:
        option = "--" + given[0].replace("_", "-")
        raise click.UsageError(f"{option} is settled by the run; leave it out, or leave out the run folder")
