"""`trimtab diagnose`: are the pairs good, is the vector steady, which layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from trimtab.cli.help_examples import example
from trimtab.cli.model_options import ask_option, extraction_options, model_option, placement_options
from trimtab.cli.next_command import typed
from trimtab.cli.options import behavior_option, out_option, pairs_options, quiet_option, seed_option
from trimtab.cli.runs import check_run, run_and_report
from trimtab.study import make_study


@click.command(
    "diagnose", epilog=example("trimtab diagnose --behavior pairs.jsonl", "trimtab diagnose runs/quickstart --methods")
)
@click.argument("run", type=click.Path(path_type=Path), required=False)
@behavior_option(required=False)
@model_option()
@pairs_options
@placement_options
@seed_option
@quiet_option
@ask_option
@extraction_options
@click.option("--methods", is_flag=True, help="With RUN: sweep the vectors of every other method as well.")
@out_option("runs/diagnosis")
def command(
    run: Path | None,
    model: str,
    behavior: str | None,
    limit: int | None,
    skip_bad: bool,
    columns: dict[str, str],
    dtype: str,
    device: str,
    quantization: str,
    stream: bool | None,
    seed: int,
    quiet: bool,
    ask: dict[str, Any],
    method: str,
    training: dict[str, Any],
    token_position: str,
    balance: str,
    scoring: str,
    methods: bool,
    out: Path | None,
) -> None:
    """Diagnose the pairs and vectors of RUN, or of --behavior, which needs no sweep; and write the report.

    How well the pairs agree, which do not, what confounds them, whether more are worth writing, and which layer the
    usual heuristics pick; all of it from one pass over the pairs. --behavior may hold pairs of prompts, or name two
    lists ("A.txt vs B.txt"), of which what needs pairs is not known.
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
            "models": [
                {
                    "id": model, "dtype": dtype, "device": device, "quantization": quantization, "stream": stream,
                    **ask,
                }
            ],
            "behaviors": [
                {"source": behavior, "scoring": scoring, "limit": limit, "skip_bad": skip_bad, "map": columns}
            ],
            "method": method, "training": training, "token_position": token_position, "balance": balance, "seed": seed,
            "sweep": False, "diagnosis": True,
        },
        "options",
    )  # fmt: skip
    run_and_report(
        study, out, quiet, check="diagnosis", then=lambda run: [["extract", *typed("extract", "out", "quiet")]]
    )


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
