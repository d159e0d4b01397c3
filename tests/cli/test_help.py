"""Help: every command has an example that it accepts, and an option is the same thing wherever it is taken."""

from __future__ import annotations

import shlex

import click
import pytest
from command_reference import commands, examples

from trimtab.cli.main import VERBS, cli, main

OWN_MEANING = {
    ("extract", "--layers"): "those to train, none together",
    ("pairs generate", "--model"): "it may be a service's",
    ("bake", "--scale"): "weights hold constants, or lack a direction",
    ("bake", "--layer"): "it is pushed there, not read",
    ("bake", "--behavior"): "it is one of a run, not pairs to read",
    ("chat", "--layer"): "it is pushed there, not read",
    **{
        (f"vectors {verb}", option): "a vector's file, and a model only to compare with"
        for verb in ("import", "show", "prove")
        for option in ("--layer", "--model")
    },
    ("vectors prove", "--strength"): "pushed both ways, never 0",
    ("vectors export", "--layer"): "it is taken from the file",
    ("vectors export", "--strength"): "it may be left out",
    ("vectors export", "--scale"): "a file holds constants",
    ("vectors export", "--behavior"): "it is one of a run, not pairs to read",
    ("vectors export", "--model"): "it is one of a run, not loaded",
    **{
        ("hub push", option): "it chooses in a run, or belongs to a vector's file"
        for option in ("--behavior", "--model", "--layer", "--strength")
    },
    ("hub push", "--to"): "a place, not a program",
    ("hub push", "--yes"): "nothing is paid for",
    ("hub push", "--scale"): "a file holds constants",
    ("hub pull", "--revision"): "it is read",
    ("vectors prove", "--prompts"): "none are needed to report on",
    ("import", "*"): "its options describe a table",
    ("play", "--model"): "it is one of a run",
    ("serve", "--vectors"): "runs and folders of vectors too",
    ("chat", "--scale"): "a chat knows no doses",
    ("chat", "--strength"): "without it, what is recommended",
    ("chat", "--behavior"): "it is one of a run, not pairs to read",
}
"""Options that mean another thing than elsewhere, and why."""


COMMANDS = dict(commands())
MEASURES = ("projection", "side-effects", "robustness", "baselines")
"""Their options are the settings of the measure, which have their own words."""


def examples_of(command: click.Command) -> list[str]:
    found = examples(command)
    assert found
    return found


@pytest.mark.parametrize("words", COMMANDS)
def test_the_help_of_every_command_has_an_example_that_it_accepts(words: str) -> None:
    typed = [shlex.split(example.partition(" > ")[0]) for example in examples_of(COMMANDS[words])]
    assert typed
    called = []
    for program, *rest in typed:
        assert program == "trimtab"
        name = max((n for n in COMMANDS if rest[: n.count(" ") + 1] == n.split()), key=len)
        assert not isinstance(COMMANDS[name], click.Group)
        COMMANDS[name].make_context(name, rest[name.count(" ") + 1 :])  # refuses what it does not know
        called.append(name)
    assert called[0].startswith(words)


def without(option: click.Parameter, typed: list[str]) -> list[str]:
    """What was typed without an option and its value."""
    places = [place for place, word in enumerate(typed) if word in option.opts]
    return [word for place, word in enumerate(typed) if place not in places and place - 1 not in places]


REQUIRED = [
    (words, option)
    for words, command in COMMANDS.items()
    for option in command.params
    if isinstance(option, click.Option) and option.required
]


@pytest.mark.parametrize(("words", "option"), REQUIRED, ids=lambda value: getattr(value, "name", value))
def test_an_option_that_is_required_is_asked_for_where_it_is_left_out(words: str, option: click.Option) -> None:
    program = f"trimtab {words} "
    typed = next(line for line in examples_of(COMMANDS[words]) if line.startswith(program))
    left = without(option, shlex.split(typed.removeprefix(program)))
    with pytest.raises(click.MissingParameter) as refused:
        COMMANDS[words].make_context(words, left)
    assert refused.value.param is option


def test_there_are_options_that_are_required() -> None:
    assert {words for words, _ in REQUIRED} >= {"import", "bake", "data convert", "vectors export", "extract"}


def test_the_list_of_commands_has_an_example_too() -> None:
    assert all(line.split()[1] in VERBS for line in examples_of(cli))


def described(option: click.Option) -> tuple[object, ...]:
    """What a person sees of an option, beside its default."""
    text = (option.help or "").removesuffix(" May be given again.")
    return tuple(sorted(option.opts)), option.make_metavar(click.Context(click.Command("x"))), text


def test_an_option_has_one_name_one_metavar_and_one_help_in_all_commands() -> None:
    seen: dict[str, dict[tuple[object, ...], list[str]]] = {}
    for words, command in COMMANDS.items():
        for option in command.params:
            if not isinstance(option, click.Option) or option.name == "help":
                continue
            for name in (name for name in option.opts if name.startswith("--")):
                exempt = {(words, name), (words, "*")} & OWN_MEANING.keys()
                if exempt or (words in MEASURES and name != "--quiet"):
                    continue
                seen.setdefault(name, {}).setdefault(described(option), []).append(words)
    assert len(seen) > 30
    assert {name: found for name, found in seen.items() if len(found) > 1} == {}


@pytest.mark.parametrize("words", COMMANDS)
def test_every_option_says_what_it_does_and_shows_its_choices_as_a_list(words: str) -> None:
    for option in COMMANDS[words].params:
        if isinstance(option, click.Option):
            assert option.help
            shown = option.make_metavar(click.Context(COMMANDS[words]))
            if isinstance(option.type, click.Choice):
                assert shown == f"[{'|'.join(option.type.choices)}]"
            if option.name in ("method", "scale", "engine") and words != "import":
                assert shown.startswith("[")
                assert str(option.default) in shown


@pytest.mark.parametrize("words", [[], ["data"], ["pairs"], ["monitor"], ["vectors"], ["hub"]])
def test_without_a_command_there_is_help_and_no_error(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: ")
    assert "Commands:" in out
    assert err == ""
