"""`trimtab side-effects`: what else the vectors of a run move."""

from __future__ import annotations

from pathlib import Path

import click

from trimtab.cli.checks import behaviors_option, check_run


@click.command("side-effects")
@click.argument("run", type=click.Path(path_type=Path))
@behaviors_option
@click.option(
    "--measure", multiple=True, help="A behavior to watch, built-in name or file; may be given again. The run's others."
)
@click.option("--prompts", type=int, default=16, show_default=True, help="Of each behavior that is watched.")
@click.option("--layers", default=None, help="Of the run's cells; all by default. As in sweep.")
@click.option(
    "--random", type=int, default=20, show_default=True, help="Random directions of each of two kinds; 0: none."
)
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def command(
    run: Path,
    behaviors: tuple[str, ...],
    measure: tuple[str, ...],
    prompts: int,
    layers: str | None,
    random: int,
    quiet: bool,
) -> None:
    """Measure what else the vectors of RUN move, and write its report anew.

    Other behaviors, perplexity of plain text and easy questions in every cell; replies to neutral prompts and random
    directions of the same length at the best one.
    """
    settings = {
        "behaviors": list(behaviors), "measure": list(measure) or None, "prompts": prompts, "layers": layers,
        "random": random,
    }  # fmt: skip
    check_run(run, "side_effects", settings, quiet)
