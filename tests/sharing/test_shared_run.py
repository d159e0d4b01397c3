"""The vector of a run, shared: with the setting, effect, findings and warnings of its report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conditional import monitor_of
from run_folders import finished_run
from sharing.cards import header_of
from tiny import tiny, vector_for
from trimtab.cli.main import main
from trimtab.errors import SettingError, VectorError
from trimtab.monitors import Monitor, PromptCondition
from trimtab.sharing import receive_vector, share_run
from trimtab.sharing.hub_repository import to_upload
from trimtab.steering import Gate, PromptGate
from trimtab.store.run_folder import RunFolder
from trimtab.study import report_runs
from trimtab.study.recommending.recommendations import Recommendation
from trimtab.study.setting_to_use import SettingToUse, recommendation, setting_to_use
from trimtab.vectors import SteeringVector
from trimtab.vectors.formats.published.shared_folders import SharedCondition

BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A judged run that recommends a setting, with warnings, whose vector is that of a tiny model."""
    folder = finished_run(tmp_path_factory.mktemp("runs") / "run")
    settings = {
        "name": "run", "models": [{"id": "smollm2-135m", "name": "tiny-135M"}],
        "behaviors": [{"source": "cheerful"}], "strengths": [-1.0, 1.0],
        "replies": {"strengths": [-1.0, -0.5, 0.5, 1.0], "min_coherence": 6},
    }  # fmt: skip
    folder.write_manifest(folder.manifest().model_copy(update={"settings": settings}))
    deep = vector_for(tiny("llama"))
    rows = deep.direction.repeat(3, 1)
    made = replace(deep.provenance, first_token_ratio=(), letter=None)
    wide = replace(deep, direction=rows, residual_norm=torch.ones(len(rows)) * 2, provenance=made)
    wide.save(RunFolder(folder.path).vector_file("tiny-135M", "cheerful"))
    return folder.path


@pytest.fixture(scope="module")
def use(run: Path) -> SettingToUse:
    """The setting that the run recommends, which it then has in a file."""
    report_runs([run], run / "report.html")
    return setting_to_use(run)


@pytest.fixture(scope="module")
def analysed(run: Path, use: SettingToUse) -> Recommendation:
    """What the run measured there, which takes seconds to find."""
    return recommendation(run, use)


@pytest.fixture
def found(run: Path, use: SettingToUse, analysed: Recommendation, monkeypatch: pytest.MonkeyPatch) -> Recommendation:
    """The same, which sharing then takes as it is."""

    def same(path: Path, wanted: SettingToUse) -> Recommendation:
        assert (path, wanted.layers, wanted.strength) == (run, use.layers, use.strength)
        return analysed

    monkeypatch.setattr("trimtab.sharing.shared_vector.recommendation", same)
    return analysed


def test_the_card_names_the_base_model_effect_and_every_warning(
    run: Path, found: Recommendation, tmp_path: Path
) -> None:
    made = share_run(run, tmp_path / "v")
    header, text = header_of(made.folder)
    assert header["base_model"] == BASE
    assert header["base_model_relation"] == "adapter"
    assert (made.steering.behavior, made.steering.model.name) == ("cheerful", "tiny-135M")
    assert header["library_name"] == "trimtab"
    assert {"steering-vector", "activation-steering", "control-vector"} <= set(header["tags"])
    effect = made.steering.effect
    assert effect is not None
    measured = found.setting.measured
    assert measured is not None
    assert (measured.chosen_by, effect.measure) == ("replies", "judged replies")
    assert (effect.change, effect.low, effect.high) == (
        measured.effect.change, measured.effect.low, measured.effect.high,
    )  # fmt: skip
    assert effect.statement in text
    cautions = [one.text for one in found.findings if one.kind == "caution"]
    assert cautions
    warnings = text.partition("## Warnings")[2].partition("## ")[0]
    for one in (*cautions, *found.warnings):
        assert " ".join(one.split()).replace("&", "&amp;").replace("<", "&lt;") in warnings
    assert made.steering.setting.layers == found.setting.layers
    assert made.steering.setting.strength == found.setting.strength


def test_the_command_line_writes_and_reads_a_folder(
    run: Path,
    use: SettingToUse,
    found: Recommendation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["hub", "push", str(run), "-o", "w", "-l", "1"]) == 2
    assert main(["hub", "push", str(run), "-o", "shared"]) == 0
    assert main(["hub", "pull", "shared", "-o", "mine.safetensors"]) == 0
    out = capsys.readouterr().out
    assert "measured there: judged replies" in out
    command = f"trimtab chat --vectors mine.safetensors --layer {use.layers[0]} --strength={use.strength:g}"
    assert f"{command} --scale relative" in out
    assert SteeringVector.load("mine.safetensors").provenance.origin is not None


def test_a_setting_that_was_changed_by_hand_is_shared_without_an_effect(
    run: Path, use: SettingToUse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = replace(use, strength=0.25, edited="strength +0.25 instead of +0.5")
    monkeypatch.setattr("trimtab.sharing.shared_vector.setting_to_use", lambda *args: changed)
    made = share_run(run, tmp_path / "v")
    assert (made.steering.setting.strength, made.steering.effect) == (0.25, None)
    assert any("strength +0.25 instead of +0.5" in note for note in made.notes)
    assert "+0.5" in header_of(made.folder)[1]


def test_settings_with_a_gate_are_not_shared(
    run: Path, use: SettingToUse, found: Recommendation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated = replace(use, steering=replace(use.steering, gate=Gate.__new__(Gate)))
    monkeypatch.setattr("trimtab.sharing.shared_vector.setting_to_use", lambda *args: gated)
    with pytest.raises(SettingError, match="with a gate"):
        share_run(run, tmp_path / "v")


def test_a_condition_on_the_prompt_is_shared_with_its_monitor(
    run: Path, use: SettingToUse, found: Recommendation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    width = use.vector.direction.shape[1]
    of_model = monitor_of(tiny("llama"), torch.arange(1.0, width + 1), -0.3)
    made_of = replace(of_model.provenance, model="/home/somebody/secret/tiny")
    file = replace(of_model, provenance=made_of).save(tmp_path / "polite.safetensors")
    condition = PromptCondition.of_file(file, 0.8, "last")
    gated = replace(use, steering=replace(use.steering, gate=condition.gate), condition=condition)
    monkeypatch.setattr("trimtab.sharing.shared_vector.setting_to_use", lambda *args: gated)
    made = share_run(run, tmp_path / "v", base_model=BASE)
    assert made.steering.setting.when == SharedCondition("monitor.safetensors", 0.8, "last")
    assert {one.name for one in made.folder.iterdir()} >= {"monitor.safetensors", "vectors.safetensors"}
    assert "control_vector.gguf" not in {one.name for one in made.folder.iterdir()}
    assert "Only behind prompts that meet a condition" in header_of(made.folder)[1]
    assert Monitor.load(made.folder / "monitor.safetensors").provenance.model == "tiny"
    assert not [one.name for one in made.folder.iterdir() if b"secret" in one.read_bytes()]
    received = receive_vector(made.folder)
    assert isinstance(received.how.gate, PromptGate)
    assert received.how.gate.content_hash == condition.gate.content_hash
    assert "--when kept.safetensors --when-above 0.8 --when-reads last" in received.command("v", "kept.safetensors")
    close = replace(received.steering.setting, when=SharedCondition("monitor.safetensors", 0.99999999, "mean"))
    command = replace(received, steering=replace(received.steering, setting=close)).command("v", "kept.safetensors")
    assert "--when-above 0.99999999 " in command  # as 1 it would be refused
    assert dict(to_upload(made.folder)).keys() >= {"monitor.safetensors"}
    assert main(["hub", "pull", str(made.folder), "-o", str(tmp_path / "pulled.safetensors")]) == 0
    assert Monitor.load(tmp_path / "pulled-monitor.safetensors").layer == condition.monitor.layer
    (made.folder / "monitor.safetensors").write_bytes(b"changed")
    with pytest.raises(VectorError, match="monitor"):
        receive_vector(made.folder)
    (made.folder / "monitor.safetensors").unlink()
    with pytest.raises(VectorError, match="monitor"):
        to_upload(made.folder)


def test_a_folder_without_a_condition_says_nothing_of_one(
    run: Path, use: SettingToUse, found: Recommendation, tmp_path: Path
) -> None:
    made = share_run(run, tmp_path / "v", base_model=BASE)
    assert "when" not in json.loads((made.folder / "steering.json").read_text(encoding="utf-8"))["setting"]
