"""`trimtab data`: list, show, check and convert contrasts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from trimtab._util.wording import plural
from trimtab.cli.groups import HelpfulGroup
from trimtab.cli.help_examples import example
from trimtab.cli.next_command import show_next, typed
from trimtab.cli.options import json_option, out_option, rows_options, skip_bad_option
from trimtab.cli.terminal import echo, echo_json, echo_path, echo_table, echo_text, styled
from trimtab.data import (
    PAIR_FORMATS,
    AnyContrast,
    Behavior,
    Example,
    Message,
    Pair,
    PromptContrast,
    check,
    contrast,
    contrast_rows,
    write_contrast,
)
from trimtab.data.builtin import LOADABLE
from trimtab.data.pairs import LETTERS
from trimtab.errors import shortened


@click.group(
    cls=HelpfulGroup,
    epilog=example(
        "trimtab data list",
        "trimtab data check qa.csv",
        "trimtab data convert qa.csv -o qa.jsonl --map prompt=question",
    ),
)
def command() -> None:
    """List, show, check and convert contrastive pairs and other contrasts."""


@command.command("list", short_help="List the behaviors that come with trimtab.", epilog=example("trimtab data list"))
def list_() -> None:
    """List the behaviors that come with trimtab, and those of them that come in other languages."""
    rows = ((b.name, b.form, str(len(b.load())), b.description) for b in LOADABLE.values())
    echo_table(("name", "form", "pairs", "description"), rows)
    show_next(["data", "show", "cheerful"], ["extract", "--behavior", "cheerful"])


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
@rows_options
def show(name: str, count: int, as_json: bool, skip_bad: bool, columns: dict[str, str], head: int | None) -> None:
    """Show pairs of NAME: a built-in behavior, a file, "POSITIVE vs NEGATIVE", or hub:owner/dataset#split.

    As JSON there is one object on each line, as in a file of pairs.
    """
    found = contrast(name, skip_bad=skip_bad, columns=columns, head=head)
    if as_json:
        for row in contrast_rows(found)[:count]:
            echo_json(row)
        return
    about = f": {found.description}" if found.description else ""
    echo(f"{found.name}{about}\n{min(count, len(found))} of {plural(len(found), _unit(found))}")
    if isinstance(found, Behavior):
        for pair in found[:count]:
            _show(pair)
    elif isinstance(found, PromptContrast):
        for item in found.pairs[:count]:
            echo("\n", styled(item.id, bold=True))
            _show_example("+", item.positive)
            _show_example("-", item.negative)
    else:
        both = [("+", one) for one in found.positive[:count]] + [("-", one) for one in found.negative[:count]]
        for sign, one in both[:count] if count < 2 else [*both[: (count + 1) // 2], *both[-(count // 2) :]]:
            echo("\n", styled(one.id, bold=True))
            _show_example(sign, one)
    echo("")
    show_next(["extract", "--behavior", name, *typed("extract")])


@command.command(
    "check",
    short_help="Say what files are, and report every problem as file:line.",
    epilog=example("trimtab data check pairs.jsonl", "trimtab data check qa.csv --map prompt=question,positive=best"),
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@skip_bad_option
@rows_options
def check_(files: tuple[str, ...], skip_bad: bool, columns: dict[str, str], head: int | None) -> None:
    """Check files: what each is, then every problem at once, as file:line on stderr; exit code 2 if there is any.

    The content of a file decides about its format; `trimtab data formats` lists those that are read. Two lists are
    named as one: "positive.txt vs negative.txt".
    """
    reports = [check(file, skip_bad=skip_bad, columns=columns, head=head) for file in files]
    for report in reports:
        for remark in report.remarks:
            echo_text(f"{report.path}: {remark}")
        for problem in shortened(report.problems):
            echo_text(problem, err=True)
    if not all(report.ok for report in reports):
        raise click.exceptions.Exit(2)
    if reports[0].contrast is None:  # one side of one
        show_next(["data", "check", f"{files[0]} vs OTHER", *typed("data check")])
    else:
        show_next(["extract", "--behavior", files[0], *typed("extract")])


@command.command(
    short_help="Write trimtab's own JSON lines from a file of any format.",
    epilog=example(
        "trimtab data convert qa.csv -o qa.jsonl --map prompt=question,positive=best,negative=worst",
        'trimtab data convert "positive.txt vs negative.txt" -o sad.jsonl',
    ),
)
@click.argument("source")
@out_option(required=True)
@skip_bad_option
@rows_options
def convert(source: str, out: Path, skip_bad: bool, columns: dict[str, str], head: int | None) -> None:
    """Read SOURCE, a file or another source of any format, and write it as JSON lines of trimtab's own.

    Pairs, contrasts of prompts and two lists are each written in the format of their shape.
    """
    found = contrast(source, skip_bad=skip_bad, columns=columns, head=head)
    write_contrast(out, found)
    echo_text(f"{plural(len(found), _unit(found))} of {source}")
    echo_path("written", out)
    show_next(["extract", "--behavior", str(out)])


@command.command(short_help="List the formats that are read.", epilog=example("trimtab data formats"))
def formats() -> None:
    """List the formats that are read, their shape, and the keys by which each is recognized.

    Each may be JSON lines, a JSON list, a table (CSV, TSV, Parquet) or gzipped; lines of text are questions.
    """
    kinds = PAIR_FORMATS.loadable()
    about = PAIR_FORMATS.summaries()
    rows = ((name, kind.shape, ", ".join(kind.keys), about[name]) for name, kind in kinds)
    echo_table(("name", "shape", "keys", "description"), rows)


def _unit(found: AnyContrast) -> str:
    return "example" if found.shape == "sets" else "pair"


def _show(pair: Pair) -> None:
    """Write a pair for reading: prompt, the options where they are listed, both completions."""
    echo("\n", styled(pair.id, bold=True))
    _show_prompt("  ", pair.prompt)
    marks = {text: f"({letter}) " for letter, text in zip(LETTERS, pair.choices, strict=False) if pair.listed}
    for sign, text, color in (("+", pair.positive, "green"), ("-", pair.negative, "red")):
        echo(styled(_indented(f"  {sign} {marks.get(text, '')}", text), fg=color))


def _show_example(sign: str, one: Example) -> None:
    if one.is_raw:
        echo(styled(_indented(f"  {sign} ", one.completion), fg=_COLORS[sign]))
        return
    echo(styled(f"  {sign}", fg=_COLORS[sign]))
    _show_prompt("    ", one.prompt)
    if one.completion:
        echo(_indented("    assistant: ", one.completion))


_COLORS: Mapping[str, str] = {"+": "green", "-": "red"}


def _show_prompt(start: str, prompt: str | tuple[Message, ...]) -> None:
    if isinstance(prompt, str):
        echo(_indented(start, prompt))
        return
    for message in prompt:
        echo(_indented(f"{start}{message['role']}: ", message["content"]))


def _indented(start: str, text: str) -> str:
    return start + text.replace("\n", "\n" + " " * len(start))
