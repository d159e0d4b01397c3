"""`trimtab import`: results that another program measured become a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from trimtab._util.wording import plural
from trimtab.cli.help_examples import example
from trimtab.cli.next_command import show_next
from trimtab.cli.options import out_option, refuse_unused, was_given
from trimtab.cli.terminal import echo_path, echo_text
from trimtab.importing.external_results import Values
from trimtab.study import ExternalResults, import_results

_CONSTANTS = ("model", "behavior", "engine", "scale", "positions", "scoring", "split")


@click.command(
    "import", epilog=example("trimtab import results.parquet --map behavior=concept,layer=block -o runs/theirs")
)
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--map", "mapping", multiple=True, metavar="TARGET=COLUMN,…",
    help="Which column is what: model, behavior, layer, strength, prompt_id, and score, or positive and negative, or "
    "label and A and B; and condition, such as a system prompt. Columns of the same name need no entry.",
)  # fmt: skip
@out_option(required=True)
@click.option(
    "--models", type=click.Path(path_type=Path), default=None, help="Facts and groups of the models, in YAML."
)
@click.option(
    "--values",
    type=click.Choice(get_args(Values)),
    default=None,
    help="What A and B, or positive and negative, hold; logits stands for log-probabilities, too.  [default: logits]",
)
@click.option("--plain", metavar="CONDITION", help="The condition without a prompt, which is swept.  [default: none]")
@click.option(
    "--labels",
    multiple=True,
    metavar="LABEL=LETTER,…",
    help="Letters of labels that have no column; none for labels whose rows have no score.",
)
@click.option("--model", help="The model, if no column says it.")
@click.option("--behavior", help="The behavior, if no column says it.")
@click.option("--engine", help="What ran the models.  [default: imported]")
@click.option("--scale", help="raw or relative.  [default: raw]")
@click.option("--positions", help="all, after_prompt, prompt, generated, first:8, …  [default: all]")
@click.option("--scoring", help="choice or text.  [default: choice]")
@click.option("--split", help="select or test.  [default: test]")
@click.option("--rates", type=click.Path(path_type=Path), default=None, help="Answers in generated text, by cell.")
@click.option(
    "--rates-map", multiple=True, metavar="TARGET=COLUMN,…",
    help="The same for --rates: model, behavior, layer, validity, n, and strength and rate, or rate_minus, rate_zero "
    "and rate_plus.",
)  # fmt: skip
@click.option("--rates-strength", type=float, default=1.0, show_default=True, help="α of rate_minus and rate_plus.")
def command(
    results: Path,
    mapping: tuple[str, ...],
    out: Path,
    models: Path | None,
    labels: tuple[str, ...],
    values: Values | None,
    plain: str | None,
    rates: Path | None,
    rates_map: tuple[str, ...],
    rates_strength: float,
    **constants: Any,
) -> None:
    """Bring RESULTS, a .csv or .parquet table with a row for each prompt and cell, into a run folder.

    PATH is a new run folder. Report everything that is wrong at once, as file:row; then nothing is written.
    """
    if rates is None:
        unused = {"--rates-map": bool(rates_map), "--rates-strength": was_given("rates_strength")}
        refuse_unused(unused, "there are no rates; give --rates")
    given = {name: constants[name] for name in _CONSTANTS if constants[name] is not None}
    external = ExternalResults(results, mapping, labels, given, models, rates, rates_map, rates_strength, values, plain)
    imported = import_results(external, out)
    samples = scores = imported.samples
    if imported.items is not None:
        scores = imported.items
    counts = [plural(samples[name].nunique(), name) for name in ("model", "behavior")]
    prompts = plural(int(samples.groupby("behavior")["prompt_id"].nunique().sum()), "prompt")
    conditions = 1 if imported.items is None else imported.items["condition"].nunique()
    if conditions > 1:
        counts.append(plural(conditions, "condition"))
    extra = "" if imported.rates is None else f"; {plural(len(imported.rates), 'rate')}"
    echo_text(f"{plural(len(scores), 'score')} of {', '.join(counts)} and {prompts}{extra}")
    echo_path("run", imported.path)
    show_next(["report", str(imported.path)])
