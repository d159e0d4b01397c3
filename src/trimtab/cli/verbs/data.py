"""`trimtab data`: list, show and check contrastive pairs."""

from __future__ import annotations

import click

from trimtab._util.wording import plural
from trimtab.cli.groups import HelpfulGroup
from trimtab.cli.help_examples import example
from trimtab.cli.options import json_option, skip_bad_option
from trimtab.cli.terminal import echo, echo_json, echo_table, echo_text, styled
from trimtab.data import PAIR_FORMATS, Pair, check, dataset
from trimtab.data.builtin import LOADABLE
from trimtab.data.pairs import LETTERS
from trimtab.errors import shortened


@click.group(cls=HelpfulGroup, epilog=example("trimtab data list", "trimtab data check pairs.jsonl"))
def command() -> None:
    """List, show and check contrastive pairs."""


@command.command("list", short_help="List the behaviors that come with trimtab.", epilog=example("trimtab data list"))
def list_() -> None:
    """List the behaviors that come with trimtab, and those of them that come in other languages."""
    rows = ((b.name, b.form, str(len(b.load())), b.description) for b in LOADABLE.values())
    echo_table(("name", "form", "pairs", "description"), rows)


@command.command(
    short_help="Show pairs of a built-in behavior, a file, or a dataset on the hub.",
    epilog=example("trimtab data show cheerful -n 3", "trimtab data show cheerful -n 500 --json > cheerful.jsonl"),
)
@click.argument("name")
@click.option(
    "-n", "count", metavar="N", type=click.IntRange(min=1), default=5, show_default=True, help="How many pairs."
)
@json_option
@skip_bad_option
def show(name: str, count: int, as_json: bool, skip_bad: bool) -> None:
    """Show pairs of NAME: a built-in behavior, a .jsonl file, or hub:owner/dataset/path.jsonl.

    As JSON there is one object on each line, as in a file of pairs.
    """
    behavior = dataset(name, skip_bad=skip_bad)
    pairs = behavior[:count]
    if as_json:
        for pair in pairs:
            echo_json(pair.to_json())
        return
    about = f": {behavior.description}" if behavior.description else ""
    echo(f"{behavior.name}{about}\n{len(pairs)} of {plural(len(behavior), 'pair')}")
    for pair in pairs:
        _show(pair)


@command.command(
    "check",
    short_help="Report every problem of files of pairs as file:line.",
    epilog=example("trimtab data check pairs.jsonl"),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@skip_bad_option
def check_(files: tuple[str, ...], skip_bad: bool) -> None:
    """Check files of pairs: every problem at once, as file:line on stderr; exit code 2 if there is any.

    The keys of a file decide about its format; `trimtab data formats` lists those that are read.
    """
    reports = [check(file, skip_bad=skip_bad) for file in files]
    for report in reports:
        for remark in report.remarks:
            echo_text(f"{report.path}: {remark}")
        for problem in shortened(report.problems):
            echo_text(problem, err=True)
    if not all(report.ok for report in reports):
        raise click.exceptions.Exit(2)


@command.command(short_help="List the formats of pairs that are read.", epilog=example("trimtab data formats"))
def formats() -> None:
    """List the formats of pairs that are read, and the keys by which each is recognized."""
    kinds = PAIR_FORMATS.loadable()
    about = PAIR_FORMATS.summaries()
    echo_table(("name", "keys", "description"), ((name, ", ".join(kind.keys), about[name]) for name, kind in kinds))


def _show(pair: Pair) -> None:
    """Write a pair for reading: prompt, the options where they are listed, both completions."""
    echo("\n", styled(pair.id, bold=True))
    if isinstance(pair.prompt, str):
        echo(_indented("  ", pair.prompt))
    else:
        for message in pair.prompt:
            echo(_indented(f"  {message['role']}: ", message["content"]))
    marks = {text: f"({letter}) " for letter, text in zip(LETTERS, pair.choices, strict=False) if pair.listed}
    for sign, text, color in (("+", pair.positive, "green"), ("-", pair.negative, "red")):
        echo(styled(_indented(f"  {sign} {marks.get(text, '')}", text), fg=color))


def _indented(start: str, text: str) -> str:
    return start + text.replace("\n", "\n" + " " * len(start))
