"""The report of imported probabilities and conditions: sections, files, findings, and a verdict on the letter."""

from __future__ import annotations

import pandas as pd
import pytest

from imported_items import planted_items
from synthetic import synthetic_manifest
from trimtab.analysis import COLUMNS
from trimtab.report import RunTables
from trimtab.report.charts import condition_scores
from trimtab.report.measures.imported import IMPORTED
from trimtab.report.measures.imported._imported_tables import score_grid
from trimtab.report.results import Results, analysed
from trimtab.report.verdict._verdict_sentences import sentence
from trimtab.report.verdict._verdict_sentences import word as verdict_word
from trimtab.report.verdict.evidence import cases


def imported_run(items: pd.DataFrame, name: str = "theirs") -> RunTables:
    samples = items[items["plain"]][list(COLUMNS)].reset_index(drop=True)
    return RunTables(name, synthetic_manifest(samples, 6), samples, tables={"imported/items": items})


@pytest.fixture(scope="module")
def results() -> Results:
    return analysed([imported_run(planted_items({"none": 0.0, "pos": 1.0}, 1.5))])


def test_every_section_is_on_the_page_and_every_table_is_a_file(results: Results) -> None:
    sections = IMPORTED.sections(results.of(IMPORTED))
    assert [one.title for one in sections if one.content] == [
        "Scores as published",
        "Prompt, vector, and both",
        "Choice of the layer, held out",
        "Answer letters in the scores",
        "Prompts that cannot be scored",
    ]
    files = IMPORTED.files(results.of(IMPORTED))
    assert {one.file for one in sections} <= set(files)
    assert all(len(table) for table in files.values())
    assert all(table.rows for one in sections for table in one.tables)


def test_the_grid_of_published_scores_has_a_column_for_each_strength(results: Results) -> None:
    found = results.of(IMPORTED)
    grid = score_grid(found.shown("scores"))
    assert [column.heading for column in grid.columns] == [
        "behavior", "layer", "condition", "−1", "unsteered", "+1",
    ]  # fmt: skip
    scores = found.tables["scores"].query("layers == '3' and condition == 'pos'").set_index("strength")
    assert [row[-1] for row in grid.rows if row[2] == "pos"] == [f"{scores['score_all'].loc[1.0]:.2f}"]


def test_without_other_conditions_the_chosen_layer_is_shown() -> None:
    results = analysed([imported_run(planted_items({"none": 0.0}, 2.0))])
    found = results.of(IMPORTED)
    assert set(found.shown("scores")["layers"]) == {"", "3"}
    assert found.tables["contrasts"].empty
    assert not [one for one in IMPORTED.sections(found) if one.slug == "imported-arms" and one.tables[0].rows]


def test_a_figure_has_a_point_for_each_condition_and_strength(results: Results) -> None:
    (chart,) = condition_scores(results.of(IMPORTED).shown("scores"))
    assert len(chart.data) == 6
    assert "pos: −1 " in chart.alt
    assert chart.slug.startswith("condition-scores")


@pytest.mark.parametrize(("size", "letter", "word"), [(0.0, 3.0, "only the letter"), (2.0, 1.0, "yes, in scores")])
def test_a_vector_that_moves_the_letter_alone_is_not_called_one_that_works(
    size: float, letter: float, word: str
) -> None:
    found = analysed([imported_run(planted_items({"none": 0.0}, size, letter=letter, prompts=40))])
    (case,) = cases(found)
    assert verdict_word(case)[0] == word
    assert ("it is not shown to change" in sentence(case)) == (size == 0)
    assert (case.setting is None) == (size == 0)


def test_the_letter_is_a_decisive_caution() -> None:
    findings = analysed([imported_run(planted_items({"none": 0.0, "pos": 1.0}, 0.0, letter=3.0, prompts=40))]).findings
    (found,) = [one for one in findings if one.code == "letter_change"]
    assert found.decisive
    assert "is the answer letter’s" in found.text


def test_several_runs_name_the_run() -> None:
    items = planted_items({"none": 0.0, "pos": 1.0}, 1.5)
    found = analysed([imported_run(items, "one"), imported_run(items, "two")]).of(IMPORTED)
    assert list(dict.fromkeys(found.tables["scores"]["run"])) == ["one", "two"]
    assert all("one" in finding.text or "two" in finding.text for finding in found.findings)
    assert set(found.shown("scores")["run"]) == {"one", "two"}
