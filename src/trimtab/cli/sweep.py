"""`trimtab sweep`: one model and one behavior over layers and strengths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trimtab.cli.options import engine_options, extraction_options, model_options
from trimtab.cli.study import run_and_report
from trimtab.runs import make_study, plan_study
from trimtab.vectors import SteeringVector


@click.command("sweep")
@model_options
@engine_options
@extraction_options
@click.option("--vectors", type=click.Path(path_type=Path), default=None, help="Steer with this file; else extract.")
@click.option(
    "--layers", default="all", show_default=True, help="all, 9,13,17, 9:18, 0.33: (by depth), 9+10 (together)."
)
@click.option("--strengths", default="-1,1", show_default=True, help="α; write --strengths=-1,1.")
@click.option(
    "--scale", default="raw", show_default=True, help="raw: h + α·v; relative: h + α·‖h‖·v̂; kl: so many nats."
)
@click.option("--positions", default="all", show_default=True, help="all, after_prompt, prompt or generated.")
@click.option("--first-token", is_flag=True, help="Push the first token, the attention sink, too.")
@click.option("--out", "-o", type=click.Path(path_type=Path), default=None, help="The run folder.")
@click.option("--dry-run", is_flag=True, help="Print the plan; loads no weights.")
def command(
    model: str,
    behavior: str,
    limit: int | None,
    dtype: str,
    device: str,
    seed: int,
    quiet: bool,
    engine: str,
    engine_options: dict[str, Any],
    method: str,
    token_position: str,
    balance: str,
    scoring: str,
    vectors: Path | None,
    layers: str,
    strengths: str,
    scale: str,
    positions: str,
    first_token: bool,
    out: Path | None,
    dry_run: bool,
) -> None:
    """Steer at every layer and strength, score every held-out prompt in one pass, and report."""
    study = make_study(
        {
            "name": "sweep",
            "models": [
                {"id": model, "dtype": dtype, "device": device, "engine": engine, "engine_options": engine_options}
            ],
            "behaviors": [{"source": behavior, "scoring": scoring, "limit": limit}],
            "layers": layers, "strengths": strengths, "scale": scale, "positions": positions,
            "first_token": first_token, "method": method, "token_position": token_position, "balance": balance,
            "seed": seed,
        },
        "options",
    )  # fmt: skip
    given = SteeringVector.load(vectors) if vectors else None
    if dry_run:
        click.echo(plan_study(study).text())
    else:
        run_and_report(study, out, quiet, given)
