"""Studies whose vectors are trained: what is refused before anything runs, what is planned, and what is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tiny import tiny
from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.store.run_folder import RunFolder
from trimtab.study import make_study, plan_study
from trimtab.study.given import Given
from trimtab.study.run import run_study
from trimtab.vectors import SteeringVector

FACTS = {"layers": 12, "width": 64, "heads": 4, "kv_heads": 2, "parameters": "1B"}
CHEERFUL: dict[str, Any] = {"behaviors": [{"source": "cheerful", "limit": 16}], "method": "ssv"}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.study.plan._estimates.hub_answers", lambda: False)


def test_training_is_a_part_of_the_identity_and_its_absence_is_none() -> None:
    plain = make_study(CHEERFUL | {"method": "mean"})
    assert "training" not in str(plain.identity([]))
    studies = [make_study(CHEERFUL | more) for more in ({}, {"training": {"steps": 9}}, {"method": "bipo"})]
    assert len({study.identity([]) for study in (plain, *studies)}) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"method": "mean", "training": {"steps": 3}}, "method mean is not trained, so steps sets nothing"),
        ({"training": {"stepps": 3}}, "did you mean 'steps'"),
        ({"training": {"norm_bound": 0}}, "norm_bound is 0"),
        ({"models": [{"id": "a/b", "engine": "vllm"}]}, "vLLM, which computes no gradients"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_study_file(content: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        make_study(CHEERFUL | content)


def test_a_behavior_without_pairs_of_completions_is_refused_before_anything_runs(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("\n".join(f"{name} line {n}" for n in range(30)), encoding="utf-8")
    source = f"{tmp_path / 'a.txt'} vs {tmp_path / 'b.txt'}"
    study = make_study({"behaviors": [source], "method": "ssv", "models": [{"id": "nobody/nothing", "facts": FACTS}]})
    with pytest.raises(SettingError, match="method ssv: it is trained to make given completions likely"):
        plan_study(study, "h100")


def test_a_plan_counts_the_training_and_states_its_memory() -> None:
    models = [{"id": "nobody/nothing", "facts": FACTS}]
    plans = [
        plan_study(make_study(CHEERFUL | {"models": models, "layers": "6:11", "training": {"steps": steps}}), "h100")
        for steps in (10, 20)
    ]
    few, many = (plan.steps[0] for plan in plans)
    assert "training ssv at 5 layers at once: at most 10 steps of 8 pairs" in plans[0].text()
    assert few.tokens < many.tokens < 2 * few.tokens
    assert plans[0].models[0].activation_bytes >= few.gradient_bytes > 0


def test_the_swept_layers_are_trained_and_the_run_says_how(tmp_path: Path) -> None:
    content = CHEERFUL | {
        "layers": "1,3", "scale": "raw", "strengths": [-1, 1], "positions": "after_prompt", "training": {"steps": 2},
    }  # fmt: skip
    study = make_study(content | {"models": [{"id": "tiny"}]})
    out = run_study(study, tmp_path / "run", given=Given(models={"tiny": Model(tiny("llama"))}))
    vector = SteeringVector.load(RunFolder(out).vector_file("tiny-llama", "cheerful"))
    made = vector.provenance.training
    assert made is not None
    assert (vector.layers, made.layers) == ((1, 3), (1, 3))
    assert (made.settings["steps"], made.settings["positions"]) == (2, "after_prompt")
