"""The page of commands is what the commands are."""

from __future__ import annotations

import click
from command_reference import PAGE, commands, page, section

from trimtab.cli.help_examples import example


def test_the_page_of_commands_is_up_to_date() -> None:
    hint = "it is out of date: python tests/docs/command_reference.py"
    assert PAGE.read_text(encoding="utf-8") == page(), hint


def test_every_option_of_every_command_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for words, command in commands():
        shown = text.partition(f" trimtab {words}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
        for option in command.params:
            if isinstance(option, click.Option) and option.name != "help":
                assert all(f"`{name}`" in shown for name in option.opts), (words, option.opts)


def test_values_defaults_and_limits_are_shown() -> None:
    @click.command("x", epilog=example("trimtab x --size 3"), help="Do it.")
    @click.option("--size", metavar="N", type=click.IntRange(min=1), default=2, show_default=True, help="How large.")
    @click.option("--kind", type=click.Choice(["a", "b"]), required=True, help="Which.")
    @click.option("--out", default="x", show_default="a file", help="Where.")
    @click.option("--color/--no-color", default=True, show_default=True, help="Paint.")
    def command(**given: object) -> None: ...

    assert section("x", command).splitlines()[8:14] == [
        "| option | values | default | |",
        "|---|---|---|---|",
        "| `--size` | `N` (x>=1) | `2` | How large. |",
        "| `--kind` | `a`, `b` | (needed) | Which. |",
        "| `--out` | `TEXT` | a file | Where. |",
        "| `--color`, `--no-color` |  | `--color` | Paint. |",
    ]
