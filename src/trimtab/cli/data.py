"""`trimtab data`: list, show and check contrastive pairs."""

from __future__ import annotations

import json

import click

from trimtab.data import Pair, check, dataset
from trimtab.data.builtin import LOADABLE
from trimtab.data.pairs import LETTERS
from trimtab.errors import shortened


@click.group()
def command() -> None:
    """List, show and check contrastive pairs."""


@command.command("list")
def list_() -> None:
    """List the behaviors that come with trimtab, and those of them that come in other languages."""
    from rich.console import Console  # here, as it would slow down --help
    from rich.table import Table

    table = Table("name", "form", "pairs", "description", box=None, pad_edge=False)
    for built_in in LOADABLE.values():
        table.add_row(built_in.name, built_in.form, str(len(built_in.load())), built_in.description)
    Console().print(table)


@command.command(short_help="Show pairs of a built-in behavior, a file, or a dataset on the hub.")
@click.argument("name")
@click.option("-n", "count", type=click.IntRange(min=1), default=5, show_default=True, help="How many pairs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on each line, as in pairs.jsonl.")
def show(name: str, count: int, as_json: bool) -> None:
    """Show pairs of NAME: a built-in behavior, a .jsonl file, or hub:owner/dataset/path.jsonl."""
    behavior = dataset(name)
    pairs = behavior[:count]
    if as_json:
        for pair in pairs:
            click.echo(json.dumps(pair.to_json(), ensure_ascii=False))
        return
    about = f": {behavior.description}" if behavior.description else ""
    click.echo(f"{behavior.name}{about}\n{len(pairs)} of {len(behavior)} pairs")
    for pair in pairs:
        click.echo(f"\n{_as_text(pair)}")


@command.command("check", short_help="Report every problem of files of pairs as file:line.")
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
def check_(files: tuple[str, ...]) -> None:
    """Check files of pairs: every problem at once, as file:line on stderr; exit code 2 if there is any.

    Both formats are read: pairs.jsonl and model-written evals.
    """
    reports = [check(file) for file in files]
    for report in reports:
        for remark in report.remarks:
            click.echo(f"{report.path}: {remark}")
        for problem in shortened(report.problems):
            click.echo(problem, err=True)
    if not all(report.ok for report in reports):
        raise click.exceptions.Exit(2)


def _as_text(pair: Pair) -> str:
    """A pair for reading: prompt, the options where they are listed, both completions."""
    lines = [click.style(pair.id, bold=True)]
    if isinstance(pair.prompt, str):
        lines.append(_indented("  ", pair.prompt))
    else:
        lines += [_indented(f"  {message['role']}: ", message["content"]) for message in pair.prompt]
    marks = {text: f"({letter}) " for letter, text in zip(LETTERS, pair.choices, strict=False) if pair.listed}
    for sign, text, color in (("+", pair.positive, "green"), ("-", pair.negative, "red")):
        lines.append(click.style(_indented(f"  {sign} {marks.get(text, '')}", text), fg=color))
    return "\n".join(lines)


def _indented(start: str, text: str) -> str:
    return start + text.replace("\n", "\n" + " " * len(start))
