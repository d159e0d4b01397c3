"""The verbs that check a run, as somebody types them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from trimtab.cli.main import main
from trimtab.store.run_folder import RunFolder

if TYPE_CHECKING:
    from trimtab.models import Backbone


@pytest.fixture(scope="module")
def tiny_model(llama: Backbone) -> Iterator[None]:
    """Whatever model is asked for, a tiny random one runs."""
    from trimtab.engines import Model
    from trimtab.study import _model_runner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_model_runner, "load", lambda *args, **options: Model(llama))
        yield


@pytest.fixture(scope="module")
def run(tiny_model: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A swept run."""
    out = tmp_path_factory.mktemp("checks") / "run"
    arguments = ["--behavior", "permissive", "--limit", "16", "--layers", "1,2", "--strengths=-0.4,0.4", "-q"]
    assert main(["sweep", *arguments, "--scale", "relative", "-o", str(out)]) == 0
    return out


def test_a_diagnosis_says_what_is_good_and_what_is_not_and_what_to_do(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diagnose", str(run), "-q"]) == 0
    said = capsys.readouterr().out
    assert "permissive: " in said
    assert "problem: " in said or "caution: " in said  # a random model has no direction to find
    assert f"report: {run / 'report.html'}" in said
    assert (run / "tables" / "pair_quality.csv").is_file()


def test_pairs_are_diagnosed_without_a_run(
    tiny_model: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["diagnose", "--behavior", "permissive", "--limit", "16", "-o", str(out), "-q"]) == 0
    assert "permissive: " in capsys.readouterr().out
    assert (out / "report.html").is_file()


def test_two_lists_are_diagnosed_and_what_needs_pairs_is_said_to(
    tiny_model: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.txt").write_text("".join(f"A lovely day number {n}\n" for n in range(6)))
    (tmp_path / "bad.txt").write_text("".join(f"{word} rain again\n" for word in ("Grey", "More", "Cold", "No end of")))
    source, out = f"{tmp_path / 'good.txt'} vs {tmp_path / 'bad.txt'}", tmp_path / "out"
    assert main(["diagnose", "--behavior", source, "-o", str(out), "-q"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "note: good-vs-bad: Not known of two lists, as it needs pairs: consistency" in said
    assert "the positive one is the longer" in said
    assert (out / "tables" / "list_surface.csv").is_file()


def test_columns_of_a_file_are_named_in_verbs_that_read_pairs(
    tiny_model: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"Question {n}?,Yes number {n},No {n * n}\n" for n in range(16))
    (tmp_path / "qa.csv").write_text(f"ask,best,worst\n{rows}")
    given = ["diagnose", "--behavior", str(tmp_path / "qa.csv"), "-o", str(tmp_path / "out"), "-q"]
    assert main([*given, "--map", "prompt=ask,positive=best,negative=worst"]) == 0
    assert "qa: " in capsys.readouterr().out
    behavior = RunFolder(tmp_path / "out").manifest().settings["behaviors"][0]
    assert behavior["map"] == {"prompt": "ask", "positive": "best", "negative": "worst"}
    assert main([*given, "--map", "prompt=aks"]) == 2
    assert "there is no column 'aks'; the columns are ask, best, worst" in capsys.readouterr().err.replace("\n", " ")
    assert main(["diagnose", "--behavior", "cheerful", "--map", "prompt=ask"]) == 2
    assert "cheerful is built in, and no file with columns to name" in capsys.readouterr().err.replace("\n", " ")


def test_side_effects_and_robustness_add_to_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    side = ["--measure", "concise", "--prompts", "4", "--random", "2", "--layers", "1", "--max-new-tokens", "4"]
    assert main(["side-effects", str(run), *side, "-q"]) == 0
    assert "random" in capsys.readouterr().out
    assert main(["robustness", str(run), "--prompts", "4", "-q"]) == 0
    assert "permissive" in capsys.readouterr().out
    page = (run / "report.html").read_text(encoding="utf-8")
    assert 'id="robustness"' in page
    assert 'id="random"' in page


def test_what_was_not_measured_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    side = ["--measure", "concise", "--prompts", "4", "--random", "0", "--max-new-tokens", "4"]
    assert main(["side-effects", str(run), *side, "-q"]) == 0
    said = capsys.readouterr().out
    assert "permissive: not measured: random directions." in said
    assert "nothing to warn of" not in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["diagnose"], "give a run folder, or --behavior"),
        (["diagnose", "RUN", "--behavior", "cheerful"], "give a run folder, or --behavior"),
        (["diagnose", "RUN", "--seed", "3"], "--seed is settled by the run"),
        (["diagnose", "--behavior", "cheerful", "--methods"], "give a run folder"),
        (["robustness", "RUN", "--behavior", "chearful"], "no behavior of this study is called 'chearful'"),
        (["robustness", "RUN", "--prompts", "1"], "prompts"),
        (["robustness", "nowhere"], "no manifest.json here"),
        (["side-effects", "RUN", "--measure", "nothing-like-it"], "no behavior or file 'nothing-like-it'"),
        (["side-effects", "RUN", "--layers", "99"], "layer 99 is out of range"),
    ],
)
def test_what_cannot_be_meant_ends_in_a_message(
    run: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(run) if word == "RUN" else word for word in arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
