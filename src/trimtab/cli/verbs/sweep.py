"""`trimtab sweep`: one model and one behavior over layers and strengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trimtab.cli.help_examples import example
from trimtab.cli.model_options import (
    ask_option,
    bound_option,
    engine_options,
    extraction_options,
    first_token_option,
    layers_option,
    model_options,
    positions_option,
    scale_option,
    strengths_option,
    strengths_setting,
    vectors_option,
    when_options,
    when_setting,
)
from trimtab.cli.next_command import show_next, typed
from trimtab.cli.options import dry_run_option, out_option, refuse_unused, was_given
from trimtab.cli.runs import run_and_report, show_plan
from trimtab.study import RunFolder, make_study
from trimtab.vectors import SteeringVector


@click.command("sweep", epilog=example("trimtab sweep --behavior corrigible --layers 0.33: -o runs/corrigible"))
@model_options
@engine_options
@ask_option
@extraction_options
@vectors_option
@layers_option("all")
@strengths_option()
@scale_option()
@positions_option
@first_token_option
@bound_option
@when_options
@out_option("runs/sweep")
@dry_run_option
def command(
    model: str,
    behavior: str,
    limit: int | None,
    skip_bad: bool,
    columns: dict[str, str],
    dtype: str,
    device: str,
    quantization: str,
    stream: bool | None,
    seed: int,
    quiet: bool,
    engine: str,
    engine_options: dict[str, Any],
    ask: dict[str, Any],
    method: str,
    training: dict[str, Any],
    token_position: str,
    balance: str,
    scoring: str,
    vectors: Path | None,
    layers: str,
    strengths: str | None,
    scale: str,
    positions: str,
    first_token: bool,
    bound: str | None,
    when: Path | None,
    when_above: float,
    when_reads: str,
    out: Path | None,
    dry_run: bool,
) -> None:
    """Steer at every layer and strength, score every held-out prompt in one pass, and report."""
    if vectors is not None:
        unused = {f"--{name.replace('_', '-')}": was_given(name) for name in ("method", "training", "token_position")}
        refuse_unused(unused, "the vectors come from a file")
    study = make_study(
        {
            "name": "sweep",
            "models": [
                {
                    "id": model, "dtype": dtype, "device": device, "quantization": quantization, "stream": stream,
                    "engine": engine, "engine_options": engine_options, **ask,
                }
            ],
            "behaviors": [
                {"source": behavior, "scoring": scoring, "limit": limit, "skip_bad": skip_bad, "map": columns}
            ],
            "layers": layers, "scale": scale, "positions": positions, **when_setting(when, when_above, when_reads),
            **strengths_setting(strengths, bound),
            "first_token": first_token, "method": method, "training": training, "token_position": token_position,
            "balance": balance, "seed": seed,
        },
        "options",
    )  # fmt: skip
    given = SteeringVector.load(vectors) if vectors else None
    if dry_run:
        show_plan(study)
        show_next(["sweep", *typed("sweep", "dry_run")])
    else:
        run_and_report(study, out, quiet, given, then=_replies_with)


def _replies_with(run: Path) -> list[list[str]]:
    """Replies of the same pairs along the same vectors."""
    folder = RunFolder(run)
    (made,) = folder.manifest().vectors
    vectors = folder.vector_file(made.model, made.behavior)
    return [["tune", "--vectors", str(vectors), *typed("tune", "vectors", "layers", "strengths", "scale", "out")]]
