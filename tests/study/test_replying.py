"""Studies in which models reply: which cells are asked what, who judges, and what the run folder holds of it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from study.conftest import CELLS, KEYS, Run, same_tables, settings, table
from trimtab.analysis import judged_replies, recommended, reply_cells, rounds
from trimtab.data import BUILT_INS, NEUTRAL_PROMPTS
from trimtab.errors import SettingError, TrimtabWarning
from trimtab.evaluation import neutral_texts
from trimtab.study import RunFolder, read_study, report_runs
from trimtab.study.measures.dose import run as dosing

THE = {"pattern": "(?i)the|you", "name": "the"}


def files(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")}


def test_every_cell_replies_to_the_prompts_that_choose_and_the_chosen_ones_to_the_others(
    run_bundled: Run, tmp_path: Path
) -> None:
    folder = run_bundled(settings(judges=["classifier", THE]), tmp_path / "run")
    replies, judgements = table(folder, "replies"), table(folder, "judgements")
    assert not replies.duplicated(KEYS).any()
    select = replies[replies["split"] == "select"]
    assert select["prompt_id"].nunique() == 3
    assert len(select) == 3 * (1 + len(CELLS))
    assert set(zip(select["layers"], select["strength"], strict=True)) == {("", 0.0), *CELLS}
    judged = judged_replies(select, judgements[judgements["judge"] == "classifier"])
    found = recommended(reply_cells(judged, intervals=False), 2)
    found = found[found["reason"] == ""]
    assert len(found) >= 1
    test = replies[replies["split"] == "test"]
    chosen = {("", 0.0), *zip(found["layers"], found["strength"], strict=True)}
    assert set(zip(test["layers"], test["strength"], strict=True)) == chosen
    assert len(test) == 3 * len(chosen)
    assert not set(test["prompt_id"]) & set(select["prompt_id"])
    steered = replies[replies["strength"] != 0]
    for _, mine in judgements.groupby("judge"):
        assert mine[KEYS].values.tolist() == steered[KEYS].values.tolist()
    manifest = RunFolder(folder).manifest()
    told = [(e.model, e.behavior, e.name, e.kind, e.declined) for e in manifest.judges]
    assert told == [
        ("smollm2-135m", "permissive", "classifier", "classifier", ""),
        ("smollm2-135m", "permissive", "the", "pattern", ""),
    ]
    accuracy = manifest.judges[0].accuracy
    assert accuracy is not None
    assert accuracy >= 0.8
    assert manifest.status == "finished"
    before = files(folder)
    run_bundled(settings(judges=["classifier", THE]), folder)
    assert files(folder) == before


HALVING = settings(search="halving", prompts=8, judges=["whim"]) | {
    "layers": "all",
    "behaviors": [{"source": "permissive", "limit": 32}],
}


def test_a_search_that_halves_asks_only_what_it_promises_and_nothing_when_it_is_given_again(
    run: Run, whim: None, tmp_path: Path
) -> None:
    folder = run(HALVING, tmp_path / "run")
    replies = table(folder, "replies")
    select = replies[(replies["split"] == "select") & (replies["strength"] != 0)]
    assert rounds(8) == [2, 4, 8]
    for _, way in select.groupby(select["strength"] > 0):
        assert sorted(way.groupby(["layers", "strength"]).size()) == [2, 2, 4, 8]
    assert (replies[replies["split"] == "select"]["strength"] == 0).sum() == 8
    test = replies[(replies["split"] == "test") & (replies["strength"] != 0)]
    finalists = select.groupby(["layers", "strength"]).filter(lambda cell: len(cell) == 8)
    assert set(zip(test["layers"], test["strength"], strict=True)) <= set(
        zip(finalists["layers"], finalists["strength"], strict=True)
    )
    # What later rounds brought must not change what earlier ones decided.
    before = files(folder)
    run(HALVING, folder)
    assert files(folder) == before


@pytest.mark.parametrize("stopped_after", [3, 17, 30])
def test_a_search_that_was_stopped_ends_where_a_whole_one_does(
    run: Run, whim: None, tmp_path: Path, stopped_after: int
) -> None:
    whole = run(HALVING, tmp_path / "whole")
    asked = 0

    def stop(what: str, done: int, total: int) -> None:
        nonlocal asked
        asked += what.startswith("judge ")
        if asked > stopped_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(HALVING, tmp_path / "stopped", progress=stop)
    same_tables(run(HALVING, tmp_path / "stopped"), whole)


def at_random(tmp_path: Path) -> str:
    """Pairs whose completions are labelled by a coin."""
    coin, lines = random.Random(3), []
    for pair in BUILT_INS["permissive"].load()[:16]:
        made = replace(pair, positive=pair.negative, negative=pair.positive) if coin.random() < 0.5 else pair
        lines.append(json.dumps(made.to_json()))
    (tmp_path / "coin.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(tmp_path / "coin.jsonl")


@pytest.mark.parametrize("search", ["grid", "halving"])
def test_where_the_judge_declines_there_are_replies_and_a_caution(run: Run, tmp_path: Path, search: str) -> None:
    content = settings(search=search) | {"behaviors": [{"source": at_random(tmp_path), "name": "coin"}]}
    with pytest.warns(TrimtabWarning, match="a judge declined: coin: a text classifier"):
        folder = run(content, tmp_path / "run")
    manifest = RunFolder(folder).manifest()
    assert manifest.status == "finished"
    assert any("a judge declined: coin" in warning.text for warning in manifest.warnings)
    assert manifest.judges[0].declined.startswith("coin: ")
    replies = table(folder, "replies")
    # Cells that nobody ranks cannot be halved: the search ends with its first round, of two prompts.
    asked = 3 if search == "grid" else 2
    assert len(replies) == asked * (1 + len(CELLS))
    assert any("cannot be halved" in warning.text for warning in manifest.warnings) == (search == "halving")
    assert set(replies["split"]) == {"select"}
    assert RunFolder(folder).parts("judgements") is None
    page = report_runs([folder], tmp_path / "page.html").path.read_text(encoding="utf-8")
    assert "classifier did not judge: coin: a text classifier" in page


def test_a_second_judge_chooses_where_the_first_declines(run: Run, tmp_path: Path) -> None:
    content = settings(judges=["classifier", THE]) | {"behaviors": [{"source": at_random(tmp_path), "name": "coin"}]}
    with pytest.warns(TrimtabWarning, match="declined"):
        folder = run(content, tmp_path / "run")
    assert set(table(folder, "judgements")["judge"]) == {"the"}


@pytest.fixture
def calibrations(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grids that were calibrated, on fewer neutral prompts than usual."""
    seen, find = list[object](), dosing.find_strengths
    monkeypatch.setattr(dosing, "neutral_texts", lambda model: neutral_texts(model, NEUTRAL_PROMPTS[:2], 3))
    monkeypatch.setattr(dosing, "find_strengths", lambda *args: seen.append(args[3]) or find(*args))
    return seen


def test_cells_of_equal_dose_are_calibrated_once_and_stay_so(
    run: Run, tmp_path: Path, calibrations: list[object]
) -> None:
    content = settings(judges=[THE]) | {"scale": "kl", "strengths": [-0.04, 0.04]}
    folder = run(content, tmp_path / "run")
    assert len(calibrations) == 1
    dose = RunFolder(folder).parts("dose")
    assert dose is not None
    assert dose["kl"].tolist() == pytest.approx([0.04] * 4, rel=0.051)
    assert dose["relative"].nunique() == 4
    assert set(RunFolder(folder).samples()["scale"]) == {"kl"}
    assert set(table(folder, "replies")["scale"]) == {"kl"}
    for kind in ("samples", "replies", "judgements"):
        for part in list((folder / kind).iterdir())[:1]:
            part.rename(tmp_path / f"{kind}.gone")
    assert RunFolder(run(content, folder)).parts("dose").equals(dose)  # type: ignore[union-attr]
    assert len(calibrations) == 1
    assert len(table(folder, "replies")) >= 3 * 5


def test_replies_in_more_cells_than_the_sweep_are_calibrated_as_well(
    run: Run, tmp_path: Path, calibrations: list[object]
) -> None:
    content = settings(judges=[THE], layers="1,2", strengths=[0.02, 0.04], prompts=2)
    folder = run(content | {"scale": "kl", "strengths": [0.02], "layers": "1"}, tmp_path / "run")
    dose = RunFolder(folder).parts("dose")
    assert dose is not None
    wanted = {(layers, strength) for layers in ("1", "2") for strength in (0.02, 0.04)}
    assert set(zip(dose["layers"], dose["strength"], strict=True)) == wanted
    replies = table(folder, "replies").query("split == 'select' and strength != 0")
    assert set(zip(replies["layers"], replies["strength"], strict=True)) == wanted


def test_doses_are_measured_for_every_cell_where_asked(run: Run, tmp_path: Path, calibrations: list[object]) -> None:
    plain = settings(judges=[THE], strengths=[0.3], layers="3", prompts=2)
    assert RunFolder(run(plain, tmp_path / "plain")).parts("dose") is None
    dose = RunFolder(run(plain | {"dose": True}, tmp_path / "dosed")).parts("dose")
    assert dose is not None
    assert set(zip(dose["layers"], dose["strength"], strict=True)) == {*CELLS, ("3", 0.3)}
    assert (dose["kl"] > 0).all()
    assert dose["relative"].tolist() == dose["strength"].tolist()
    assert not calibrations


@pytest.mark.parametrize(
    ("replies", "words"),
    [
        (
            "judges: [classifer]",
            "mine.yaml:3: replies.judges.0: no judge is called 'classifer'; did you mean 'classifier'?",
        ),
        ("judges: [{classifier: true, behaviors: [cheerfull]}]", "the judge classifier is to judge 'cheerfull'"),
        ("judges: [{kind: classifier}]", "mine.yaml:3: replies.judges.0: unknown key 'kind'"),
        (
            "judges: [{modl: openai/gpt-4o-mini}]",
            "replies.judges.0: unknown key 'modl'; did you mean 'model'?",
        ),
        ("judges: [{name: mine}]", "mine.yaml:3: replies.judges.0: a judge is one of `classifier`"),
        ("judges: [{classifier: true, pattern: yes}]", "mine.yaml:3: replies.judges.0"),
        ("judges: []", "mine.yaml:3: replies: judges: name at least one"),
        ("judges: [classifier, {pattern: a, name: classifier}]", "two judges have the same name; give one of them"),
        (
            "behaviors: [cheerfull]",
            "mine.yaml:2: the file: replies: no behavior of this study is called 'cheerfull'; they are cheerful",
        ),
        ("models: [other]", "replies: no model of this study is called 'other'; they are smollm2-135m"),
        ("prompts: 1", "mine.yaml:3: replies.prompts: Input should be greater than or equal to 2"),
        ("search: halve", "mine.yaml:3: replies.search: Input should be 'grid' or 'halving' (not 'halve')"),
        ("strengths: [0]", "mine.yaml:3: replies.strengths: needs at least one strength other than 0"),
        ("min_coherence: 11", "mine.yaml:3: replies.min_coherence"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_their_line(tmp_path: Path, replies: str, words: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"behaviors: [cheerful]\nreplies:\n  {replies}\n", encoding="utf-8")
    with pytest.raises(SettingError) as caught:
        read_study(file)
    assert words in str(caught.value)
    assert "mine.yaml:" in str(caught.value)


def test_a_pattern_that_is_none_is_refused_before_anything_runs(run: Run, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="is no regular expression"):
        run(settings(judges=[{"pattern": "("}]), tmp_path / "run")
    assert not (tmp_path / "run").exists()
