"""What a verb prints as the next command runs as it is printed: with the user's options, files and names."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from test_commands import COMMANDS, KINDS, next_of, parsed

from run_folders import finished_run
from trimtab.cli.main import main
from trimtab.cli.next_command import show_next
from trimtab.study import RunFolder, Written
from trimtab.study.recommending.recommended_file import RECOMMENDED

SETTINGS: dict[str, Any] = {
    "name": "run", "models": [{"id": "smollm2-135m", "name": "tiny-135M"}], "behaviors": [{"source": "cheerful"}],
    "strengths": [-1.0, 1.0], "replies": {"strengths": [-1.0, -0.5, 0.5, 1.0], "min_coherence": 6},
}  # fmt: skip
SETTING = """\
- {behavior: cheerful, model: tiny-135M, vector: vectors/x.safetensors, layers: [4], strength: 0.5, scale: relative,
  positions: all, first_token: false, share_strength: false, vector_layer: null, load: {id: smollm2-135m}}
"""


def recommending(run: Path, settings: str) -> None:
    (run / RECOMMENDED).write_text(
        f"format: trimtab-recommended-1\ntables: ''\nsettings:{settings and chr(10)}{settings or ' []'}", "utf-8"
    )


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = finished_run(tmp_path_factory.mktemp("a run") / "it's mine")
    manifest = folder.manifest()
    vectors = [{"model": "tiny-135M", "behavior": "cheerful"}]
    content = manifest.model_dump(mode="json", exclude_unset=True) | {"settings": SETTINGS}
    assert content["vectors"] or vectors
    folder.write_manifest(manifest.model_copy(update={"settings": SETTINGS}))
    return folder.path


def ending(
    typed_words: list[str], run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[list[str]]:
    """The commands at the end of a verb whose study is that run already."""
    monkeypatch.setattr("trimtab.cli.runs.run_study", lambda *args, **options: run)
    monkeypatch.setattr("trimtab.cli.runs._expected", lambda *args: {})
    for place in ("trimtab.cli.runs", "trimtab.cli.verbs.report"):
        monkeypatch.setattr(f"{place}.report_runs", lambda *args, **options: Written(run / "report.html", ()))
    assert main(typed_words) == 0
    found = [shlex.split(line) for line in next_of(capsys.readouterr().out)]
    for program, *words in found:
        assert program == "trimtab"
        parsed(tuple(words))
    return [words for _, *words in found]


STUDY = "behaviors: [cheerful]\n"
VERBS: dict[str, list[str]] = {
    "study": ["study", "mine.yaml"],
    "sweep": ["sweep", "-b", "it's.jsonl", "--map", "prompt=the question", "--strengths=-0.2,0.2", "--method", "pca"],
    "tune": ["tune", "-b", "cheerful"],
    "report": ["report", "RUN"],
    "diagnose": ["diagnose", "RUN"],
    "side-effects": ["side-effects", "RUN"],
    "robustness": ["robustness", "RUN"],
    "projection": ["projection", "RUN"],
    "baselines": ["baselines", "RUN"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_run_ends_with_a_chat_at_its_setting_and_the_checks_it_lacks(
    verb: str, swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(STUDY, encoding="utf-8")
    recommending(swept, SETTING)
    words = [str(swept) if word == "RUN" else word for word in VERBS[verb]]
    found = ending(words, swept, monkeypatch, capsys)
    use, *rest = found
    assert use == ["chat", "--run", str(swept)]
    assert rest[-2:] == [["side-effects", str(swept)], ["robustness", str(swept)]] or (
        verb == "sweep" and rest[0][0] == "tune" and rest[1:] == [["side-effects", str(swept)]]
    )


def test_a_sweep_that_recommends_nothing_goes_on_to_replies_along_its_vectors(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recommending(swept, "")
    found = ending([*VERBS["sweep"], "--seed", "3"], swept, monkeypatch, capsys)
    vectors = str(RunFolder(swept).vector_file("tiny-135M", "cheerful"))
    assert found == [
        ["tune", "--vectors", vectors, "--behavior", "it's.jsonl", "--map", "prompt=the question", "--seed", "3"],
        ["diagnose", str(swept)],
    ]


def test_of_several_settings_the_first_is_named(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recommending(swept, SETTING + SETTING.replace("behavior: cheerful", "behavior: concise"))
    found = ending(["report", str(swept)], swept, monkeypatch, capsys)
    assert found[0] == ["chat", "--run", str(swept), "--model", "tiny-135M", "--behavior", "cheerful"]


def test_a_broken_file_of_settings_ends_no_report(
    swept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (swept / RECOMMENDED).write_text("a: [", encoding="utf-8")
    assert ending(["report", str(swept)], swept, monkeypatch, capsys) == []


@pytest.mark.parametrize("verb", ["side-effects", "robustness"])
def test_a_check_says_that_it_is_not_of_a_setting_that_was_changed_and_how_that_is_measured(
    verb: str, swept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recommending(swept, SETTING)  # nothing was measured at it
    monkeypatch.setattr("trimtab.cli.runs.run_study", lambda *args, **options: swept)
    monkeypatch.setattr("trimtab.cli.runs._expected", lambda *args: {})
    monkeypatch.setattr("trimtab.cli.runs.report_runs", lambda *args, **options: Written(swept / "report.html", ()))
    assert main([verb, str(swept / RECOMMENDED)]) == 0
    message = capsys.readouterr().err
    assert f"{verb.replace('-', ' ')} of the run are of what it chose itself" in message
    _, *words = shlex.split(message.partition("To measure the other: ")[2].splitlines()[0])
    asked = parsed(tuple(words)).params
    assert (asked["model"], asked["behavior"], asked["layers"]) == ("smollm2-135m", "cheerful", "4")
    assert (asked["strengths"], asked["scale"], asked["positions"]) == ("-0.5,0.5", "relative", "all")
    assert asked["vectors"] == swept / "vectors/x.safetensors"


def test_diagnosed_pairs_are_extracted_next(
    swept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (swept / RECOMMENDED).unlink(missing_ok=True)
    found = ending(["diagnose", "--behavior", "a b.jsonl", "--limit", "40"], swept, monkeypatch, capsys)
    assert found == [["extract", "--behavior", "a b.jsonl", "--limit", "40"]]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["study", "mine.yaml", "--dry-run", "--yes"], ["study", "mine.yaml", "--yes"]),
        (
            ["sweep", "-b", "cheerful", "--strengths=-1,1", "--scale", "raw", "--first-token", "--dry-run"],
            ["sweep", "--behavior", "cheerful", "--strengths=-1,1", "--scale", "raw", "--first-token"],
        ),
        (
            ["tune", "-b", "cheerful", "--judge", "classifier", "--judge", "openai/gpt-4o-mini", "--dry-run"],
            ["tune", "--behavior", "cheerful", "--judge", "classifier", "--judge", "openai/gpt-4o-mini"],
        ),
    ],
)
def test_a_plan_ends_with_the_same_command_without_dry_run(
    words: list[str],
    expected: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(STUDY, encoding="utf-8")
    for verb in ("study", "sweep", "tune"):
        monkeypatch.setattr(f"trimtab.cli.verbs.{verb}.show_plan", lambda *args, **more: None)
    assert main(words) == 0
    (line,) = next_of(capsys.readouterr().out)
    _, *found = shlex.split(line)
    context, again = parsed(tuple(words)), parsed(tuple(found))
    assert {**context.params, "dry_run": False} == again.params
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("quiet", [{"quiet": True}, {"as_json": True}])
def test_quiet_and_json_outputs_stay_clean(quiet: dict[str, bool], capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(click.Command("x")) as context:
        context.params = dict(quiet)
        show_next(["report", "runs/x"])
        assert capsys.readouterr().out == ""
        context.params = dict.fromkeys(quiet, False)
        show_next(["report", "runs/a b"])
        assert capsys.readouterr().out == "next: trimtab report 'runs/a b'\n"
        show_next(["report", "x"], ["report", "y"])
        assert capsys.readouterr().out == "next:\n  trimtab report x\n  trimtab report y\n"


def test_verbs_that_end_a_study_are_all_tried_here() -> None:
    planned = {verb for verb, kind in KINDS.items() if kind.planned}
    assert planned <= set(VERBS)
    assert set(VERBS) <= set(COMMANDS)
