"""Studies that steer under a condition on the prompt: what is measured, what identifies a run, where it goes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from conditional import half_open, monitor_of, projections
from study.conftest import Run, runner, settings, table
from trimtab.cli.setting.edited_settings import _condition
from trimtab.data import NEUTRAL_PROMPTS
from trimtab.engines import Model
from trimtab.errors import RunError, SettingError, VectorError
from trimtab.models import Backbone
from trimtab.monitors import Monitor
from trimtab.study import RunFolder, make_study
from trimtab.study._contrast_parts import parts_of, read_behavior
from trimtab.study.recommending.recommended_file import Pushed, RecommendedSetting
from trimtab.study.resume import reopened

SWEPT: dict[str, Any] = {key: value for key, value in settings().items() if key != "replies"}


@pytest.fixture(scope="module")
def swept(llama: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path, dict[str, bool]]:
    """The same study under a condition and without; the monitor's file; which held-out prompts meet it."""
    folder = tmp_path_factory.mktemp("conditional")
    study = make_study(SWEPT)
    (setting,) = study.behaviors
    _, select, test = parts_of(study, setting, read_behavior(study, setting))
    model = Model(llama)
    pairs = [*select, *test]
    prompts = [model.prompt_tokens(pair, "text") for pair in pairs]
    opened = half_open(llama, prompts, folder / "polite.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        run = runner(llama, patch)
        when = {"monitor": str(folder / "polite.safetensors")}
        gated = run({**SWEPT, "when": when, "dose": True}, folder / "gated")
        plain = run({**SWEPT, "dose": True}, folder / "plain")
    return gated, plain, folder / "polite.safetensors", dict(zip([pair.id for pair in pairs], opened, strict=True))


def test_prompts_that_do_not_meet_it_have_their_unsteered_scores(
    swept: tuple[Path, Path, Path, dict[str, bool]],
) -> None:
    gated, plain, _, opened = swept
    assert set(opened.values()) == {True, False}
    one, other = (table(folder, "samples").set_index(["prompt_id", "layers", "strength"]) for folder in (gated, plain))
    assert len(one) == len(other) == len(opened) * 5
    for prompt, is_open in opened.items():
        found, pushed = one.loc[prompt]["score"], other.loc[prompt]["score"]
        unsteered = pd.Series(float(other.loc[prompt, "", 0.0]["score"]), index=pushed.index)
        pd.testing.assert_series_equal(found, pushed if is_open else unsteered, atol=1e-4, rtol=0, check_names=False)
        assert not is_open or (pushed - unsteered).abs().max() > 1e-3


def test_the_run_says_how_often_it_held(swept: tuple[Path, Path, Path, dict[str, bool]]) -> None:
    gated, plain, _, opened = swept
    (entry,) = RunFolder(gated).manifest().conditions
    assert (entry.prompts, entry.opened) == (len(opened), sum(opened.values()))
    assert entry.words == "only where the prompt scores above 0.5 for polite (its mean state, layer 2)"
    assert RunFolder(plain).manifest().conditions == ()


def test_doses_are_those_of_the_neutral_prompts_that_meet_it(
    swept: tuple[Path, Path, Path, dict[str, bool]], llama: Backbone
) -> None:
    gated, plain, file, _ = swept
    model = Model(llama)
    held = model.opened(Monitor.load(file).prompt_gate(0.5), list(NEUTRAL_PROMPTS))
    one, other = (RunFolder(folder).parts("dose") for folder in (gated, plain))
    assert one is not None
    assert other is not None
    assert (one["kl"] <= other["kl"] + 1e-6).all()
    assert (one["kl"] < other["kl"] - 1e-6).any() == (not all(held))


def test_a_run_is_identified_by_what_its_monitor_holds_and_not_by_its_path(
    swept: tuple[Path, Path, Path, dict[str, bool]], run: Run, llama: Backbone, tmp_path: Path
) -> None:
    gated, _, file, _ = swept
    moved = tmp_path / "elsewhere.safetensors"
    moved.write_bytes(file.read_bytes())
    before = RunFolder(gated).manifest().identity
    assert run({**SWEPT, "dose": True, "when": str(moved)}, gated) == gated  # the same run: nothing is computed again
    assert RunFolder(gated).manifest().identity == before
    with pytest.raises(RunError, match="when"):
        run({**SWEPT, "dose": True, "when": {"monitor": str(moved), "above": 0.6}}, gated)
    monitor_of(llama, torch.ones(llama.facts.width), 0.0).save(moved)
    with pytest.raises(RunError, match="other settings"):
        run({**SWEPT, "dose": True, "when": str(moved)}, gated)


def test_a_check_that_is_added_later_uses_the_copy_in_the_run(
    swept: tuple[Path, Path, Path, dict[str, bool]],
) -> None:
    gated, _, file, _ = swept
    study, _ = reopened(gated, {"side_effects": True})
    assert study.condition is not None
    assert study.condition.file == gated / "monitor.safetensors"
    assert study.condition.gate.content_hash == Monitor.load(file).prompt_gate(0.5).content_hash
    gate = study.steering().gate
    assert gate is study.condition.gate


def test_the_condition_is_part_of_the_recommended_setting_and_of_what_was_measured(tmp_path: Path) -> None:
    pushed = {
        "vector": "v", "layers": [1], "strength": 0.1, "scale": "relative", "positions": "all", "first_token": False,
        "share_strength": False, "vector_layer": None,
    }  # fmt: skip
    always = Pushed.model_validate(pushed)
    gated = Pushed.model_validate({**pushed, "when": {"monitor": "monitor.safetensors", "above": 0.8}})
    assert always.changes(gated) == "when always instead of monitor.safetensors above 0.8"
    with pytest.raises(VectorError, match=r"monitor\.safetensors"):
        gated.steering(tmp_path)
    assert always.steering(tmp_path).gate is None
    close = Pushed.model_validate({**pushed, "when": {"monitor": "monitor.safetensors", "above": 0.80000001}})
    assert close.changes(gated) == "when monitor.safetensors above 0.80000001 instead of monitor.safetensors above 0.8"


def test_a_setting_changed_by_hand_is_measured_under_its_condition_to_the_last_digit(tmp_path: Path) -> None:
    pushed = {
        "behavior": "b", "model": "m", "load": {"id": "m"}, "vector": "v", "layers": [1], "strength": 0.1,
        "scale": "relative", "positions": "all", "first_token": False, "share_strength": False, "vector_layer": None,
    }  # fmt: skip
    for monitor, file in (("monitor.safetensors", tmp_path / "monitor.safetensors"), ("~/m", Path.home() / "m")):
        when = {"monitor": monitor, "above": 0.99999999, "reads": "last"}
        setting = RecommendedSetting.model_validate({**pushed, "when": when})
        assert _condition(setting, tmp_path) == [
            "--when", str(file), "--when-above", "0.99999999", "--when-reads", "last",
        ]  # fmt: skip


def test_doses_behind_a_gate_that_no_neutral_prompt_opens_are_0_without_a_warning(
    run: Run, llama: Backbone, tmp_path: Path
) -> None:
    study, model = make_study(SWEPT), Model(llama)
    (setting,) = study.behaviors
    _, select, test = parts_of(study, setting, read_behavior(study, setting))
    asked = [model.prompt_tokens(pair, "text") for pair in (*select, *test)]
    neutral = [model.tokens(prompt) for prompt in NEUTRAL_PROMPTS]
    for seed in range(20):
        weight = torch.randn(llama.facts.width, generator=torch.Generator().manual_seed(seed))
        shut, opened = (max(projections(llama, prompts, weight)) for prompts in (neutral, asked))
        if shut < opened - 0.1:
            break
    middle = (shut + opened) / 2
    monitor_of(llama, weight, -middle).save(tmp_path / "rare.safetensors")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = run({**SWEPT, "dose": True, "when": str(tmp_path / "rare.safetensors")}, tmp_path / "run")
    manifest = RunFolder(found).manifest()
    assert manifest.conditions[0].opened > 0
    doses = RunFolder(found).parts("dose")
    assert doses is not None
    assert (doses["kl"] == 0).all()
    texts = [str(one.message) for one in said] + [one.text for one in manifest.warnings]
    assert not [text for text in texts if "opened for none" in text]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"models": [{"id": "m", "engine": "vllm"}]}, "when: m runs in vllm"),
        ({"models": ["one", "two"]}, "when: a monitor is of one model"),
        ({"scale": "kl"}, "when: strengths of the scale kl"),
        ({"replies": {"scale": "kl"}}, "when: strengths of the scale kl"),
        ({"when": {"monitor": "x", "above": 1}}, "above"),
        ({"when": {"monitor": "x", "treshold": 0.3}}, "treshold"),
    ],
)
def test_where_it_has_no_meaning_it_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        make_study({**SWEPT, "when": "x.safetensors", **changes})


def test_a_missing_or_foreign_monitor_is_refused_before_anything_is_computed(
    run: Run, llama: Backbone, tmp_path: Path
) -> None:
    with pytest.raises(VectorError, match=r"none\.safetensors"):
        run({**SWEPT, "when": "none.safetensors"}, tmp_path / "run")
    narrow = monitor_of(llama, torch.ones(3), 0.0).save(tmp_path / "narrow.safetensors")
    with pytest.raises(VectorError, match="monitor"):
        run({**SWEPT, "when": str(narrow)}, tmp_path / "run")
    assert RunFolder(tmp_path / "run").parts("samples") is None


def test_studies_without_a_condition_are_the_runs_that_they_were() -> None:
    assert make_study(SWEPT).identity(["x"]) == make_study({**SWEPT, "when": None}).identity(["x"])
    assert make_study(SWEPT).steering().gate is None


@pytest.mark.parametrize("change", ["fitted again", "deleted"])
def test_a_monitor_that_changes_while_the_study_runs_changes_nothing_in_it(
    swept: tuple[Path, Path, Path, dict[str, bool]], run: Run, llama: Backbone, tmp_path: Path, change: str
) -> None:
    gated, _, file, _ = swept
    mine = tmp_path / "mine.safetensors"
    mine.write_bytes(file.read_bytes())

    def interfere(what: str, done: int, total: int) -> None:
        if change == "deleted":
            mine.unlink(missing_ok=True)
        else:
            monitor_of(llama, torch.ones(llama.facts.width), 9.0).save(mine)

    behaviors = [*SWEPT["behaviors"], {"source": "cheerful", "limit": 16}]
    when = {"monitor": str(mine)}
    found = run({**SWEPT, "behaviors": behaviors, "when": when}, tmp_path / "run", progress=interfere)
    keys = ["prompt_id", "layers", "strength", "order"]
    samples = table(found, "samples")
    one, other = (
        rows.sort_values(keys)["score"].reset_index(drop=True)
        for rows in (samples[samples["behavior"] == "permissive"], table(gated, "samples"))
    )
    pd.testing.assert_series_equal(one, other, atol=1e-4, rtol=0)
    manifest = RunFolder(found).manifest()
    assert manifest.settings["when"]["monitor"] == str(mine)
    assert {entry.behavior for entry in manifest.conditions} == {"permissive", "cheerful"}


def test_a_copy_that_is_another_monitor_is_refused(
    swept: tuple[Path, Path, Path, dict[str, bool]], run: Run, llama: Backbone, tmp_path: Path
) -> None:
    _, _, file, _ = swept
    wanted = {**SWEPT, "when": str(file)}
    found = run(wanted, tmp_path / "run")
    monitor_of(llama, torch.ones(llama.facts.width), 0.0).save(RunFolder(found).monitor_file)
    with pytest.raises(RunError, match="is not the monitor under which this run was begun"):
        run(wanted, found)
    RunFolder(found).monitor_file.unlink()
    assert run(wanted, found) == found
