"""Checks of a study: made once, kept in its folder, made again when what shapes them changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from run_folders import manifest
from trimtab.analysis import EASY, PLAIN_VARIANT, THE_VECTOR
from trimtab.data import dataset, write_pairs
from trimtab.errors import RunError, SettingError
from trimtab.store.cached_tables import read_cached_tables
from trimtab.study import RunFolder, make_study, reopened, report_runs, run_study
from trimtab.study.measures.registry import MEASURES
from trimtab.study.measures.robustness import measure as robustness
from trimtab.study.measures.work import ScoreRows
from trimtab.study.plan._subjects import planned_subjects
from trimtab.vectors import SteeringVector

Run = Callable[..., Path]
SIDE = {"prompts": 4, "random": 3, "max_new_tokens": 4, "measure": ["concise"]}


def settings(**checks: Any) -> dict[str, Any]:
    """A study of 16 pairs on a tiny model."""
    return {
        "name": "checked",
        "models": [{"id": "smollm2-135m", "dtype": "float32"}],
        "behaviors": [{"source": "permissive", "limit": 16}],
        "layers": "1,2",
        "strengths": [-0.4, 0.4],
        "scale": "relative",
        **checks,
    }


def cached(folder: Path, kind: str, what: str) -> pd.DataFrame:
    found = read_cached_tables(RunFolder(folder), kind, what)
    assert found is not None, f"no {kind} {what}"
    return found


@pytest.fixture(scope="module")
def done(llama: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all checks."""
    from .conftest import runner

    with pytest.MonkeyPatch.context() as patch:
        run = runner(llama, patch)
        checks = {"diagnosis": {"methods": True}, "side_effects": SIDE, "robustness": {"prompts": 4}}
        return run(settings(**checks), tmp_path_factory.mktemp("checked") / "run")


def test_side_effects_cover_every_cell_of_every_behavior_that_is_watched(done: Path) -> None:
    shifts = pd.concat([cached(done, "side_effects", "shifts"), cached(done, "side_effects", "easy")])
    assert set(shifts["measured"]) == {"permissive", "concise", EASY}
    assert set(shifts["behavior"]) == {"permissive"}
    steered = shifts[shifts["strength"] != 0]
    cells = steered.groupby("measured")[["layers", "strength"]].apply(lambda t: set(map(tuple, t.to_numpy())))
    assert all(len(found) == 4 for found in cells)
    neutral = cached(done, "side_effects", "neutral")
    assert set(map(tuple, neutral[["layers", "strength"]].drop_duplicates().to_numpy())) == {
        ("", 0.0), ("1", -0.4), ("1", 0.4), ("2", -0.4), ("2", 0.4),
    }  # fmt: skip


def test_both_questions_of_a_couple_are_known_to_be_one(done: Path) -> None:
    couples = cached(done, "side_effects", "easy").groupby("couple")["prompt_id"].nunique()
    assert couples.tolist() == [2] * 40


def test_random_directions_are_measured_beside_the_vector_on_its_own_prompts(done: Path) -> None:
    random = cached(done, "side_effects", "random")
    assert random.groupby("kind")["draw"].nunique().to_dict() == {THE_VECTOR: 1, "isotropic": 3, "shuffled pairs": 3}
    samples = RunFolder(done).samples()
    layers = random.loc[random["strength"] != 0, "layers"].unique()
    own = random[(random["kind"] == THE_VECTOR) & (random["strength"] > 0)].set_index("prompt_id")["score"]
    swept = samples[(samples["split"] == "test") & (samples["layers"] == layers[0]) & (samples["strength"] > 0)]
    pd.testing.assert_series_equal(own.sort_index(), swept.set_index("prompt_id")["score"].sort_index(), rtol=1e-3)


def test_plain_prompts_score_as_in_the_sweep_and_variants_ask_the_same(done: Path) -> None:
    table = cached(done, "robustness", "samples")
    plain = table[table["kind"] == PLAIN_VARIANT]
    samples = RunFolder(done).samples()
    both = plain.merge(samples[samples["split"] == "test"], on=["layers", "strength", "prompt_id", "order"])
    assert len(both) == len(plain)
    assert (both["score_x"] - both["score_y"]).abs().max() < 1e-4
    asked = table.groupby("variant")["prompt_id"].agg(set)
    assert all(prompts == asked[PLAIN_VARIANT] for prompts in asked)


def test_the_plan_counts_the_scores_that_the_run_computes(done: Path) -> None:
    study = make_study(settings(side_effects=SIDE))
    n_layers = RunFolder(done).manifest().models[0].facts.layers
    assert n_layers is not None
    behaviors = [(study.behaviors[0], dataset("permissive", limit=16))]
    (subject,) = planned_subjects(study, study.models[0], n_layers, behaviors)
    units = list(MEASURES.get("side_effects").units(study.side_effects, subject))
    for table in ("shifts", "easy"):
        work = [piece for unit in units if unit.table == table for piece in unit.work]
        planned = sum(len(piece.rows) * (1 + len(piece.grid.steered)) for piece in work if isinstance(piece, ScoreRows))
        assert planned == len(cached(done, "side_effects", table))


def test_diagnoses_of_earlier_versions_are_found_by_the_same_digest(done: Path) -> None:
    run = RunFolder(done).manifest()
    study, model, behavior = make_study(run.settings), run.models[0], dataset("permissive", limit=16)
    assert model.facts.layers is not None
    (subject,) = planned_subjects(study, study.models[0], model.facts.layers, [(study.behaviors[0], behavior)])
    read = [model.fingerprint, model.template_hash, study.token_position, study.balance, study.seed, subject.scoring]
    parts = [behavior.hash, *(part.hash for part in subject.parts), *read, True]
    expected = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    digests = {entry.name.partition("--")[0]: entry.digest for entry in run.cached_tables}
    assert {digests[f"diagnosis/{table}"] for table in ("quality", "heuristics", "curve")} == {expected}


def test_the_page_has_what_was_checked(done: Path, tmp_path: Path) -> None:
    page = report_runs([done], tmp_path / "report.html")
    assert set(page.by_check) == {"scores", "diagnosis", "side_effects", "robustness"}
    text = page.path.read_text(encoding="utf-8")
    assert all(f' id="{name}"' in text for name in ("side-effects", "robustness"))


def test_going_on_makes_nothing_again(done: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {p: p.stat().st_mtime_ns for p in done.rglob("*.parquet")}
    study, vectors = reopened(done, {"side_effects": SIDE})
    assert vectors is None
    run(study.model_dump(mode="json"), done)
    assert {p: p.stat().st_mtime_ns for p in done.rglob("*.parquet")} == before


def test_a_check_of_a_finished_run_is_added_to_it(run: Run, tmp_path: Path) -> None:
    folder = run(settings(), tmp_path / "run")
    samples = RunFolder(folder).samples()
    study, _ = reopened(folder, {"robustness": {"prompts": 4}})
    run(study.model_dump(mode="json"), folder)
    pd.testing.assert_frame_equal(RunFolder(folder).samples(), samples)
    few = cached(folder, "robustness", "samples")
    assert few["prompt_id"].nunique() == 4


def test_other_settings_replace_the_tables_and_leave_no_old_ones_beside(run: Run, tmp_path: Path) -> None:
    side = {**SIDE, "random": 0}
    folder = run(settings(side_effects=side), tmp_path / "run")
    assert read_cached_tables(RunFolder(folder), "side_effects", "random") is None
    run(settings(side_effects={**side, "measure": ["cheerful"], "prompts": 5}), folder)
    shifts = cached(folder, "side_effects", "shifts")
    assert set(shifts["measured"]) == {"permissive", "cheerful"}
    assert shifts[shifts["measured"] == "cheerful"]["prompt_id"].nunique() == 5
    assert not list(folder.glob("side_effects/*concise*"))


def test_what_was_made_before_a_stop_is_not_made_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*args: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    whole = robustness.variant_batches
    monkeypatch.setattr(robustness, "variant_batches", stopped)
    checks = {"side_effects": {**SIDE, "random": 0}, "robustness": {"prompts": 4}}
    with pytest.raises(KeyboardInterrupt):
        run(settings(**checks), tmp_path / "run")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").glob("side_effects/*.parquet")}
    assert before
    monkeypatch.setattr(robustness, "variant_batches", whole)
    run(settings(**checks), tmp_path / "run")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").glob("side_effects/*.parquet")} == before
    assert read_cached_tables(RunFolder(tmp_path / "run"), "robustness", "samples") is not None


def test_pairs_are_diagnosed_without_a_sweep_and_the_sweep_may_follow(run: Run, tmp_path: Path) -> None:
    folder = run(settings(sweep=False, diagnosis=True), tmp_path / "run")
    assert RunFolder(folder).parts("samples") is None
    assert report_runs([folder], tmp_path / "report.html").by_check["diagnosis"]
    run(settings(), folder)
    assert len(RunFolder(folder).samples())


def test_a_run_with_given_vectors_is_gone_on_with_by_its_own_copy(run: Run, tmp_path: Path) -> None:
    first = run(settings(), tmp_path / "first")
    made = SteeringVector.load(next((first / "vectors").glob("*.safetensors")))
    second = run(settings(), tmp_path / "second", vectors=-made)
    study, vectors = reopened(second, {"robustness": {"prompts": 4}})
    assert vectors is not None
    run(study.model_dump(mode="json"), second, vectors=vectors)
    assert read_cached_tables(RunFolder(second), "robustness", "samples") is not None


def test_files_of_a_study_are_found_when_its_run_is_gone_on_with_from_elsewhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    files = {here / "mine": "permissive", here / "theirs": "concise", there / "theirs": "cheerful"}
    for file, source in files.items():
        file.parent.mkdir(exist_ok=True)
        write_pairs(Path(f"{file}.jsonl"), dataset(source, limit=16))
    monkeypatch.chdir(here)
    run(settings() | {"behaviors": ["mine.jsonl"]}, Path("run"))
    monkeypatch.chdir(there)
    check = {"prompts": 4, "transfer": ["theirs.jsonl"], "translations": False}
    run_study(reopened(here / "run", {"robustness": check})[0], here / "run")
    asked = cached(here / "run", "robustness", "samples").query("variant == 'transfer: theirs'")["prompt_id"]
    assert set(asked) == {pair.id for pair in dataset("cheerful", limit=16)}
    monkeypatch.chdir(tmp_path)
    run_study(reopened(here / "run", {"diagnosis": {}})[0], here / "run")
    assert len(cached(here / "run", "diagnosis", "quality"))


def test_a_file_of_the_study_named_as_a_built_in_behavior_does_not_take_its_place(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "permissive.jsonl", dataset("cheerful", limit=16))
    folder = run(settings() | {"folder": str(tmp_path)}, tmp_path / "run")
    pairs = RunFolder(folder).manifest().behaviors[0].pairs_hash
    assert pairs == dataset("permissive", limit=16).hash


def test_checks_that_need_a_sweep_are_refused_without_one() -> None:
    with pytest.raises(SettingError, match="needs the sweep"):
        make_study(settings(sweep=False, robustness=True))


def test_a_folder_without_vectors_has_nothing_to_check(tmp_path: Path) -> None:
    RunFolder(tmp_path).write_manifest(manifest())
    with pytest.raises(RunError, match="nothing to check"):
        reopened(tmp_path, {"robustness": True})


def test_a_check_that_fails_keeps_no_other_from_being_made(run: Run, tmp_path: Path) -> None:
    folder = run(settings(), tmp_path / "run")
    study, _ = reopened(folder, {"side_effects": {"layers": "99"}})
    with pytest.raises(SettingError, match="layer 99 is out of range"):
        run(study.model_dump(mode="json"), folder)
    study, _ = reopened(folder, {"robustness": {"prompts": 4}})
    run(study.model_dump(mode="json"), folder)
    assert read_cached_tables(RunFolder(folder), "robustness", "samples") is not None


def test_a_check_of_one_behavior_leaves_those_of_others_alone(run: Run, tmp_path: Path) -> None:
    two = settings() | {"behaviors": [{"source": name, "limit": 16} for name in ("permissive", "concise")]}
    folder = run(two, tmp_path / "run")
    for name in ("permissive", "concise"):
        study, _ = reopened(folder, {"robustness": {"prompts": 4, "behaviors": [name]}})
        run(study.model_dump(mode="json"), folder)
    assert set(cached(folder, "robustness", "samples")["behavior"]) == {"permissive", "concise"}


def test_names_that_look_alike_as_file_names_keep_their_own_tables(run: Run, tmp_path: Path) -> None:
    named = [
        {"source": source, "limit": 16, "name": name} for source, name in (("permissive", "a b"), ("concise", "a/b"))
    ]
    folder = run(settings() | {"behaviors": named}, tmp_path / "run")
    assert len(list((folder / "vectors").glob("*.safetensors"))) == 2
    manifest = RunFolder(folder).manifest()
    assert [entry.taken_from for entry in manifest.vectors] == ["a b", "a/b"]


def test_a_renamed_built_in_is_not_its_own_side_effect(run: Run, tmp_path: Path) -> None:
    named = settings(side_effects={"prompts": 4, "random": 0, "max_new_tokens": 4})
    folder = run(named | {"behaviors": [{"source": "cheerful", "limit": 16, "name": "happy"}]}, tmp_path / "run")
    watched = set(cached(folder, "side_effects", "shifts")["measured"])
    assert "cheerful" not in watched
    assert len(watched) >= 4


def test_prompts_that_chose_the_cell_are_no_transfer(run: Run, tmp_path: Path) -> None:
    check = {"robustness": {"prompts": 4, "transfer": ["permissive"]}}
    folder = run(settings(**check), tmp_path / "run")
    samples = RunFolder(folder).samples()
    chosen = set(samples.loc[samples["split"] == "select", "prompt_id"])
    transfer = cached(folder, "robustness", "samples").query("kind == 'transfer'")
    assert len(transfer)
    assert not chosen & set(transfer["prompt_id"])


def test_a_sweep_after_a_diagnosis_looks_at_the_training_part_again(run: Run, tmp_path: Path) -> None:
    folder = run(settings(sweep=False, diagnosis=True), tmp_path / "run")
    assert set(cached(folder, "diagnosis", "heuristics")["pairs"]) == {16}
    run(settings(), folder)
    assert set(cached(folder, "diagnosis", "heuristics")["pairs"]) == {8}
    run(settings(sweep=False, diagnosis=True), folder)
    assert set(cached(folder, "diagnosis", "heuristics")["pairs"]) == {8}
    assert reopened(folder, {})[0].sweep
