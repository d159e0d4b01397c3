"""`trimtab robustness`: whether the effect of a run survives other ways of asking."""

from __future__ import annotations

from pathlib import Path

import click

from trimtab.cli.checks import behaviors_option, check_run


@click.command("robustness")
@click.argument("run", type=click.Path(path_type=Path))
@behaviors_option
@click.option("--prompts", type=int, default=None, help="So many of the test prompts; all by default.")
@click.option(
    "--transfer", multiple=True,
    help="Other pairs that the same vector should move, built-in name or file; may be given again.",
)  # fmt: skip
@click.option("--no-translations", is_flag=True, help="Do not ask built-in behaviors in other languages.")
@click.option("--quiet", "-q", is_flag=True, help="No progress.")
def command(
    run: Path,
    behaviors: tuple[str, ...],
    prompts: int | None,
    transfer: tuple[str, ...],
    no_translations: bool,
    quiet: bool,
) -> None:
    """Measure how much of the effect of RUN is left when the same is asked otherwise, and write its report anew.

    Other system prompts and wordings, earlier turns and demonstrations, prompts that tell the model to resist, option
    orders, letters against text, other languages and other pairs: at the best cell, on the test prompts.
    """
    settings = {
        "behaviors": list(behaviors), "prompts": prompts, "transfer": list(transfer),
        "translations": not no_translations,
    }  # fmt: skip
    check_run(run, "robustness", settings, quiet)
