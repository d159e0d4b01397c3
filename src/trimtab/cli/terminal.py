"""Everything that verbs write to the terminal: what data, models and files hold cannot steer it from here.

No other module of the command line calls `click.echo`, `print` or rich; a test holds them to that.
"""

from __future__ import annotations

import io
import json
import os
import sys
import textwrap
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from trimtab.inputs.characters import escaped, escaped_json
from trimtab.inputs.secrets import without_secrets

DEFAULT_COLUMNS = 80


class Styled(str):
    """A text that has been escaped, with codes for color or weight around it."""

    __slots__ = ()


def styled(text: str, **style: Any) -> Styled:
    """A text in color or bold; see `click.style`."""
    return Styled(click.style(escaped(text), **style))


def echo(*pieces: object, err: bool = False, nl: bool = True) -> None:
    r"""Write texts one behind the other, control characters and changes of direction shown as \x1b or \u202e."""
    text = "".join(p if isinstance(p, Styled) else escaped(str(p)) for p in pieces)
    stream = sys.stderr if err else sys.stdout
    if hasattr(stream, "rich_proxied_file"):  # a bar is shown: rich writes above it, click into it
        print(text, file=stream, end="\n" if nl else "")
    else:
        click.echo(text, err=err, nl=nl)


def is_terminal(*, err: bool = False) -> bool:
    """Whether stdout, or stderr, is a terminal that can move its cursor."""
    stream = sys.stderr if err else sys.stdout
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def echo_text(text: object, *, err: bool = False) -> None:
    """Write sentences, wrapped at words where they go to a terminal and unchanged where they go to a file."""
    shown = escaped(str(text))
    if (sys.stderr if err else sys.stdout).isatty():
        width = terminal_columns(err=err)
        shown = "\n".join(_wrapped(line, width) for line in shown.split("\n"))
    echo(shown, err=err)


def echo_path(what: str, path: Path) -> None:
    """Write where a file is, as a link that a terminal opens on a click, and as plain text for a file."""
    shown = escaped(str(path))
    if is_terminal():
        shown = f"\x1b]8;;{path.resolve().as_uri()}\x1b\\{shown}\x1b]8;;\x1b\\"
    echo(f"{what}: ", Styled(shown))


def terminal_columns(*, err: bool = False) -> int:
    """Width of the terminal, or what `COLUMNS` says."""
    if (given := os.environ.get("COLUMNS", "")).isdigit() and int(given) > 0:
        return int(given)
    try:
        return os.get_terminal_size((sys.__stderr__ if err else sys.__stdout__).fileno()).columns or DEFAULT_COLUMNS  # type: ignore[union-attr]  # no stream, no descriptor
    except (OSError, ValueError, AttributeError):
        return DEFAULT_COLUMNS


def _wrapped(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip(" ")))
    return textwrap.fill(
        line.lstrip(" "), width, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False,
        break_on_hyphens=False, drop_whitespace=True,
    )  # fmt: skip


def echo_json(value: Any, indent: int | None = None) -> None:
    """Write a value as JSON that is safe to look at and says the same to a program."""
    click.echo(escaped_json(json.dumps(value, ensure_ascii=False, indent=indent)))


def echo_error(message: object) -> None:
    """Write what went wrong, without keys: messages quote what was typed, and what services say."""
    echo_text(f"trimtab: error: {without_secrets(str(message))}", err=True)


_RENAMED_OPTIONS = {"--floor": "--min-coherence", "--vector": "--vectors"}
"""Options that had another name."""


def echo_usage_error(error: click.ClickException) -> None:
    """Write what click has to say of options, as `echo_error` does."""
    if isinstance(error, click.NoSuchOption) and (new := _RENAMED_OPTIONS.get(error.option_name)):
        taken = {name for option in error.ctx.command.params for name in option.opts} if error.ctx else set()
        if new in taken:
            message = f"No such option {error.option_name!r}; it is called {new} now."
            error = click.NoSuchOption(error.option_name, message, ctx=error.ctx)
    told = io.StringIO()
    error.show(told)
    echo(without_secrets(told.getvalue()), err=True, nl=False)


def echo_foreign_warning(message: Warning | str, category: type[Warning], filename: str, line: int) -> None:
    """Write a warning of another package as Python does."""
    echo(without_secrets(warnings.formatwarning(message, category, filename, line)), err=True, nl=False)


def echo_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Write a table whose columns fit into the terminal."""
    from rich.console import Console  # here, as it would slow down --help
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(escaped(cell)) for cell in row))
    Console().print(table)
