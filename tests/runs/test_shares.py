"""Several processes in one run folder, each on another model: nothing is written by two, and all is merged."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from trimtab.errors import RunError
from trimtab.runs import RunFolder, make_study, notes, run_study
from trimtab.runs.chunks import chunk_name
from trimtab.runs.notes import Notes, begin, begin_share

STUDY = make_study({"models": ["m", "a/m"], "behaviors": ["cheerful"]})


@pytest.fixture
def run(tmp_path: Path) -> Notes:
    """A run that has begun, and lets its models be worked on side by side."""
    begun = begin(RunFolder.open(tmp_path / "run", "me"), STUDY, "me")
    begun.folder.open_shares()
    return begun


def share(run: Notes, model: str) -> Notes:
    folder = RunFolder(run.folder.path, model)
    folder.lock()
    begun = begin_share(folder, model, run.manifest["session"])
    begun.write()
    return begun


def work(noted: Notes, model: str, **more: Any) -> None:
    """What a worker would note of a model."""
    noted.enter("models", {"name": model, "fingerprint": "f", **more})
    noted.enter("behaviors", {"name": "cheerful"})
    noted.enter("vectors", {"model": model, "behavior": "cheerful"})
    noted.judged_by(model, "cheerful", [{"name": "j", "behavior": "cheerful", "definition": "d"}])
    noted.took(f"load {model}", 2.0)


def frame(model: str, count: int) -> pd.DataFrame:
    return pd.DataFrame({"model": [model] * count, "prompt_id": [f"p{i}" for i in range(count)]})


def test_shares_write_parts_of_their_own_and_all_are_read_together(run: Notes) -> None:
    one, other = share(run, "m"), share(run, "a/m")
    for count in (1, 2):
        one.folder.append(frame("m", count))
        other.folder.append(frame("a/m", count))
    run.folder.append(frame("plain", 1))
    names = sorted(p.name for p in (run.folder.path / "samples").iterdir())
    assert len(names) == 5
    assert run.folder.samples()["model"].value_counts().to_dict() == {"m": 3, "a/m": 3, "plain": 1}
    assert list(run.folder.samples().query("model == 'm'")["prompt_id"]) == ["p0", "p0", "p1"]
    assert (one.folder.steps(), other.folder.steps()) == (2, 2)


def test_what_a_share_notes_is_read_at_once_and_merged_once_its_worker_is_gone(run: Notes) -> None:
    one = share(run, "m")
    work(one, "m")
    one.manifest["chunks"]["robustness/samples--m--cheerful"] = "hash"
    one.write()
    assert run.folder.manifest()["models"] == [{"name": "m", "fingerprint": "f"}]
    with pytest.raises(RunError, match="another process is working on m in this run"):
        run.take_in("m")
    one.folder.close()
    run.take_in("m")
    run.take_in("m")
    merged = RunFolder(run.folder.path).manifest()
    assert merged == run.manifest
    assert [entry["name"] for entry in merged["models"]] == ["m"]
    assert [entry["model"] for entry in merged["judges"]] == ["m"]
    assert merged["judges_before"] == {"m/cheerful/j": "d"}
    assert merged["chunks"] == {"robustness/samples--m--cheerful": "hash"}
    assert merged["seconds"] == {"load m": 2.0}
    assert not one.folder.has_begun()


def test_a_share_goes_on_with_what_the_run_says_of_its_model_and_leaves_other_models_alone(run: Notes) -> None:
    for model in ("m", "a/m"):
        worker = share(run, model)
        work(worker, model)
        worker.manifest["chunks"][chunk_name("diagnosis", "flags", model, "cheerful")] = "old"
        worker.write()
        worker.folder.close()
        run.take_in(model)
    flags = [chunk_name("diagnosis", "flags", model, "cheerful") for model in ("m", "a/m")]
    again = share(run, "m")
    assert [entry["name"] for entry in again.manifest["models"]] == ["m"]
    assert list(again.manifest["chunks"]) == flags[:1]
    again.took("load m", 1.0)
    del again.manifest["chunks"][flags[0]]  # it is asked for no more
    work(again, "m", groups={"size": "small"})
    again.write()
    again.folder.close()
    run.take_in("m")
    assert {entry["name"]: entry.get("groups") for entry in run.manifest["models"]} == {
        "a/m": None,
        "m": {"size": "small"},
    }
    assert run.manifest["seconds"] == {"load m": 5.0, "load a/m": 2.0}
    assert list(run.manifest["chunks"]) == flags[1:]


def test_a_run_that_goes_on_merges_what_killed_workers_have_left(run: Notes) -> None:
    one = share(run, "m")
    work(one, "m")
    one._warned(["look out"])
    one.folder.close()
    run.folder.close()
    went_on = begin(RunFolder.open(run.folder.path, "me"), STUDY, "me")
    assert [entry["name"] for entry in went_on.manifest["models"]] == ["m"]
    assert went_on.manifest["warnings"] == ["look out"]
    assert not list((run.folder.path / "manifest.d").glob("*.json"))
    went_on.finish(STUDY)
    assert not (run.folder.path / "manifest.d").exists()


def test_a_run_waits_for_the_worker_of_a_killed_one_and_gives_up_in_the_end(
    run: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work = share(run, "a/m")
    run.folder.close()
    monkeypatch.setattr(notes, "_GOODBYE_SECONDS", 0.1)
    again = RunFolder.open(run.folder.path, "me")
    with pytest.raises(RunError, match="another process is working on a_m"):
        begin(again, STUDY, "me")
    at_work.folder.close()
    begin(again, STUDY, "me")


def test_a_worker_that_comes_too_late_leaves_the_run_to_its_new_owner(run: Notes) -> None:
    late = run.manifest["session"]
    run.folder.close()
    begin(RunFolder.open(run.folder.path, "me"), STUDY, "me")
    with pytest.raises(RunError, match="another process has taken this run over"):
        begin_share(RunFolder(run.folder.path, "m"), "m", late)


def test_a_finished_run_names_models_in_the_order_of_the_study(run: Notes) -> None:
    for model in ("a/m", "m"):
        work(run, model)
    run.finish(STUDY)
    assert [entry["name"] for entry in run.folder.manifest()["models"]] == ["m", "a/m"]
    assert [entry["model"] for entry in run.folder.manifest()["vectors"]] == ["m", "a/m"]


def test_without_ray_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match=r"pip install 'trimtab\[ray\]'"):
        run_study(make_study({"behaviors": ["cheerful"]}), tmp_path / "run", ray="local")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:99999", "ray://127.0.0.1:1"])
def test_a_cluster_that_is_not_there_is_told_at_once(address: str, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with pytest.raises(RunError, match=f"no Ray at '{address}'"):
        run_study(make_study({"behaviors": ["cheerful"]}), tmp_path / "run", ray=address)
    assert not (tmp_path / "run").exists()
