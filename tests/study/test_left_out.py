"""A model or a behavior that cannot be asked is left out and told at the end; the rest of the study is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer
from trimtab.cli.main import main
from trimtab.data import BUILT_INS
from trimtab.errors import DataError, IncompleteRun, TrimtabWarning
from trimtab.store.cached_tables import read_cached_tables
from trimtab.study import RunFolder, make_study, report_runs, run_study

DEAF = (
    "{% for m in messages if m['role'] != 'system' %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "<|assistant|>"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tiny models, one of which drops system messages; pairs with a system message."""
    place = tmp_path_factory.mktemp("place")
    for name, template in (("hears", CHAT_TEMPLATE), ("deaf", DEAF)):
        tiny_model("llama", 0).save_pretrained(place / name)
        tiny_tokenizer(template).save_pretrained(place / name)
    rows = []
    for pair in BUILT_INS["cheerful"].load()[:16]:
        prompt = [{"role": "system", "content": "Be a"}, {"role": "user", "content": pair.prompt}]
        rows.append({"prompt": prompt, "positive": pair.positive, "negative": pair.negative})
    (place / "with-system.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def settings(place: Path, *models: str, behaviors: tuple[str, ...] = ("with-system.jsonl",)) -> dict[str, Any]:
    return {
        "name": "left-out",
        "models": [{"id": str(place / name), "name": name, "dtype": "float32", "device": "cpu"} for name in models],
        "behaviors": [
            {"source": str(place / name) if "." in name else name, "limit": 16} for name in behaviors
        ],
        "layers": "1",
        "strengths": [-0.4, 0.4],
        "scale": "relative",
    }  # fmt: skip


def test_model_that_loses_a_message_is_left_out_and_the_others_are_done(place: Path, tmp_path: Path) -> None:
    study = make_study(settings(place, "deaf", "missing", "hears"))
    with pytest.warns(TrimtabWarning, match="with-system is left out in deaf"), pytest.raises(IncompleteRun) as caught:
        run_study(study, tmp_path / "run")
    deaf, missing = str(caught.value).splitlines()[:2]
    assert "deaf: pair L" in deaf
    assert "with-system.jsonl:" in deaf
    assert missing.startswith("missing: ")
    found = RunFolder(tmp_path / "run")
    assert set(found.samples()["model"]) == {"hears"}
    assert found.manifest().status != "finished"
    assert any(warning.model == "deaf" and "deaf" in warning.text for warning in found.manifest().warnings)


def test_other_behaviors_of_a_model_that_refuses_one_are_done(place: Path, tmp_path: Path) -> None:
    study = make_study(settings(place, "deaf", behaviors=("with-system.jsonl", "cheerful")))
    with pytest.warns(TrimtabWarning), pytest.raises(IncompleteRun, match="the system's"):
        run_study(study, tmp_path / "run")
    assert set(RunFolder(tmp_path / "run").samples()["behavior"]) == {"cheerful"}


def test_model_that_refuses_everything_is_an_error_without_a_run(place: Path, tmp_path: Path) -> None:
    with pytest.warns(TrimtabWarning), pytest.raises(DataError, match=r"deaf: pair L\d+ \(.*with-system\.jsonl:\d+\)"):
        run_study(make_study(settings(place, "deaf")), tmp_path / "run")


def test_command_line_reports_what_there_is_and_exits_with_2(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "study.yaml").write_text(json.dumps(settings(place, "deaf", "hears")))
    assert main(["study", str(tmp_path / "study.yaml"), "-o", str(tmp_path / "run"), "-q"]) == 2
    out, err = capsys.readouterr()
    assert "report: " in out
    assert "error: deaf: pair L" in err
    assert "left out in deaf" in (tmp_path / "run" / "report.html").read_text()


def test_checks_of_a_model_that_drops_system_messages_leave_out_what_it_cannot_be_asked(
    place: Path, tmp_path: Path
) -> None:
    checks = {
        "robustness": {"prompts": 4, "translations": False},
        "side_effects": {"prompts": 4, "random": 0, "max_new_tokens": 2, "measure": ["with-system", "concise"]},
    }
    study = make_study(settings(place, "deaf", behaviors=("with-system.jsonl", "cheerful")) | checks)
    with (
        pytest.warns(TrimtabWarning, match="with-system is not measured"),
        pytest.raises(IncompleteRun, match="the system's"),
    ):
        run_study(study, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    asked = read_cached_tables(folder, "robustness", "samples")
    assert asked is not None
    assert not any(variant.startswith("system") for variant in asked["variant"])
    shifts = read_cached_tables(folder, "side_effects", "shifts")
    assert shifts is not None
    assert set(shifts["measured"]) == {"cheerful", "concise"}
    report_runs([tmp_path / "run"], tmp_path / "report.html")
