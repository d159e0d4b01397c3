"""The words that docs/glossary.md rules out are not written: in the docs, `--help`, report templates and names."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from wordlist import (
    GLOSSARY,
    IN_CODE,
    IN_TEXT,
    ROOT,
    SOURCE,
    identifiers,
    prose,
    strays_in,
    strays_in_docstrings,
    strays_in_identifiers,
    strays_in_page,
    words,
)

from trimtab.cli.main import VERBS, LazyGroup, cli

PAGES = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "tutorials").glob("*.md")])
STILL_IN_CODE = {"told", "spoken", "openings", "habits", "floor", "SMALL"}
"""Replaced names that still occur in the source; `python tests/docs/wordlist.py` shows where."""


def command_of(verb: str) -> click.Command:
    command = LazyGroup().get_command(click.Context(cli), verb)
    assert command is not None
    return command


def help_of(command: click.Command, name: str) -> str:
    """The whole help of a command, with that of its subcommands."""
    context = click.Context(command, info_name=name)
    text = command.get_help(context)
    if isinstance(command, click.Group):
        text += "".join(help_of(sub, sub_name) for sub_name, sub in command.commands.items())
    return text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_docs_use_the_words_of_the_glossary(page: Path) -> None:
    assert not strays_in_page(page)


def test_the_list_of_commands_uses_the_words_of_the_glossary() -> None:
    assert not strays_in("\n".join(VERBS.values()), "trimtab --help")


@pytest.mark.parametrize("verb", VERBS)
def test_help_uses_the_words_of_the_glossary(verb: str) -> None:
    assert not strays_in(help_of(command_of(verb), verb), f"trimtab {verb} --help")


def test_report_templates_use_the_words_of_the_glossary() -> None:
    templates = sorted(file for end in ("html", "j2", "jinja", "md") for file in SOURCE.rglob(f"*.{end}"))
    assert templates
    assert not [stray for file in templates for stray in strays_in(file.read_text(encoding="utf-8"), file.name)]


def test_docstrings_use_the_words_of_the_glossary() -> None:
    assert not [stray for file in sorted(SOURCE.rglob("*.py")) for stray in strays_in_docstrings(file)]


def test_replaced_names_stay_replaced() -> None:
    found = [stray for file in sorted(SOURCE.rglob("*.py")) for stray in strays_in_identifiers(file)]
    assert {stray.word for stray in found} == STILL_IN_CODE


def test_the_glossary_rules_out_words_and_names_each_with_what_to_write_instead() -> None:
    for section in (IN_TEXT, IN_CODE):
        assert len(words(section)) > 10
        assert all(words(section).values())
    assert words(IN_TEXT)["foretells"] == words(IN_TEXT)["foretell"]


def test_words_are_found_in_prose_and_not_in_code_or_inside_of_other_words() -> None:
    page = "It is Told.\n\n```\nwhat was said\n```\nA `kept` verdict, an untold story,\nand so many more."
    assert [(stray.place, stray.word) for stray in strays_in(prose(page), "p")] == [("p:1", "Told"), ("p:7", "so many")]


def test_names_are_found_wherever_they_are_defined(tmp_path: Path) -> None:
    file = tmp_path / "climb.py"
    file.write_text("MOST_CELLS = 3\nMOSTLY = 1\ndef follow(door): indoors = 1\nclass Anatomy: pass\n")
    assert {name for _, name in identifiers(file)} == {
        "climb", "MOST_CELLS", "MOSTLY", "follow", "Anatomy", "door", "indoors"
    }  # fmt: skip
    assert {stray.word for stray in strays_in_identifiers(file)} == {"climb", "MOST", "follow", "Anatomy", "door"}


def test_the_glossary_defines_a_term_once() -> None:
    text = GLOSSARY.read_text(encoding="utf-8").split("## Words we do not use")[0]
    terms = [line.split(" | ")[0].strip("| ") for line in text.splitlines() if line.startswith("| ")]
    terms = [term for term in terms if term != "term"]
    assert len(terms) > 50
    assert len(terms) == len(set(terms))
