"""docs/command-line.md, made from the commands themselves.

python tests/docs/command_reference.py     # write the page anew
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from trimtab.cli.help_examples import TITLE
from trimtab.cli.main import VERBS, LazyGroup, cli

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
START = """\
# Command line

Every command with its options, as `trimtab COMMAND --help` shows them. This page is made from the commands by
`python tests/docs/command_reference.py`; a test fails where it is out of date.

Exit codes: 0 done; 1 fewer pairs than requested have passed (`trimtab pairs generate`); 2 something you can mend, with
a message; 130 stopped by Ctrl-C, and the same command continues where it was. `-h` and `--help` show the help of a
command, `trimtab --version` the version.
"""
EXTRA = re.compile(r"  \[([^\[\]]*)\]$")
"""What click puts behind the help of an option: its default, its range, whether it is required."""


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with the words it is called by; a group comes before its commands."""
    group = LazyGroup()
    for verb in VERBS:
        command = group.get_command(click.Context(cli), verb)
        assert command is not None
        yield verb, command
        if isinstance(command, click.Group):
            yield from ((f"{verb} {name}", inner) for name, inner in command.commands.items())


def examples(command: click.Command) -> list[str]:
    """The lines at the end of a command's help."""
    text = command.get_help(click.Context(command, info_name="x"))
    return [line.strip() for line in text.partition(f"  {TITLE}\n")[2].splitlines() if line.strip()]


def _cell(text: str) -> str:
    """A text as one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def _codes(texts: list[str]) -> str:
    return ", ".join(f"`{text}`" for text in texts)


def _values(option: click.Option, extra: list[str]) -> str:
    """What an option takes: its choices, or what stands for the value; nothing where it is a switch."""
    if option.is_flag:
        return ""
    shown = option.make_metavar(click.Context(click.Command("x")))
    if shown.startswith("[") and "|" in shown:
        return _codes(shown.strip("[]").split("|"))
    limits = [part for part in extra if "<" in part or ">" in part]
    return " ".join([f"`{shown}`", *(f"({part})" for part in limits if "default: " not in part)])


def _default(option: click.Option, extra: list[str]) -> str:
    """The default, in code unless it is in words."""
    if "required" in extra:
        return "(needed)"
    found = next((part.removeprefix("default: ") for part in extra if part.startswith("default: ")), "").strip("()")
    if option.is_flag and found:
        return f"`--{found}`"
    return f"`{found}`" if found and " " not in found else found


def _row(option: click.Option) -> str:
    record = option.get_help_record(click.Context(click.Command("x")))
    assert record is not None
    behind = EXTRA.search(record[1])
    extra = [part.strip() for part in behind[1].split(";")] if behind else []
    names = _codes([*option.opts, *option.secondary_opts])
    shown = (names, _values(option, extra), _default(option, extra), EXTRA.sub("", record[1]))
    return f"| {' | '.join(_cell(text) for text in shown)} |"


def section(words: str, command: click.Command) -> str:
    """One command: its usage, what it does, its options and its example."""
    context = click.Context(command, info_name=f"trimtab {words}")
    usage = command.get_usage(context).removeprefix("Usage: ")
    parts = [f"{'###' if ' ' in words else '##'} trimtab {words}", f"```text\n{' '.join(usage.split())}\n```"]
    parts.append(inspect.cleandoc(command.help or ""))
    options = [p for p in command.params if isinstance(p, click.Option) and p.name != "help" and not p.hidden]
    if options:
        head = "| option | values | default | |\n|---|---|---|---|"
        parts.append("\n".join([head, *(_row(option) for option in options)]))
    if not isinstance(command, click.Group):
        parts.append("\n".join(["```", *examples(command), "```"]))
    return "\n\n".join(parts)


def page() -> str:
    """The whole page."""
    listed = [f"| [`{verb}`](#trimtab-{verb}) | {line} |" for verb, line in VERBS.items()]
    table = "\n".join(["| command | |", "|---|---|", *listed])
    return "\n\n".join([START.rstrip(), table, *(section(words, command) for words, command in commands())]) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
