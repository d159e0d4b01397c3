"""The manifest: typed, versioned, validated on every change; manifests of schema 1 open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from run_folders import manifest, manifest_content
from trimtab.errors import RunError
from trimtab.judges import parse_judge
from trimtab.store.manifest import SCHEMA_VERSION, Manifest, ModelEntry, TimingEntry, VectorEntry, WarningEntry
from trimtab.store.manifest.manifest_file import read_manifest, write_manifest
from trimtab.study import RunFolder, reopened

OWNED = ("base", "llama, base", "llama")
"""Names of which one ends in another."""


def of_schema_1(**changes: Any) -> dict[str, Any]:
    """A manifest as version 1 wrote it."""
    content = manifest_content(
        models=[{"name": name} for name in OWNED],
        behaviors=[{"name": "cheerful"}, {"name": "cheerful, llama"}],
        warnings=["look out"],
    )
    for key in ("schema_version", "timings", "judge_definitions"):
        del content[key]
    content["judges_before"] = {"base/cheerful/j/k": "d"}
    content["seconds"] = {
        "load llama, base": 1.0,
        "sweep cheerful, base": 2.0,
        "side effects cheerful, llama": 3.0,
        "extraction": 4.0,
    }
    content["chunks"] = {"diagnosis/flags--base--cheerful": "digest"}
    return content | changes


def written(content: Any, tmp_path: Path) -> RunFolder:
    (tmp_path / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    return RunFolder(tmp_path)


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    before = manifest(settings={"a": [1, None, {"b": "é"}]}, from_the_future={"c": 1}).with_entry(
        VectorEntry(model="m", behavior="b", norm=(1.0, float("inf")), residual_norm=(2.0, None))
    )
    write_manifest(before, tmp_path / "manifest.json", tmp_path)
    again = read_manifest(tmp_path / "manifest.json", tmp_path, Manifest)
    assert again == before
    assert json.loads((tmp_path / "manifest.json").read_text())["schema_version"] == SCHEMA_VERSION
    assert json.loads((tmp_path / "manifest.json").read_text())["from_the_future"] == {"c": 1}


def test_the_floor_of_replies_is_their_minimum_coherence_now(tmp_path: Path) -> None:
    old = written(of_schema_1(settings={"seed": 0, "replies": {"floor": 6.5, "prompts": 4}}), tmp_path)
    assert old.manifest().settings == {"seed": 0, "replies": {"min_coherence": 6.5, "prompts": 4}}
    with pytest.raises(RunError, match="min_coherence"):
        written(of_schema_1(settings={"replies": {"floor": 11}}), tmp_path).manifest()


@pytest.mark.parametrize(
    "judge",
    [
        {"classifier": True},
        {"pattern": "(?i)great", "name": "great"},
        {"model": "openai/gpt-4o-mini", "price": [1.0, 2.0], "behaviors": ["cheerful"], "attempts": 5},
    ],
)
def test_a_run_of_schema_1_opens_with_the_judges_that_it_had(judge: dict[str, Any], tmp_path: Path) -> None:
    everything = {
        "classifier": False, "model": "", "pattern": "", "name": "", "behaviors": [], "base_url": None, "price": None,
        "timeout_seconds": 60, "attempts": 3, "max_connections": 8, **judge,
    }  # fmt: skip
    replies = {"models": [], "behaviors": [], "floor": 7.0, "judges": [everything]}
    content = of_schema_1(settings={"behaviors": ["cheerful"], "replies": replies})
    content["vectors"] = [{"model": "base", "behavior": "cheerful", "norm": [], "residual_norm": []}]
    study, _ = reopened(written(content, tmp_path).path, {"robustness": {"prompts": 4}})
    assert study.replies is not None
    assert study.replies.judges == (parse_judge(judge),)


def test_a_manifest_is_frozen_and_every_change_is_a_new_validated_one() -> None:
    before = manifest()
    with pytest.raises(ValidationError):
        before.status = "finished"
    after = before.with_entry(ModelEntry(name="m")).with_entry(ModelEntry(name="m", dtype="float32"))
    assert (before.models, after.models) == ((), (ModelEntry(name="m", dtype="float32"),))
    with pytest.raises(ValidationError):
        before.replace(status="done")
    with pytest.raises(ValidationError):
        before.with_seconds("load", float("nan"), "m")


def test_seconds_add_up_by_step_model_and_behavior() -> None:
    timed = manifest().with_seconds("sweep", 1.0, "m", "b").with_seconds("sweep", 5.0, "m", "c")
    timed = timed.with_seconds("sweep", 0.254, "m", "b")
    assert {t.label: t.seconds for t in timed.timings} == {"sweep b, m": 1.25, "sweep c, m": 5.0}


def test_a_warning_is_listed_once_for_each_model() -> None:
    entries = [WarningEntry(text="a", model="m"), WarningEntry(text="a", model="n"), WarningEntry(text="a", model="m")]
    assert manifest().with_warnings(entries).with_warnings(entries).warnings == tuple(entries[:2])


def test_a_manifest_of_schema_1_opens_with_an_owner_for_every_entry(tmp_path: Path) -> None:
    found = written(of_schema_1(), tmp_path).manifest()
    assert found.schema_version == SCHEMA_VERSION
    assert found.timings == (
        TimingEntry(step="load", model="llama, base", behavior="", seconds=1.0),
        TimingEntry(step="sweep", model="base", behavior="cheerful", seconds=2.0),
        TimingEntry(step="side effects", model="llama", behavior="cheerful", seconds=3.0),
        TimingEntry(step="extraction", seconds=4.0),
    )
    assert [(t.name, t.model, t.behavior) for t in found.cached_tables] == [
        ("diagnosis/flags--base--cheerful", "base", "cheerful")
    ]
    assert [(j.model, j.behavior, j.name) for j in found.judge_definitions] == [("base", "cheerful", "j/k")]
    assert [w.text for w in found.warnings] == ["look out"]
    assert {t.label for t in found.timings} == set(of_schema_1()["seconds"])


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"chunks": {"diagnosis/flags--other--cheerful": "d"}}, "cached_tables"),
        ({"chunks": [1]}, "cached_tables"),
        ({"judges_before": {"other/cheerful/j": "d"}}, "judges_before"),
        ({"seconds": {"load base": "long"}}, "timings.0.seconds"),
        ({"seconds": None}, "timings"),
        ({"warnings": [3]}, "warnings.0.text"),
        ({"vectors": 3}, "vectors"),
    ],
)
def test_a_damaged_manifest_of_schema_1_is_refused_with_the_place(
    change: dict[str, Any], place: str, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=rf"manifest.json: {place}"):
        written(of_schema_1(**change), tmp_path).manifest()


def test_a_table_is_not_claimed_for_another_model(tmp_path: Path) -> None:
    table = {"name": "diagnosis/flags--a--b", "model": "m", "behavior": "b", "digest": "d"}
    with pytest.raises(RunError, match=r"cached_tables.0: diagnosis/flags--a--b is not a table of 'm' and 'b'"):
        written(manifest_content(cached_tables=[table]), tmp_path).manifest()
