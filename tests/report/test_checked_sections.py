"""Which sections there are, and what they say, when not everything was measured."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import pandas as pd
import pytest

from report.checks import KEPT, LOST, also_recommended, unswept
from report.test_checked import places
from trimtab.report import RunTables, Section
from trimtab.report._page import render
from trimtab.report.measures.diagnosis import DIAGNOSIS, DiagnosisResults
from trimtab.report.measures.robustness import ROBUSTNESS, RobustnessResults
from trimtab.report.measures.side_effects import SIDE_EFFECTS, SideEffectResults
from trimtab.report.results import analysed
from trimtab.report.write import assembled


def rendered(runs: list[RunTables]) -> str:
    """The page of these runs, without its files."""
    return render(assembled(runs, analysed(runs)))


def shown(text: str) -> str:
    """What a reader sees of the page."""
    return re.sub(r"<script.*?</script>|<style.*?</style>|data-packed=\"[^\"]*\"", "", text, flags=re.S)


def filled(report, results) -> dict[str, Section]:
    """The sections that have something to show, by name."""
    made = report.sections(results)
    return {s.slug: s for s in made if s.charts or any(table.rows for table in s.tables)}


def doubled(results):
    """The results as if a second model had given the same numbers."""
    tables = {
        column.name: pd.concat([table, table.assign(model="other-1B")], ignore_index=True)
        for column in fields(results)
        if column.name != "findings" and len(table := getattr(results, column.name))
    }
    return replace(results, **tables)


def test_arrows_are_explained_only_where_a_share_lies_beyond_the_edge(checked_report):
    table = checked_report[1].of(ROBUSTNESS).table
    inside = RobustnessResults(table[table["variant"].isin(["plain", KEPT, LOST])])
    assert "Arrows mark" not in filled(ROBUSTNESS, inside)["robustness"].text
    assert "Arrows mark" in filled(ROBUSTNESS, RobustnessResults(table))["robustness"].text


def test_each_measure_brings_the_terms_of_what_was_measured(checked_report):
    results = checked_report[1]
    terms = {term for report, found in results.measured() for term, _ in report.glossary(found)}
    assert terms >= {"consistency", "stability", "probe accuracy", "side effect", "perplexity", "share kept"}
    assert not DIAGNOSIS.glossary(DiagnosisResults(flags=results.of(DIAGNOSIS).flags))
    assert not SIDE_EFFECTS.glossary(SideEffectResults())


@pytest.mark.parametrize(
    ("report", "found", "sections"),
    [
        (DIAGNOSIS, ("diagnoses",), {"pairs"}),
        (DIAGNOSIS, ("quality", "curve"), {"pair-layers", "pair-number"}),
        (DIAGNOSIS, ("flags",), {"flags"}),
        (DIAGNOSIS, ("heuristics", "picks"), {"heuristics"}),
        (DIAGNOSIS, ("methods",), {"methods"}),
        (DIAGNOSIS, ("cosines",), {"method-cosines"}),
        (SIDE_EFFECTS, ("shifts", "side"), {"shifts", "side-cells", "side-effects", "costs"}),
        (SIDE_EFFECTS, ("neutral",), {"neutral"}),
        (SIDE_EFFECTS, ("nulls", "null_tests"), {"random", "random-tests"}),
        (ROBUSTNESS, ("table",), {"robustness", "variants"}),
    ],
)
def test_only_what_was_measured_has_a_section(checked_report, report, found, sections):
    results = checked_report[1].of(report)
    keep = {*found, "best", "chosen", "findings"}
    nothing = {column.name: pd.DataFrame() for column in fields(results) if column.name not in keep}
    assert set(filled(report, replace(results, **nothing))) == sections


def test_pairs_can_be_diagnosed_without_a_sweep(checked_run_of_two):
    html = rendered([unswept(checked_run_of_two)])
    assert {"pairs", "pair-layers", "pair-number", "flags", "heuristics"} <= set(places(html))
    assert "sweep’s best: layer" not in html
    assert "tiny-135M · cheerful, concise" in html
    assert "nan" not in shown(html).lower()


def test_a_vector_whose_own_behavior_alone_was_measured_has_no_side_effect(checked_run_of_two):
    shifts = checked_run_of_two.tables["side_effects/shifts"]
    own = shifts[shifts["measured"] == shifts["behavior"]]
    html = rendered([replace(checked_run_of_two, tables={"side_effects/shifts": own})])
    assert "shifts" in places(html)
    assert not {"costs", "side-effects"} & set(places(html))
    assert "nan" not in shown(html).lower()


def test_a_chosen_setting_that_was_not_measured_is_named(checked_report):
    results = checked_report[1].of(SIDE_EFFECTS)
    chosen = results.chosen
    elsewhere = chosen.assign(layers=chosen["layers"].mask(chosen["behavior"] == "cheerful", "99"))
    sections = filled(SIDE_EFFECTS, replace(results, chosen=elsewhere))
    assert "cheerful is not among those measured here" in sections["shifts"].text
    assert {row[0] for row in sections["side-cells"].tables[0].rows} == {"concise"}
    assert not any("not among those" in section.text for section in filled(SIDE_EFFECTS, results).values())


def test_without_an_effect_there_is_a_table_and_no_shares(checked_report):
    table = checked_report[1].of(ROBUSTNESS).table
    nothing = dict.fromkeys(("share", "share_low", "share_high"), float("nan"))
    sections = filled(ROBUSTNESS, RobustnessResults(table.assign(**nothing, verdict="no effect")))
    assert "robustness" not in sections
    variants = sections["variants"].tables[0]
    place = [column.heading for column in variants.columns].index("verdict")
    assert {row[place] for row in variants.rows} == {"–", "no effect"}


def test_several_models_have_figures_of_their_own(checked_report):
    sections = {}
    for report in (DIAGNOSIS, SIDE_EFFECTS, ROBUSTNESS):
        sections |= filled(report, doubled(checked_report[1].of(report)))
    titles = {chart.title for section in sections.values() for chart in section.charts}
    assert {"tiny-135M · cheerful", "other-1B · concise", "other-1B · +α", "tiny-135M · cheerful · layer 5"} <= titles
    assert all(table.columns[0].heading == "model" for section in sections.values() for table in section.tables)
    scatters = [chart.title for chart in sections["side-effects"].charts]
    assert scatters == ["tiny-135M", "other-1B"]


def test_a_setting_that_replies_recommend_is_shown_beside_the_chosen_one_and_each_says_which_it_is(checked_run_of_two):
    results = analysed([also_recommended(checked_run_of_two)])
    chosen = results.of(SIDE_EFFECTS).chosen
    behavior = str(checked_run_of_two.samples["behavior"].iloc[0])
    assert set(chosen.loc[chosen["behavior"] == behavior, "chosen_by"]) == {"scores", "replies"}
    sections = {}
    for report in (SIDE_EFFECTS, ROBUSTNESS):
        sections |= filled(report, results.of(report))
        texts = [finding.text for finding in report.findings(results.of(report))]
        assert any("recommended by replies" in text for text in texts), report.name
    for slug in ("side-cells", "neutral", "random-tests", "variants"):
        table = sections[slug].tables[0]
        place = [column.heading for column in table.columns].index("chosen by")
        assert {"scores", "replies"} <= {row[place] for row in table.rows}, slug
    assert any("replies" in chart.title for chart in sections["random"].charts)
    assert any("replies" in chart.title for chart in sections["robustness"].charts)


def test_where_only_the_scores_chose_no_finding_names_replies(checked_report):
    results = checked_report[1]
    assert set(results.of(SIDE_EFFECTS).chosen["chosen_by"]) == {"scores"}
    for report in (SIDE_EFFECTS, ROBUSTNESS):
        findings = report.findings(results.of(report))
        assert not any("recommended by replies" in finding.text for finding in findings)
