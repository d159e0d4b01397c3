"""`trimtab tune`: generate and judge replies at every setting, and recommend one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trimtab.cli.costs import prices
from trimtab.cli.help_examples import example
from trimtab.cli.model_options import (
    ask_option,
    bound_option,
    engine_options,
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
from trimtab.cli.options import (
    base_url_option,
    dry_run_option,
    out_option,
    price_option,
    refuse_unused,
    was_given,
    yes_option,
)
from trimtab.cli.runs import run_and_report, show_plan
from trimtab.judges import JUDGES
from trimtab.study import make_study
from trimtab.vectors import SteeringVector

_JUDGES = "; ".join(f"{name}: {summary.rstrip('.')}" for name, summary in JUDGES.summaries().items())


@click.command(
    "tune",
    epilog=example(
        "trimtab tune --behavior cheerful", "trimtab tune --behavior pairs.jsonl --judge openai/gpt-4o-mini --dry-run"
    ),
)
@model_options
@engine_options
@ask_option
@vectors_option
@layers_option("0.3:0.95")
@strengths_option("-0.3,-0.2,-0.1,0.1,0.2,0.3")
@scale_option()
@positions_option
@bound_option
@when_options
@click.option(
    "--prompts", metavar="N", type=int, default=16, show_default=True, help="To choose by, and as many to report on."
)
@click.option(
    "--max-new-tokens", metavar="N", type=int, default=48, show_default=True,
    help="Length limit of each reply, in tokens.",
)  # fmt: skip
@click.option(
    "--judge", "judges", metavar="JUDGE", multiple=True, default=["classifier"], show_default=True,
    help="classifier, KEY=VALUE, or a language model such as openai/gpt-4o-mini (short for model=…); may be given "
    f"again, the first one chooses. Judges by key: {_JUDGES}.",
)  # fmt: skip
@click.option(
    "--pattern", metavar="REGEX", default=None, help="A regular expression as judge, instead of the classifier."
)
@base_url_option
@price_option
@click.option(
    "--search", type=click.Choice(["grid", "halving"]), default="grid", show_default=True,
    help="Every cell replies to every prompt, or each round drops the worse half of the cells.",
)  # fmt: skip
@click.option(
    "--min-coherence", metavar="X", type=float, default=7.0, show_default=True,
    help="Mean coherence, out of 10, that a recommended setting must have. Where the judge does not rate it, it is the "
    "worse of fluency and on-topic in each reply, so one floor serves both.",
)  # fmt: skip
@out_option("runs/tune")
@dry_run_option
@yes_option
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
    vectors: Path | None,
    layers: str,
    strengths: str,
    scale: str,
    positions: str,
    bound: str | None,
    when: Path | None,
    when_above: float,
    when_reads: str,
    prompts: int,
    max_new_tokens: int,
    judges: tuple[str, ...],
    pattern: str | None,
    base_url: str | None,
    price: str | None,
    search: str,
    min_coherence: float,
    out: Path | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Generate and judge replies at every setting; recommend one each way."""
    study = make_study(
        {
            "name": "tune",
            "models": [
                {
                    "id": model, "dtype": dtype, "device": device, "quantization": quantization, "stream": stream,
                    "engine": engine, "engine_options": engine_options, **ask,
                }
            ],
            "behaviors": [{"source": behavior, "limit": limit, "skip_bad": skip_bad, "map": columns}],
            "layers": layers, "scale": scale, "positions": positions, "dose": True,
            **strengths_setting(strengths, bound),
            **when_setting(when, when_above, when_reads),
            "replies": {
                "behaviors": [behavior], "prompts": prompts, "max_new_tokens": max_new_tokens, "search": search,
                "min_coherence": min_coherence, "judges": _judges(judges, pattern, base_url, price),
            },
            "seed": seed,
        },
        "options",
    )  # fmt: skip
    given = SteeringVector.load(vectors) if vectors else None
    if dry_run:
        show_plan(study)
        show_next(["tune", *typed("tune", "dry_run")])
    else:
        run_and_report(study, out, quiet, given, yes=yes)


def _judges(names: tuple[str, ...], pattern: str | None, base_url: str | None, price: str | None) -> list[Any]:
    """Judges as a study file has them."""
    service = {"base_url": base_url, "price": prices(price)}
    if pattern is not None and was_given("judges") and "classifier" in names:
        raise click.UsageError("--pattern takes the place of the classifier; leave --judge classifier or --pattern out")
    judges = [_judge(name, service) for name in names]
    if not any(isinstance(judge, dict) and "model" in judge for judge in judges):
        refuse_unused(
            {"--base-url": base_url is not None, "--price": price is not None}, "no language model judges; name --judge"
        )
    if pattern is not None:
        return [{"pattern": pattern}, *(judge for judge in judges if judge != "classifier")]
    return judges


def _judge(text: str, service: dict[str, Any]) -> Any:
    """One judge as a study file has it, from a bare name, KEY=VALUE, or a language model's name."""
    key, separator, value = text.partition("=")
    if key in JUDGES.names() and key != "model":
        return {key: value} if separator else text
    return {"model": value if key == "model" else text, **service}
