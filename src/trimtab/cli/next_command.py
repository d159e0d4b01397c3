"""The next command to type, which every verb ends with: in the user's own words, so that it runs as it is printed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import click

from trimtab.cli.options import was_given
from trimtab.cli.terminal import echo

STRENGTH = "0.2"
"""Of a first chat, relative: seen in text, and far from breaking it (docs/choosing.md)."""

Words = Sequence[str]


def show_next(*commands: Words) -> None:
    """Write commands of trimtab at the end of a verb; nothing where its output is JSON or was asked to be quiet.

    Args:
        commands: The words of each behind `trimtab`, the most likely first. Words in capitals stand for what only the
            user knows.
    """
    show_next_lines(*(shlex.join(["trimtab", *command]) for command in commands))


def show_next_lines(*lines: str) -> None:
    """The same with lines as they are typed, which may be of other programs."""
    given = click.get_current_context().params
    if not lines or given.get("quiet") or given.get("as_json"):
        return
    if len(lines) == 1:
        echo(f"next: {lines[0]}")
    else:
        echo("\n  ".join(["next:", *lines]))


def typed(verb: str, *without: str) -> list[str]:
    """The options of the verb that runs which were typed and which another verb has as well, as they are typed.

    Args:
        verb: The other verb, with its subcommand, or the one that runs.
        without: Names of parameters to leave out.
    """
    context = click.get_current_context()
    known = {option.name: option for option in _command(context, verb).params if isinstance(option, click.Option)}
    words: list[str] = []
    for option in context.command.params:
        name = option.name or ""
        if isinstance(option, click.Option) and name in known and name not in without and was_given(name):
            words += _words(known[name], context.params[name])
    return words


def chat_with(vectors: Path, *, model: str = "") -> list[str]:
    """A first chat along a vector of which nothing was measured.

    Args:
        vectors: Its file.
        model: What to load; the bundled one by default.
    """
    named = ["--model", model] if model else typed("chat", "vectors")
    return ["chat", "--vectors", str(vectors), "--strength", STRENGTH, *named]


def _command(context: click.Context, verb: str) -> click.Command:
    found: click.Command | None = context.find_root().command
    for word in verb.split():
        assert isinstance(found, click.Group)
        found = found.get_command(context, word)
    assert found is not None
    return found


def _words(option: click.Option, value: Any) -> list[str]:
    """An option with its value, as it is typed."""
    name = max(option.opts, key=len)
    if option.is_flag:
        return [name if value or not option.secondary_opts else option.secondary_opts[0]]
    if isinstance(value, dict) and not option.multiple:
        return [name, json.dumps(value)]
    if isinstance(value, dict):
        return [word for key, one in value.items() for word in _pair(name, f"{key}={_plain(one)}")]
    values: Collection[Any] = value if isinstance(value, tuple | list) else (value,)
    return [word for one in values for word in _pair(name, _plain(one))]


def _pair(name: str, text: str) -> list[str]:
    return [f"{name}={text}"] if text.startswith("-") else [name, text]


def _plain(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
