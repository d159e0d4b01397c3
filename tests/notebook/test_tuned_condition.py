"""Settings that were tuned under a condition on the prompt: what is steered and checked with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import trimtab as tt
from conditional import half_open, monitor_of
from notebook.conftest import TUNED, Parts
from study.conftest import WhimSettings
from trimtab.errors import SettingError, VectorError
from trimtab.judges import JUDGES
from trimtab.models import Backbone
from trimtab.monitors import Monitor

CHECK: dict[str, Any] = {"measure": ["concise"], "prompts": 4, "random": 0, "max_new_tokens": 2}


def tuned_under(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts, file: Path, **more: Any
) -> tuple[tt.Tuning, Monitor]:
    """A tuning whose monitor is fitted again before anything is asked of it; and the monitor as it was."""
    train, select, test = parts
    prompts = [model.prompt_tokens(pair, "text") for pair in (*select, *test)]
    backbone = model.backbone
    assert isinstance(backbone, Backbone)
    half_open(backbone, prompts, file)
    before = Monitor.load(file)
    with JUDGES.temporarily("whim", WhimSettings):
        tuned = tt.tune(model, vectors, select, test=test, train=train, when=file, **TUNED, **more)
    monitor_of(backbone, torch.ones(model.facts.width), 9.0).save(file)
    return tuned, before


def chosen(tuned: tt.Tuning) -> Any:
    return tuned.toward or tuned.away


def test_what_is_steered_with_is_the_condition_that_was_tuned_under(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts, tmp_path: Path
) -> None:
    tuned, before = tuned_under(model, vectors, parts, tmp_path / "polite.safetensors", first_token=True)
    setting = chosen(tuned)
    assert setting.options["gate"].content_hash == before.prompt_gate(0.5).content_hash
    assert setting.options["first_token"] is True
    with pytest.raises(SettingError, match="another monitor by now"):
        _ = setting.check_options  # nothing holds the former one any more
    setting.condition.monitor.save(tmp_path / "polite.safetensors")
    effects = tt.side_effects(model, vectors, parts[2], train=parts[0], **setting.check_options, **CHECK)
    assert effects.run.manifest["conditions"]
    (tmp_path / "polite.safetensors").unlink()
    with pytest.raises(VectorError, match=r"polite\.safetensors"):
        _ = setting.check_options


def test_checks_take_the_copy_of_a_run_that_stays(
    model: tt.Model, vectors: tt.SteeringVector, parts: Parts, tmp_path: Path
) -> None:
    tuned, _ = tuned_under(model, vectors, parts, tmp_path / "polite.safetensors", out=tmp_path / "run")
    options = chosen(tuned).check_options
    assert options["when"] == {
        "monitor": str(tmp_path / "run" / "monitor.safetensors"), "above": 0.5, "reads": "mean"
    }  # fmt: skip
    kept = tt.robustness(model, vectors, parts[2], train=parts[0], translations=False, prompts=4, **options)
    assert [entry["words"] for entry in kept.run.manifest["conditions"]] == [str(tuned.condition)]
