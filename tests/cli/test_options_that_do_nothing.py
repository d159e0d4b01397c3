"""Options that would do nothing beside the others are refused by name, and help says whole sentences."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from trimtab.cli.main import VERBS, cli, main


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["tune", "-b", "cheerful", "--judge", "classifier", "--pattern", "foo"], "--pattern"),
        (["tune", "-b", "cheerful", "--base-url", "http://h/v1"], "--base-url"),
        (["tune", "-b", "cheerful", "--price", "1,2"], "--price"),
        (["tune", "-b", "cheerful", "--pattern", "foo", "--price", "1,2"], "--price"),
        (["sweep", "-b", "cheerful", "--vectors", "v.safetensors", "--method", "pca"], "--method"),
        (["sweep", "-b", "cheerful", "--vectors", "v.safetensors", "--token-position", "last"], "--token-position"),
        (["pairs", "generate", "x", "-m", "smollm2-135m", "--base-url", "http://h/v1"], "--base-url"),
        (["pairs", "generate", "x", "-m", "smollm2-135m", "--price", "1,2"], "--price"),
        (["pairs", "generate", "x", "-m", "openai/m", "--device", "cpu"], "--device"),
        (["pairs", "generate", "x", "-m", "openai/m", "--dtype", "float32"], "--dtype"),
        (["chat", "--strength", "1"], "--strength"),
        (["chat", "--layer", "1", "--compare"], "--layer and --compare"),
        (["import", "r.csv", "-o", "out", "--rates-strength", "2"], "--rates-strength"),
        (["sweep", "-b", "cheerful", "--engine-option", "a=1", "--engine-option", "a=2"], "a is given twice"),
    ],
)
def test_options_that_would_do_nothing_are_refused(
    arguments: list[str],
    option: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    error = capsys.readouterr().err.partition("Error: ")[2]
    assert option in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", VERBS)
def test_no_line_of_help_is_cut(verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([verb, "--help"]) == 0
    cut = [line for line in capsys.readouterr().out.splitlines() if line.endswith("...") and "Usage" not in line]
    assert not cut
    command = cli.get_command(click.Context(cli), verb)
    for name, inner in getattr(command, "commands", {}).items():
        assert inner.short_help or len(inner.help.partition("\n")[0]) < 60, name


def test_help_promises_only_what_verbs_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "--help"]) == 0
    assert "--layers" not in capsys.readouterr().out
    assert "options" not in VERBS["study"]
