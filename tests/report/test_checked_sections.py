"""Which sections there are, and what they say, when not all checks were made."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pandas as pd
import pytest

from report.checks import KEPT, LOST, unswept
from report.test_checked import places
from trimtab.report import RunTables
from trimtab.report.checked import Checked
from trimtab.report.checked_sections import checked_sections
from trimtab.report.checked_words import glossary
from trimtab.report.page import Section, render
from trimtab.report.results import analysed
from trimtab.report.write import assembled


def rendered(runs: list[RunTables]) -> str:
    """The page of these runs, without its files."""
    return render(assembled(runs, analysed(runs)))


def shown(text: str) -> str:
    """What a reader sees of the page."""
    return re.sub(r"<script.*?</script>|<style.*?</style>", "", text, flags=re.S)


def filled(checked: Checked, best: pd.DataFrame) -> list[Section]:
    """The sections that have something to show."""
    made = checked_sections(checked, best)
    return [section for section in made if section.charts or any(table.rows for table in section.tables)]


def test_nothing_is_said_of_an_edge_that_nothing_goes_beyond(checked_report):
    results = checked_report[1]
    table = results.checked.robustness
    inside = Checked(robustness=table[table["variant"].isin(["plain", KEPT, LOST])])
    (section,) = (s for s in filled(inside, results.best) if s.slug == "robustness")
    assert "Arrows mark" not in section.text


def test_the_glossary_has_the_words_of_the_checks_that_were_made(checked_report):
    checked = checked_report[1].checked
    every = {term for term, _ in glossary(checked)}
    assert every >= {"consistency", "stability", "probe accuracy", "side effect", "perplexity", "share kept"}
    assert [term for term, _ in glossary(Checked(robustness=checked.robustness))] == ["share kept"]
    assert glossary(None) == []


@pytest.mark.parametrize(
    ("found", "sections"),
    [
        (("diagnoses",), {"pairs"}),
        (("quality", "curve"), {"pair-layers", "pair-number"}),
        (("flags",), {"flags"}),
        (("heuristics", "picks"), {"heuristics"}),
        (("methods",), {"methods"}),
        (("cosines",), {"method-cosines"}),
        (("shifts", "side"), {"shifts", "side-effects", "costs"}),
        (("neutral",), {"neutral"}),
        (("nulls", "null_tests"), {"random"}),
        (("robustness",), {"robustness", "variants"}),
    ],
)
def test_only_what_was_found_has_a_section(checked_report, found, sections):
    results = checked_report[1]
    some = Checked(**{name: getattr(results.checked, name) for name in found})
    assert {section.slug for section in filled(some, results.best)} == sections


def test_pairs_can_be_diagnosed_without_a_sweep(checked_run_of_two):
    html = rendered([unswept(checked_run_of_two)])
    assert {"pairs", "pair-layers", "pair-number", "flags", "heuristics"} <= set(places(html))
    assert "sweep’s best: layer" not in html
    assert "tiny-135M · cheerful, concise" in html
    assert "nan" not in shown(html).lower()


def test_a_vector_whose_own_behavior_alone_was_measured_has_no_side_effect(checked_run_of_two):
    shifts = checked_run_of_two.checks["shifts"]
    own = shifts[shifts["measured"] == shifts["behavior"]]
    html = rendered([replace(checked_run_of_two, checks={"shifts": own})])
    assert "shifts" in places(html)
    assert not {"costs", "side-effects"} & set(places(html))
    assert "nan" not in shown(html).lower()


def test_a_best_cell_that_was_not_measured_is_said_to_be_missing(checked_report):
    results = checked_report[1]
    best = results.best.assign(layers=["99", results.best["layers"].iloc[1]])
    some = Checked(shifts=results.checked.shifts, side=results.checked.side)
    told = {section.slug: section for section in filled(some, best)}
    assert "The best cell of cheerful is not among those measured here." in told["shifts"].text
    assert {row[0] for row in told["shifts"].tables[0].rows} == {"concise"}
    assert not any("not among those" in section.text for section in filled(some, results.best))


def test_without_an_effect_there_is_a_table_and_no_shares(checked_report):
    results = checked_report[1]
    nothing = dict.fromkeys(("share", "share_low", "share_high"), float("nan"))
    lost = Checked(robustness=results.checked.robustness.assign(**nothing, verdict="no effect"))
    sections = {section.slug: section for section in filled(lost, results.best)}
    assert "robustness" not in sections
    rows = sections["variants"].tables[0].rows
    assert {row[2] for row in rows} == {"–", "no effect"}


def test_several_models_have_figures_of_their_own(checked_report):
    results = checked_report[1]
    tables = {
        field.name: pd.concat([table, table.assign(model="other-1B")], ignore_index=True)
        for field in fields(Checked)
        if field.name != "findings" and len(table := getattr(results.checked, field.name))
    }
    best = pd.concat([results.best, results.best.assign(model="other-1B")], ignore_index=True)
    sections = {section.slug: section for section in filled(Checked(**tables), best)}
    titles = {chart.title for section in sections.values() for chart in section.charts}
    assert {"tiny-135M · cheerful", "other-1B · concise", "other-1B · +α", "tiny-135M · cheerful · layer 5"} <= titles
    assert all(table.columns[0].heading == "model" for section in sections.values() for table in section.tables)
    scatters = [chart.title for chart in sections["side-effects"].charts]
    assert scatters == ["tiny-135M", "other-1B"]
