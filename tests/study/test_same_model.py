"""A run goes on with the model that it began with, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer
from trimtab.errors import RunError
from trimtab.models import Backbone, wrap
from trimtab.study import RunFolder, make_study, run_study

SETTINGS = {
    "name": "small",
    "models": [{"id": "smollm2-135m", "dtype": "float32"}],
    "behaviors": [{"source": "cheerful", "limit": 16}],
    "layers": "1,2",
    "strengths": [-0.1, 0.1],
    "scale": "relative",
}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Runs a study, whatever model it names, on a given one."""
    from trimtab.engines import Model
    from trimtab.study import _model_runner

    def run_on(backbone: Backbone, folder: Path) -> Path:
        monkeypatch.setattr(_model_runner, "load", lambda *args, **options: Model(backbone))
        return run_study(make_study(SETTINGS), folder)

    return run_on


def model(template: str | None = None, change: Callable[[Any], Any] = lambda model: None, **numbers: Any) -> Backbone:
    made = tiny_model("llama", max_position_embeddings=4096, **numbers)
    with torch.no_grad():
        change(made)
    return wrap(made, tiny_tokenizer(template), name="tiny")


OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "a matrix times three": ({"change": lambda m: m.model.layers[1].mlp.down_proj.weight.mul_(3)}, "other weights"),
    "another base of rotary positions": (
        {"rope_parameters": {"rope_type": "default", "rope_theta": 5000.0}},
        "another configuration",
    ),
    "another epsilon": ({"rms_norm_eps": 0.1}, "another configuration"),
    "another activation": ({"hidden_act": "gelu"}, "another configuration"),
    "another chat template": ({"template": CHAT_TEMPLATE}, "another chat template"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_run_does_not_go_on_with_another_model_of_the_same_name(
    what: str, run: Callable[..., Path], tmp_path: Path
) -> None:
    changes, named = OTHERS[what]
    folder = run(model(), tmp_path / "run")
    before = RunFolder(folder).samples()
    with pytest.raises(RunError, match=named):
        run(model(**changes), folder)
    assert RunFolder(folder).samples().equals(before)
    run(model(), folder)  # and with its own it goes on


def test_a_run_of_an_earlier_version_is_told_to_begin_anew(run: Callable[..., Path], tmp_path: Path) -> None:
    folder = run(model(), tmp_path / "run")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["models"][0]["fingerprint"] = "0123456789abcdef"
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(RunError, match=r"earlier version of trimtab.*start a new run"):
        run(model(), folder)
