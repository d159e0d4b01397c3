"""Studies whose vector is made of another contrast than the pairs that are scored."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from study.conftest import Run
from trimtab.data import Behavior, contrast, dataset
from trimtab.engines import Model
from trimtab.errors import DataError
from trimtab.models import Backbone
from trimtab.store.run_folder import RunFolder
from trimtab.study import make_study, plan_study, report_runs
from trimtab.vectors import SteeringVector, extract

PERSONAS = [("You are full of joy.", "You are full of despair."), ("Answer with joy.", "Answer with despair, always.")]
SIDE = {"prompts": 4, "random": 2, "max_new_tokens": 4, "measure": ["concise"]}
QUESTIONS = ["How was your day?", "What should I cook tonight?", "Tell me about the weather."]


@pytest.fixture
def personas(tmp_path: Path) -> Path:
    """A file of pairs of prompts."""
    rows = [
        {
            f"{side}_prompt": [{"role": "system", "content": system}, {"role": "user", "content": question}]
            for side, system in (("positive", one), ("negative", other))
        }
        for one, other in PERSONAS
        for question in QUESTIONS
    ]
    file = tmp_path / "personas.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


@pytest.fixture
def lists(tmp_path: Path) -> str:
    """Two files of lines."""
    (tmp_path / "good.txt").write_text("What a lovely day\nBliss, all over\nSo kind of you\n")
    (tmp_path / "bad.txt").write_text("It rained again\nNothing at all went well\n")
    return f"{tmp_path / 'good.txt'} vs {tmp_path / 'bad.txt'}"


def settings(source: str, **more: object) -> dict[str, object]:
    return {
        "name": "elsewhere", "models": [{"id": "smollm2-135m", "dtype": "float32"}],
        "behaviors": [{"source": "permissive", "limit": 16, "contrast": source}],
        "layers": "1,2", "strengths": [-0.4, 0.4], "scale": "relative", **more,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["prompts", "lists"])
def test_the_vector_is_made_of_the_contrast_and_all_pairs_are_held_out(
    run: Run, llama: Backbone, personas: Path, lists: str, tmp_path: Path, kind: str
) -> None:
    source = str(personas) if kind == "prompts" else lists
    folder = run(settings(source, side_effects=SIDE, robustness={"prompts": 4}), tmp_path / "run")
    made = SteeringVector.load(RunFolder(folder).vector_file("smollm2-135m", "permissive"))
    given = contrast(source)
    assert not isinstance(given, Behavior)
    assert made.provenance.pairs_hash == given.hash
    assert made.provenance.form == given.shape
    assert (made.direction - extract(Model(llama), given).direction).abs().max() < 1e-5
    samples = RunFolder(folder).samples()
    held_out = set(samples["prompt_id"])
    assert held_out == {pair.id for pair in dataset("permissive", limit=16)}
    assert set(samples.groupby("split")["prompt_id"].nunique()) == {8}
    behavior = RunFolder(folder).manifest().behaviors[0]
    assert (behavior.n_train, behavior.n_select, behavior.n_test) == (0, 8, 8)
    tables = [pd.read_parquet(file) for file in (folder / "robustness").rglob("*.parquet")]
    variants = set(pd.concat(tables)["variant"])
    assert {"few-shot: for the behavior", "few-shot: against the behavior"} <= variants  # of pairs that chose the cell
    assert not [name for name in variants if "cheerful" in name]  # its translations are of another behavior
    findings = report_runs([folder], tmp_path / "report.html").findings
    assert findings
    assert "permissive" in findings[0]


def test_another_contrast_is_another_run_and_none_is_as_before(personas: Path) -> None:
    with_contrast = make_study(settings(str(personas)))
    plain = make_study({**settings(""), "behaviors": [{"source": "permissive", "limit": 16}]})
    assert with_contrast.identity(["h"]) != plain.identity(["h"])
    assert make_study(settings("")).identity(["h"]) == plain.identity(["h"])


def test_pairs_that_are_scored_may_not_make_the_vector(run: Run, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of the scored prompts are in its contrast 'permissive' too"):
        run(settings("permissive"), tmp_path / "run")
    assert not (tmp_path / "run" / "samples").exists()


def tables(folder: Path, name: str) -> pd.DataFrame:
    """A table of the diagnosis."""
    return pd.concat([pd.read_parquet(file) for file in (folder / "diagnosis").glob(f"{name}*.parquet")])


@pytest.mark.parametrize("kind", ["prompts", "lists"])
def test_the_diagnosis_is_of_what_the_vector_is_made_of(
    run: Run, personas: Path, lists: str, tmp_path: Path, kind: str
) -> None:
    source = str(personas) if kind == "prompts" else lists
    folder = run(settings(source, diagnosis={"methods": True}), tmp_path / "run")
    codes = set(tables(folder, "findings")["code"])
    quality, methods = tables(folder, "quality"), set(tables(folder, "method_samples")["method"])
    if kind == "prompts":
        assert set(quality["pairs"]) == {6}
        assert quality["consistency"].notna().all()
        assert "needs_pairs" not in codes
        assert {"pca", "single 5"} <= methods
        assert not list((folder / "diagnosis").glob("surface*"))
    else:
        assert set(quality["pairs"]) == {5}
        assert quality["consistency"].isna().all()
        assert {"needs_pairs", "short_list"} <= codes
        assert methods == {"mean", "probe", "lda", *(f"random {i}" for i in range(1, 6))}
        assert set(tables(folder, "surface")["feature"]) == {"length", "first word", "last word", "words"}
    page = tmp_path / "report.html"
    report_runs([folder], page)
    assert ("told apart by their surface" in page.read_text(encoding="utf-8")) == (kind == "lists")


@pytest.mark.usefixtures("untimed")
@pytest.mark.parametrize("kind", ["prompts", "lists"])
def test_without_a_sweep_the_source_itself_may_be_a_contrast_without_completions(
    run: Run, llama: Backbone, personas: Path, lists: str, tmp_path: Path, kind: str
) -> None:
    source = str(personas) if kind == "prompts" else lists
    content = {
        "name": "seen", "models": [{"id": "smollm2-135m", "dtype": "float32"}],
        "behaviors": [{"source": source, "name": "joyful"}], "sweep": False, "diagnosis": True,
    }  # fmt: skip
    folder = run(content, tmp_path / "run")
    assert set(tables(folder, "quality")["pairs"]) == {6 if kind == "prompts" else 5}
    made = SteeringVector.load(RunFolder(folder).vector_file("smollm2-135m", "joyful"))
    assert (made.direction - extract(Model(llama), contrast(source)).direction).abs().max() < 1e-5
    step = plan_study(make_study(content)).models[0].steps[0]
    assert step.pairs == (12 if kind == "prompts" else 5)
    with pytest.raises(DataError, match=r"too few to split"):  # a sweep holds examples out
        run(content | {"sweep": True, "layers": "1"}, tmp_path / "swept")


def test_other_pairs_are_a_contrast_too(run: Run, tmp_path: Path) -> None:
    """CAA's layout: the vector from one file, the effect on another, whole."""
    folder = run(settings("corrigible"), tmp_path / "run")
    made = SteeringVector.load(RunFolder(folder).vector_file("smollm2-135m", "permissive"))
    assert made.provenance.pairs_hash == dataset("corrigible").hash
    assert made.provenance.form == "choice"


@pytest.mark.usefixtures("untimed")
def test_a_plan_counts_the_examples(personas: Path) -> None:
    step = plan_study(make_study(settings(str(personas)))).models[0].steps[0]
    assert (step.pairs, step.prompts) == (12, 16)  # both sides of six
