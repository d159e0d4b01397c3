"""`--engine` and `--engine-option`: what runs the model, from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trimtab.cli.main import main
from trimtab.cli.verbs import chat, extract
from trimtab.errors import ModelError

OPTIONS = ["tensor_parallel_size=8", "enforce_eager=true", "quantization=fp8", "hf_overrides={a: 1}"]
READ = {"tensor_parallel_size": 8, "enforce_eager": True, "quantization": "fp8", "hf_overrides": {"a": 1}}


@pytest.mark.parametrize("verb", [extract, chat])
def test_options_reach_the_engine_as_a_study_file_would_have_them(verb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def load(name: str, **given: Any) -> Any:
        asked.update(given)
        raise ModelError("far enough")

    monkeypatch.setattr(verb, "load", load)
    arguments = ["--behavior", "cheerful"] if verb is extract else []
    name = verb.__name__.rpartition(".")[2]
    given = [part for option in OPTIONS for part in ("--engine-option", option)]
    assert main([name, *arguments, "--engine", "vllm", *given]) == 2
    assert (asked["engine"], asked["engine_options"]) == ("vllm", READ)


@pytest.mark.parametrize("verb", [extract, chat])
def test_a_device_for_each_part_is_a_mapping_in_braces(verb: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def load(name: str, **given: Any) -> Any:
        asked.append(given["device"])
        raise ModelError("far enough")

    monkeypatch.setattr(verb, "load", load)
    arguments = ["--behavior", "cheerful"] if verb is extract else []
    name = verb.__name__.rpartition(".")[2]
    for text in ("{'': cpu, model.layers.3: disk, model.layers.4: 1}", '{"": "cpu"}', "cuda:1"):
        assert main([name, *arguments, "--device", text]) == 2
    assert asked == [{"": "cpu", "model.layers.3": "disk", "model.layers.4": 1}, {"": "cpu"}, "cuda:1"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--engine-option", "tensor_parallel_size"], "is not KEY=VALUE"),
        (["--engine-option", "a={"], "a:1: not YAML"),
        (
            ["--engine-option", "tensor_parallel_size=8"],
            "the default engine has no engine_options but max_writing_hours, so not tensor_parallel_size",
        ),
        (["--engine", "vlm"], "choose from transformers, vllm"),
        (["--engine", "vllm", "--device", "cuda"], "vLLM finds its devices itself"),
        (["--device", "{model.layers.0: [1]}"], "models.0.device"),
        (["--device", "{}"], "a mapping of devices is written as"),
        (["--device", "{a: "], "not YAML"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--behavior", "cheerful", "--dry-run", *given]) == 2
    assert words in capsys.readouterr().err


def test_a_sweep_is_planned_for_the_engine_that_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--engine", "vllm", "--engine-option", "tensor_parallel_size=2"]
    assert main(["sweep", "--behavior", "cheerful", "--limit", "16", "--dry-run", *options]) == 0
    assert "requests" in capsys.readouterr().out


def test_ray_may_be_local_or_at_an_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from trimtab.cli import runs

    asked = []

    def run(*_: Any, ray: str | None, **__: Any) -> Path:
        asked.append(ray)
        raise ModelError("far enough")

    monkeypatch.setattr(runs, "run_study", run)
    file = tmp_path / "s.yaml"
    file.write_text("behaviors: [cheerful]\n")
    for given in ([], ["--ray"], ["--ray-address", "10.0.0.1:6379"]):
        assert main(["study", "-q", *given, str(file)]) == 2
    assert asked == [None, "local", "10.0.0.1:6379"]
