"""Several processes in one run folder, each on another model: nothing is written by two, and all is merged."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from run_folders import samples
from trimtab.errors import RunError
from trimtab.store.cached_tables import TableName
from trimtab.store.manifest import (
    BehaviorEntry,
    CachedTableEntry,
    ModelEntry,
    ShareManifest,
    VectorEntry,
    WarningEntry,
    merged,
    share_of,
)
from trimtab.store.share_folder import ShareFolder
from trimtab.study import RunFolder, _recorder, make_study, run_study
from trimtab.study._recorder import Recorder, RunRecorder, begin, begin_share

STUDY = make_study({"models": ["m", "a/m"], "behaviors": ["cheerful"]})


@pytest.fixture
def run(tmp_path: Path) -> RunRecorder:
    """A run that has begun, and lets its models be worked on side by side."""
    begun = begin(RunFolder.open(tmp_path / "run", "me"), STUDY, "me")
    begun.folder.open_shares()
    return begun


def share(run: RunRecorder, model: str) -> Recorder[ShareManifest]:
    folder = ShareFolder(run.folder.path, model)
    folder.lock()
    begun = begin_share(folder, model, run.manifest.session)
    begun.write()
    return begun


def work(recorded: Recorder[Any], model: str, **more: Any) -> None:
    """What a worker records of a model."""
    recorded.enter(ModelEntry(name=model, fingerprint="f", **more))
    recorded.enter(BehaviorEntry(name="cheerful"))
    recorded.enter(VectorEntry(model=model, behavior="cheerful"))
    recorded.judged_by(model, "cheerful", [{"name": "j", "behavior": "cheerful", "definition": "d"}])
    recorded.add_seconds("load", 2.0, model)


def table(model: str) -> CachedTableEntry:
    name = str(TableName("diagnosis", "flags", model, "cheerful"))
    return CachedTableEntry(name=name, model=model, behavior="cheerful", digest="d")


def frame(model: str, count: int) -> pd.DataFrame:
    return samples(*(f"p{i}" for i in range(count)), model=model)


def test_shares_write_parts_of_their_own_and_all_are_read_together(run: RunRecorder) -> None:
    one, other = share(run, "m"), share(run, "a/m")
    for count in (1, 2):
        one.folder.append(frame("m", count))
        other.folder.append(frame("a/m", count))
    run.folder.append(frame("plain", 1))
    names = sorted(p.name for p in (run.folder.path / "samples").iterdir())
    assert len(names) == 5
    assert run.folder.samples()["model"].value_counts().to_dict() == {"m": 3, "a/m": 3, "plain": 1}
    assert list(run.folder.samples().query("model == 'm'")["prompt_id"]) == ["p0", "p0", "p1"]
    assert [ShareFolder(run.folder.path, model).steps() for model in ("m", "a/m")] == [2, 2]


def test_a_share_is_read_at_once_and_merged_once_its_worker_is_gone(run: RunRecorder) -> None:
    one = share(run, "m")
    work(one, "m")
    one.update(one.manifest.with_entry(table("m")))
    assert run.folder.manifest().models == (ModelEntry(name="m", fingerprint="f"),)
    with pytest.raises(RunError, match="another process is working on m in this run"):
        run.merge_share("m")
    one.folder.close()
    run.merge_share("m")
    run.merge_share("m")
    found = RunFolder(run.folder.path).manifest()
    assert found == run.manifest
    assert [entry.name for entry in found.models] == ["m"]
    assert [entry.model for entry in found.judges] == ["m"]
    assert [(d.model, d.behavior, d.name, d.definition) for d in found.judge_definitions] == [
        ("m", "cheerful", "j", "d")
    ]
    assert found.cached_tables == (table("m"),)
    assert {timing.label: timing.seconds for timing in found.timings} == {"load m": 2.0}
    assert not ShareFolder(run.folder.path, "m").has_manifest()


def test_a_share_continues_with_the_entries_of_its_model_and_leaves_other_models_alone(run: RunRecorder) -> None:
    for model in ("m", "a/m"):
        worker = share(run, model)
        work(worker, model)
        worker.update(worker.manifest.with_entry(table(model)))
        worker.folder.close()
        run.merge_share(model)
    again = share(run, "m")
    assert [entry.name for entry in again.manifest.models] == ["m"]
    assert again.manifest.cached_tables == (table("m"),)
    again.add_seconds("load", 1.0, "m")
    again.update(again.manifest.without_tables([table("m").name]))  # no longer asked for
    work(again, "m", groups={"size": "small"})
    again.write()
    again.folder.close()
    run.merge_share("m")
    assert {entry.name: entry.groups for entry in run.manifest.models} == {"a/m": {}, "m": {"size": "small"}}
    assert {timing.label: timing.seconds for timing in run.manifest.timings} == {"load m": 5.0, "load a/m": 2.0}
    assert run.manifest.cached_tables == (table("a/m"),)


def test_a_model_whose_name_ends_in_anothers_keeps_its_own_entries(run: RunRecorder) -> None:
    names = ("base", "llama, base", "llama", "base/cheerful")
    for seconds, model in enumerate(names, 1):
        work(run, model)
        run.add_seconds("sweep", float(seconds), model, "cheerful")
        run.add_warnings([WarningEntry(text="look out", model=model)])
        run.update(run.manifest.with_entry(table(model)))
    whole = run.manifest
    for seconds, model in enumerate(names, 1):
        own = share_of(whole, model)
        assert [(t.step, t.model, t.seconds) for t in own.timings] == [("load", model, 2.0), ("sweep", model, seconds)]
        assert own.cached_tables == (table(model),)
        assert {e.model for e in own.vectors} == {e.model for e in own.judges} == {model}
        assert {e.model for e in own.judge_definitions} == {model}
        back = merged(whole, own)
        for field in ("models", "vectors", "judges", "judge_definitions", "timings", "cached_tables", "warnings"):
            assert sorted(map(repr, getattr(back, field))) == sorted(map(repr, getattr(whole, field))), field


def test_a_run_that_continues_merges_the_shares_of_killed_workers(run: RunRecorder) -> None:
    one = share(run, "m")
    work(one, "m")
    one.add_warnings([WarningEntry(text="look out", model="m")])
    one.folder.close()
    run.folder.close()
    resumed = begin(RunFolder.open(run.folder.path, "me"), STUDY, "me")
    assert [entry.name for entry in resumed.manifest.models] == ["m"]
    assert [(w.text, w.model) for w in resumed.manifest.warnings] == [("look out", "m")]
    assert not list((run.folder.path / "manifest.d").glob("*.json"))
    resumed.finish(STUDY)
    assert not (run.folder.path / "manifest.d").exists()


def test_a_run_waits_for_the_worker_of_a_killed_one_and_gives_up_in_the_end(
    run: RunRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = share(run, "a/m")
    run.folder.close()
    monkeypatch.setattr(_recorder, "SHUTDOWN_TIMEOUT_SECONDS", 0.1)
    again = RunFolder.open(run.folder.path, "me")
    with pytest.raises(RunError, match="another process is working on a_m"):
        begin(again, STUDY, "me")
    active.folder.close()
    begin(again, STUDY, "me")


def test_a_worker_that_comes_too_late_leaves_the_run_to_its_new_owner(run: RunRecorder) -> None:
    late = run.manifest.session
    run.folder.close()
    begin(RunFolder.open(run.folder.path, "me"), STUDY, "me")
    with pytest.raises(RunError, match="another process has taken this run over"):
        begin_share(ShareFolder(run.folder.path, "m"), "m", late)


def test_a_finished_run_names_models_in_the_order_of_the_study(run: RunRecorder) -> None:
    for model in ("a/m", "m"):
        work(run, model)
    run.finish(STUDY)
    assert [entry.name for entry in run.folder.manifest().models] == ["m", "a/m"]
    assert [entry.model for entry in run.folder.manifest().vectors] == ["m", "a/m"]


def test_a_judge_of_a_name_that_was_anothers_is_refused(run: RunRecorder) -> None:
    work(run, "m")
    with pytest.raises(RunError, match="'j' was another judge"):
        run.judged_by("m", "cheerful", [{"name": "j", "behavior": "cheerful", "definition": "other"}])
    run.judged_by("a/m", "cheerful", [{"name": "j", "behavior": "cheerful", "definition": "other"}])


def test_a_judge_known_by_its_former_definition_goes_on_under_the_present_one(run: RunRecorder) -> None:
    work(run, "m")
    renewed = {"name": "j", "behavior": "cheerful", "definition": "new", "former_definition": "d"}
    run.judged_by("m", "cheerful", [renewed])
    assert [j.definition for j in run.manifest.judge_definitions] == ["new"]
    assert "former_definition" not in (run.folder.path / "manifest.json").read_text(encoding="utf-8")
    with pytest.raises(RunError, match="'j' was another judge"):
        run.judged_by("m", "cheerful", [{**renewed, "definition": "third"}])


def test_without_ray_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"pip install 'trimtab\[ray\]'"):
        run_study(make_study({"behaviors": ["cheerful"]}), tmp_path / "run", ray="local")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "ray://127.0.0.1:1"])
def test_a_cluster_that_does_not_answer_is_an_error_at_once(address: str, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(RunError, match=f"no Ray at '{address}'"):
        run_study(make_study({"behaviors": ["cheerful"]}), tmp_path / "run", ray=address)
    assert not (tmp_path / "run").exists()
