"""Studies of contrasts without pairs of completions: two lists, and pairs of prompts."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from study.conftest import CELLS, Run, WhimSettings, table
from trimtab.data import SetContrast, contrast
from trimtab.engines import Model
from trimtab.errors import DataError, RunError, SettingError, TrimtabWarning
from trimtab.evaluation import project
from trimtab.judges import JUDGES
from trimtab.models import Backbone
from trimtab.store.cached_tables import read_cached_tables
from trimtab.store.run_folder import RunFolder
from trimtab.study import make_study, plan_study, reopened, report_runs
from trimtab.study._unscored import UnscoredBehavior
from trimtab.study.measures.projection.settings import NoProjections
from trimtab.study.setting_to_use import setting_to_use
from trimtab.vectors import SteeringVector, extract

NAME = "good-vs-bad"
MODEL = {"id": "smollm2-135m", "dtype": "float32"}


@pytest.fixture
def lists(tmp_path: Path) -> str:
    """Two files of lines."""
    (tmp_path / "good.txt").write_text("".join(f"What a lovely {n}th day of joy\n" for n in range(20)))
    (tmp_path / "bad.txt").write_text("".join(f"It rained {n} times, nothing went well\n" for n in range(18)))
    return f"{tmp_path / 'good.txt'} vs {tmp_path / 'bad.txt'}"


@pytest.fixture
def personas(tmp_path: Path) -> str:
    """A file of pairs of prompts."""
    sides = {"positive_prompt": "You are full of joy.", "negative_prompt": "You are full of despair."}
    rows = [
        {
            name: [{"role": "system", "content": system}, {"role": "user", "content": f"What of number {n}?"}]
            for name, system in sides.items()
        }
        for n in range(32)
    ]
    file = tmp_path / "personas.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


@pytest.fixture
def raw(tmp_path: Path) -> str:
    """Two files of texts with the marks of a template, which are read as they are."""
    for name, word in (("up", "joy"), ("down", "gloom")):
        text = "".join(f"<|im_start|>user\\nnumber {n}<|im_end|> {word} {n}\n" for n in range(20))
        (tmp_path / f"{name}.txt").write_text(text)
    return f"{tmp_path / 'up.txt'} vs {tmp_path / 'down.txt'}"


def settings(*behaviors: Any, **more: Any) -> dict[str, Any]:
    return {
        "name": "unscored", "models": [MODEL], "behaviors": list(behaviors), "layers": "1,2", "strengths": [-0.4, 0.4],
        "scale": "relative", **more,
    }  # fmt: skip


def examples(folder: Path) -> pd.DataFrame:
    found = read_cached_tables(RunFolder(folder), "projection", "examples")
    assert found is not None
    return found


@pytest.mark.usefixtures("untimed")
def test_two_lists_are_planned_run_resumed_and_reported(
    run: Run, llama: Backbone, lists: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    content = settings(lists, dose=True)
    words = "no completions to score; measured by dose and projection; left out: scores"
    plan = plan_study(make_study(content))
    assert f"  {NAME}: {words}" in plan.text()
    (step,) = plan.steps
    found = contrast(lists)
    assert isinstance(found, SetContrast)
    train, select, test = found.split()
    assert (step.pairs, step.samples) == (len(train), 0)
    assert [check.what for check in step.checks] == ["projection"]
    assert f"    projection: {len(select) + len(test)} texts, " in plan.text()

    folder = run(content, tmp_path / "run")
    assert any(f"{NAME}: {words}" in str(warned.message) for warned in recwarn)
    vector = SteeringVector.load(RunFolder(folder).vector_file("smollm2-135m", NAME))
    assert vector.provenance.pairs_hash == train.hash
    model = Model(llama)
    assert (vector.direction - extract(model, train).direction).abs().max() < 1e-5
    stored = examples(folder)
    expected = project(model, vector, select, test=test, progress=False).samples
    assert stored["projection"].to_numpy() == pytest.approx(expected["projection"].to_numpy(), abs=1e-4)
    assert stored["example"].tolist() == expected["example"].tolist()
    assert RunFolder(folder).parts("samples") is None
    dose = RunFolder(folder).parts("dose")
    assert dose is not None
    assert set(zip(dose["layers"], dose["strength"], strict=True)) == CELLS
    behavior = RunFolder(folder).manifest().behaviors[0]
    assert (behavior.shape, behavior.scoring, behavior.pairs_hash) == ("sets", "", found.hash)
    assert (behavior.n_train, behavior.n_select, behavior.n_test) == (len(train), len(select), len(test))

    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")}
    run(content, folder)
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*.parquet")} == before

    page = folder / "report.html"
    written = report_runs([folder], page)
    assert written.findings[0] == (
        f"Whether steering works was not measured: “{NAME}” has no completions to score, and no reply of smollm2-135m "
        "was judged. So no setting is recommended."
    )
    (finding,) = written.by_check["projection"]
    assert "AUROC" in finding
    assert "does not show that steering with it changes what the model writes" in finding
    html = page.read_text(encoding="utf-8")
    assert 'id="projection"' in html
    assert words in html
    curves = pd.read_csv(folder / "tables" / "projection.csv")
    assert len(curves) == 2 * vector.n_layers
    assert curves["chosen"].sum() == 2
    assert (folder / "charts" / f"projection-{NAME}.svg").is_file()
    with pytest.raises(RunError, match=f"no setting is shown to work for {NAME}"):
        setting_to_use(folder)


@pytest.fixture
def whim() -> Any:
    """A judge that sees every steered reply as far more of the behavior, by the sign of nothing."""
    with JUDGES.temporarily("whim", WhimSettings, "Judges at random."):
        yield


def test_the_setting_to_use_comes_from_judged_replies(run: Run, whim: Any, personas: str, tmp_path: Path) -> None:
    replies = {"prompts": 8, "max_new_tokens": 4, "min_coherence": 2, "judges": [{"whim": True, "change": 6.0}]}
    folder = run(settings(personas, replies=replies), tmp_path / "run")
    written = table(folder, "replies")
    asked = set(written["prompt"])
    assert asked <= {f"What of number {n}?" for n in range(32)}  # without the system prompts that made the vector
    assert set(written.groupby("split")["prompt_id"].nunique()) == {8}
    findings = report_runs([folder], tmp_path / "report.html").findings
    assert findings[0].startswith("Steering works: judged replies of smollm2-135m move toward “personas”")
    use = setting_to_use(folder)
    assert use.chosen_by == "replies"
    assert use.layers in ([1], [2])
    manifest = RunFolder(folder).manifest()
    assert [warning.text for warning in manifest.warnings if warning.text.startswith("personas: no completions")] == [
        "personas: no completions to score; measured by replies and projection; left out: scores"
    ]


def test_beside_pairs_only_they_are_scored(run: Run, lists: str, tmp_path: Path) -> None:
    content = settings(
        {"source": "permissive", "limit": 16}, lists, side_effects={"random": 0}, robustness={"prompts": 4}
    )
    folder = run(content, tmp_path / "run")
    samples = RunFolder(folder).samples()
    assert set(samples["behavior"]) == {"permissive"}
    assert set(examples(folder)["behavior"]) == {NAME}
    shifts = read_cached_tables(RunFolder(folder), "side_effects", "shifts")
    assert shifts is not None
    assert NAME not in set(shifts["measured"])
    told = [warning.text for warning in RunFolder(folder).manifest().warnings]
    assert (
        f"{NAME}: no completions to score; measured by projection; left out: scores, side effects and robustness"
        in (told)
    )
    findings = report_runs([folder], tmp_path / "report.html").findings
    assert sum("was not measured" in finding for finding in findings) == 1


def test_pairs_are_projected_where_that_is_asked_for(run: Run, llama: Backbone, tmp_path: Path) -> None:
    pairs = {"source": "permissive", "limit": 16}
    folder = run(settings(pairs), tmp_path / "run")
    assert read_cached_tables(RunFolder(folder), "projection", "examples") is None
    study, _ = reopened(folder, {"projection": True})
    assert study.identity(["h"]) == make_study(settings(pairs)).identity(["h"])
    run(study.model_dump(mode="json"), folder)
    stored = examples(folder)
    assert set(stored["side"]) == {1, -1}
    assert stored.groupby("split")["example"].nunique().to_dict() == {"select": 4, "test": 4}
    # Both completions of a pair are resampled together.
    assert (stored.groupby("group")["side"].nunique() == 2).all()
    assert "projection" in report_runs([folder], tmp_path / "report.html").by_check


def test_a_run_without_projections_stays_so_when_it_is_reopened(run: Run, lists: str, tmp_path: Path) -> None:
    folder = run(settings(lists, dose=True, projection=False), tmp_path / "run")
    assert read_cached_tables(RunFolder(folder), "projection", "examples") is None
    study, _ = reopened(folder, {})
    assert study.projection == NoProjections()
    assert "was not measured" in report_runs([folder], tmp_path / "report.html").findings[0]


def test_a_limit_is_drawn_as_for_pairs(run: Run, lists: str, tmp_path: Path) -> None:
    study = make_study(settings({"source": lists, "limit": 16}))
    folder = run(study.model_dump(mode="json"), tmp_path / "run")
    found = contrast(lists, limit=16)
    assert isinstance(found, SetContrast)
    assert (len(found.positive), len(found.negative)) == (16, 16)
    assert RunFolder(folder).manifest().behaviors[0].pairs_hash == found.hash


def test_a_contrast_of_pairs_has_a_limit_of_its_own(run: Run, lists: str, tmp_path: Path) -> None:
    pairs = {"source": "permissive", "limit": 16, "contrast": lists}
    folder = run(settings({**pairs, "contrast_limit": 6}), tmp_path / "run")
    made = SteeringVector.load(RunFolder(folder).vector_file("smollm2-135m", "permissive")).provenance
    assert made.pairs_hash == contrast(lists, limit=6).hash
    assert make_study(settings(pairs)).identity([]) != make_study(settings({**pairs, "contrast_limit": 6})).identity([])
    with pytest.raises(SettingError, match="there is no `contrast` that it could limit"):
        make_study(settings({"source": "permissive", "contrast_limit": 6}))


def test_the_columns_of_a_contrast_have_names_of_their_own(run: Run, tmp_path: Path) -> None:
    rows = [{"kind": f"Be kind, {i}.", "harsh": f"Be harsh, {i}."} for i in range(8)]
    (tmp_path / "personas.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    names = {"positive_prompt": "kind", "negative_prompt": "harsh"}
    source = str(tmp_path / "personas.jsonl")
    one = {"source": "permissive", "limit": 16, "contrast": source, "contrast_map": names}
    folder = run(settings(one), tmp_path / "run")
    made = SteeringVector.load(RunFolder(folder).vector_file("smollm2-135m", "permissive")).provenance
    assert made.pairs_hash == contrast(source, columns=names).hash
    with pytest.raises(SettingError, match="there is no `contrast` whose columns it could name"):
        make_study(settings({"source": "permissive", "contrast_map": names}))


def test_what_the_vector_is_made_of_is_diagnosed_and_methods_are_left_out_in_words(
    run: Run, lists: str, tmp_path: Path
) -> None:
    with pytest.warns(TrimtabWarning, match="methods are not compared: there are no pairs of completions"):
        folder = run(settings(lists, diagnosis={"methods": True}), tmp_path / "run")
    quality = read_cached_tables(RunFolder(folder), "diagnosis", "quality")
    assert quality is not None
    train, _, _ = contrast(lists).split()
    assert set(quality["pairs"]) == {len(train)}  # what is held out has no part in it
    assert read_cached_tables(RunFolder(folder), "diagnosis", "method_samples") is None


def test_a_diagnosis_alone_holds_nothing_out(run: Run, lists: str, tmp_path: Path) -> None:
    folder = run(settings(lists, diagnosis=True, sweep=False), tmp_path / "run")
    quality = read_cached_tables(RunFolder(folder), "diagnosis", "quality")
    assert quality is not None
    assert set(quality["pairs"]) == {len(contrast(lists))}
    assert read_cached_tables(RunFolder(folder), "projection", "examples") is None


REFUSED: list[tuple[Callable[[str], dict[str, Any]], str]] = [
    (lambda source: settings(source, projection=False), "nothing else is asked for, so nothing would be measured"),
    (lambda source: settings(source, projection=False, sweep=False), "nothing would be measured"),
    (lambda source: settings({"source": source, "scoring": "text"}), "leave out `scoring: text`"),
    (lambda source: settings({"source": source, "contrast": "corrigible"}), "of the contrast 'corrigible'"),
    (lambda source: settings(source, replies=True), "no completions that the text classifier could learn from"),
    (lambda source: settings(source, robustness=True), f"robustness: nothing can be measured of .*{NAME[-3:]}"),
    (lambda source: settings(source, side_effects=True), "there are no pairs of completions that can be scored"),
    (
        lambda source: settings(
            {"source": source, "name": "x"}, {"source": "permissive", "limit": 16}, robustness={"behaviors": ["x"]}
        ),
        "robustness: x has no pairs of completions that can be scored; leave it out there",
    ),
]


@pytest.mark.parametrize(("content", "words"), REFUSED)
def test_what_cannot_be_measured_is_refused_before_anything_is_run(
    run: Run, lists: str, tmp_path: Path, content: Callable[[str], dict[str, Any]], words: str
) -> None:
    with pytest.raises(SettingError, match=words):
        plan_study(make_study(content(lists)))
    with pytest.raises(SettingError, match=words):
        run(content(lists), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_raw_texts_have_no_prompts_to_reply_to(run: Run, raw: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"replies: nothing can be measured of .*: there are no prompts to reply to"):
        run(settings(raw, replies=True), tmp_path / "run")
    folder = run(settings(raw), tmp_path / "run")
    assert set(examples(folder)["split"]) == {"select", "test"}


def test_too_few_examples_are_refused_in_words(run: Run, tmp_path: Path) -> None:
    for name in ("good", "bad"):
        (tmp_path / f"{name}.txt").write_text(f"{name} one\n{name} two\n")
    with pytest.raises(DataError, match="too few to split"):
        run(settings(f"{tmp_path / 'good.txt'} vs {tmp_path / 'bad.txt'}"), tmp_path / "run")


def test_the_first_prompts_are_of_both_lists() -> None:
    made = SetContrast.from_texts([f"harm {n}" for n in range(3)], [f"help {n}" for n in range(5)], name="refusal")
    prompts = [pair.prompt for pair in UnscoredBehavior.of(made).prompts]
    assert prompts[:4] == ["help 0", "harm 0", "help 1", "harm 1"]
    assert len(prompts) == 8


def test_they_travel_to_other_processes() -> None:
    made = UnscoredBehavior.of(SetContrast.from_texts([f"a {n}" for n in range(16)], [f"b {n}" for n in range(16)]))
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert again.hash == made.hash
    parts = made.split()
    assert [part.part for part in parts] == ["train", "select", "test"]
    assert all(isinstance(part, UnscoredBehavior) and list(part) == [] for part in parts)
