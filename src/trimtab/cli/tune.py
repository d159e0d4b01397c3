"""`trimtab tune`: what the model says at each layer and strength, and which setting to use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trimtab.cli.costs import prices
from trimtab.cli.options import engine_options, model_options
from trimtab.cli.study import run_and_report
from trimtab.runs import make_study, plan_study
from trimtab.vectors import SteeringVector


@click.command("tune")
@model_options
@engine_options
@click.option("--vectors", type=click.Path(path_type=Path), default=None, help="Steer with this file; else extract.")
@click.option("--layers", default="0.3:0.95", show_default=True, help="all, 9,13,17, 9:18, 0.33: (by depth).")
@click.option("--strengths", default="-0.3,-0.2,-0.1,0.1,0.2,0.3", show_default=True, help="Write --strengths=-1,1.")
@click.option("--scale", default="relative", show_default=True, help="relative, raw, or kl: moved by so many nats.")
@click.option("--positions", default="all", show_default=True, help="all, after_prompt, prompt or generated.")
@click.option("--prompts", type=int, default=16, show_default=True, help="To choose by, and as many to report on.")
@click.option("--max-new-tokens", type=int, default=48, show_default=True, help="Of each reply.")
@click.option(
    "--judge", "judges", multiple=True, default=["classifier"], show_default=True,
    help="classifier, or a language model such as openai/gpt-4o-mini; may be given again, the first one chooses.",
)  # fmt: skip
@click.option("--pattern", default=None, help="A regular expression as judge, instead of the classifier.")
@click.option("--base-url", default=None, help="Where the language model is served.")
@click.option("--price", default=None, help="Dollars for a million tokens in and out: 0.15,0.6.")
@click.option("--search", type=click.Choice(["grid", "halving"]), default="grid", show_default=True)
@click.option("--floor", type=float, default=7.0, show_default=True, help="Coherence, of 10, that replies must keep.")
@click.option("--out", "-o", type=click.Path(path_type=Path), default=None, help="The run folder.")
@click.option("--dry-run", is_flag=True, help="Print the plan and what judging would cost; loads no weights.")
@click.option("--yes", "-y", is_flag=True, help="Pay for language models as judges without asking.")
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
    vectors: Path | None,
    layers: str,
    strengths: str,
    scale: str,
    positions: str,
    prompts: int,
    max_new_tokens: int,
    judges: tuple[str, ...],
    pattern: str | None,
    base_url: str | None,
    price: str | None,
    search: str,
    floor: float,
    out: Path | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Reply to open prompts at every layer and strength, judge the replies, and recommend a setting each way."""
    study = make_study(
        {
            "name": "tune",
            "models": [
                {"id": model, "dtype": dtype, "device": device, "engine": engine, "engine_options": engine_options}
            ],
            "behaviors": [{"source": behavior, "limit": limit}],
            "layers": layers, "strengths": strengths, "scale": scale, "positions": positions, "dose": True,
            "replies": {
                "behaviors": [behavior], "prompts": prompts, "max_new_tokens": max_new_tokens, "search": search,
                "floor": floor, "judges": _judges(judges, pattern, base_url, price),
            },
            "seed": seed,
        },
        "options",
    )  # fmt: skip
    given = SteeringVector.load(vectors) if vectors else None
    if dry_run:
        click.echo(plan_study(study).text())
    else:
        run_and_report(study, out, quiet, given, yes=yes)


def _judges(names: tuple[str, ...], pattern: str | None, base_url: str | None, price: str | None) -> list[Any]:
    """Judges as a study file has them."""
    service = {"base_url": base_url, "price": prices(price)}
    models = [{"model": name, **service} for name in names if name != "classifier"]
    if pattern is not None:
        return [{"pattern": pattern}, *models]
    return [name if name == "classifier" else {"model": name, **service} for name in names]
