"""A study on a streamed model is the study on the model in memory, and continues behind a file that was gone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import trimtab.engines.transformers.packing.budget as budget
import trimtab.store.part_writer as part_writer
from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer
from trimtab.cli.main import main
from trimtab.engines.transformers.streaming import writing_cost
from trimtab.errors import IncompleteRun
from trimtab.study import RunFolder, make_study, run_study
from trimtab.vectors import SteeringVector

KEYS = ["behavior", "split", "prompt_id", "order", "layers", "strength"]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    tiny_model("llama", max_position_embeddings=4096).save_pretrained(tmp_path / "model")
    tiny_tokenizer(CHAT_TEMPLATE).save_pretrained(tmp_path / "model")
    return tmp_path / "model" / "model.safetensors"


def study(weights: Path, stream: bool) -> Any:
    model = {"id": str(weights.parent), "name": "tiny", "dtype": "float32", "device": "cpu", "stream": stream}
    return make_study(
        {
            "name": "small",
            "models": [model],
            "behaviors": [{"source": name, "limit": 16} for name in ("cheerful", "concise")],
            "layers": "1,2",
            "strengths": [-0.1, 0.1],
        }
    )


def rows(folder: Path) -> pd.DataFrame:
    return RunFolder(folder).samples().sort_values(KEYS).reset_index(drop=True)


@contextmanager
def taken_away(file: Path) -> Iterator[None]:
    aside = file.with_suffix(".aside")
    file.rename(aside)
    yield
    aside.rename(file)


@contextmanager
def cut_off(file: Path) -> Iterator[None]:
    whole = file.read_bytes()
    os.truncate(file, len(whole) // 2)
    yield
    file.write_bytes(whole)


@contextmanager
def exchanged(file: Path) -> Iterator[None]:
    whole = file.read_bytes()
    file.write_bytes(whole[:-4] + b"\1\2\3\4")
    yield
    file.write_bytes(whole)


@contextmanager
def on_a_failing_disk(file: Path) -> Iterator[None]:
    def fail(*given: Any) -> int:
        raise OSError(5, "Input/output error")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "preadv", fail)
        yield


DAMAGES = {
    "no such file": taken_away,
    "was changed since the model was loaded": cut_off,
    "so layers of two models would be mixed": exchanged,
    "Input/output error; check the disk": on_a_failing_disk,
}


def test_a_study_stopped_by_its_files_again_and_again_keeps_what_it_wrote_and_ends_with_the_rows_of_memory(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No room for all passes beside each other, so that a sweep takes many streams and writes after each.
    monkeypatch.setattr(budget, "CPU_TOKENS", 1)
    monkeypatch.setattr(budget, "CPU_BYTES", 1_000_000)
    monkeypatch.setattr(part_writer, "SECONDS_BETWEEN_PARTS", 0)
    whole = run_study(study(weights, stream=False), tmp_path / "whole")
    folder = tmp_path / "streamed"

    def parts() -> int:
        return len(list((folder / "samples").glob("part-*.parquet")))

    for problem, damage in DAMAGES.items():
        before = parts()
        with ExitStack() as damages:

            def harm(*step: Any, damage: Any = damage, before: int = before, damages: ExitStack = damages) -> None:
                if parts() > before and not damages._exit_callbacks:  # type: ignore[attr-defined]
                    damages.enter_context(damage(weights))

            with pytest.raises(IncompleteRun, match=rf"model\.safetensors.*{problem}"):
                run_study(study(weights, stream=True), folder, progress=harm)
        assert before < parts() < len(list((whole / "samples").glob("part-*.parquet")))
    run_study(study(weights, stream=True), folder)
    pd.testing.assert_frame_equal(rows(folder), rows(whole), check_exact=True)


def test_a_run_on_the_model_in_memory_is_the_same_run_streamed(weights: Path, tmp_path: Path) -> None:
    folder = run_study(study(weights, stream=False), tmp_path / "run")
    before = sorted(file.stat().st_mtime_ns for file in (folder / "samples").iterdir())
    assert run_study(study(weights, stream=True), folder) == folder
    assert sorted(file.stat().st_mtime_ns for file in (folder / "samples").iterdir()) == before


def test_the_command_line_streams_and_explains_what_it_cannot(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["extract", "-b", "cheerful", "--limit", "16", "-m", str(weights.parent), "--dtype", "float32", "-q"]
    made = [tmp_path / "streamed.safetensors", tmp_path / "whole.safetensors"]
    for file, option in zip(made, ("--stream", "--no-stream"), strict=True):
        assert main([*command, option, "-o", str(file)]) == 0
    streamed, whole = (SteeringVector.load(file) for file in made)
    assert torch.equal(streamed.direction, whole.direction)
    assert streamed.provenance == whole.provenance
    capsys.readouterr()
    assert main([*command, "--stream", "--engine", "vllm", "-o", str(tmp_path / "none.safetensors")]) == 2
    assert "stream is of the default engine" in capsys.readouterr().err


def test_writing_that_is_refused_for_its_cost_is_allowed_by_the_option_that_the_error_names(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing_cost, "stream_seconds", lambda backbone: 3600.0)
    command = [
        "tune", "-b", "cheerful", "--limit", "16", "-m", str(weights.parent), "--dtype", "float32", "--stream", "-q",
        "--layers", "1", "--strengths=-0.1,0.1", "--prompts", "2", "--max-new-tokens", "2", "--pattern", "a",
        "-o", str(tmp_path / "run"), "--device", "cpu",
    ]  # fmt: skip
    assert main(command)
    error = capsys.readouterr().err
    option = re.search(r"--engine-option max_writing_hours=[\d.]+", error)
    assert option is not None, error
    assert main([*command, *option[0].split()]) == 0
