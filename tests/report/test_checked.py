from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from report.checks import KEPT, LOST, REVERSED, SIZES, hostile, only, unswept
from report.test_write import Page
from trimtab.report import RunTables, write_report
from trimtab.report.checked import Checked
from trimtab.report.checked_sections import checked_sections
from trimtab.report.checked_words import glossary
from trimtab.report.page import Section, render
from trimtab.report.results import Results, analysed
from trimtab.report.write import assembled

SECTIONS = {
    "pairs", "pair-layers", "pair-number", "flags", "heuristics", "methods", "method-cosines", "shifts",
    "side-effects", "costs", "neutral", "random", "robustness", "variants",
}  # fmt: skip
FILES = {
    "diagnosis", "pair_quality", "pair_curve", "flagged_pairs", "heuristics", "heuristic_picks", "methods",
    "method_cosines", "side_shifts", "side_cells", "neutral_replies", "random_directions", "random_tests", "robustness",
}  # fmt: skip


@pytest.fixture(scope="module")
def written(checked_run_of_two, tmp_path_factory) -> tuple[Path, Results]:
    page = tmp_path_factory.mktemp("checked") / "report.html"
    return page, write_report([checked_run_of_two], page)


@pytest.fixture(scope="module")
def html(written) -> str:
    return written[0].read_text(encoding="utf-8")


def rendered(runs: list[RunTables]) -> str:
    """The page of these runs, without its files."""
    return render(assembled(runs, analysed(runs)))


def places(html: str) -> list[str]:
    """Ids on the page, in their order."""
    return [attrs["id"] for _, attrs in Page(html).tags if "id" in attrs]


def cells(html: str, section: str) -> list[list[str]]:
    """The rows of a section's first table."""
    part = html.split(f'<section id="{section}">')[1].split("</section>")[0]
    body = part.split("<tbody>")[1].split("</tbody>")[0]
    return [
        [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in body.split("</tr>")
        if "<td" in row
    ]


def shown(text: str) -> str:
    """What a reader sees of the page."""
    return re.sub(r"<script.*?</script>|<style.*?</style>", "", text, flags=re.S)


def test_every_check_has_its_sections_after_the_effects_and_before_how_settled_they_are(html):
    found = places(html)
    assert set(found) >= SECTIONS
    at = [
        found.index(name)
        for name in ("best", "pairs", "heuristics", "methods", "shifts", "random", "robustness", "choice")
    ]
    assert at == sorted(at)


def test_every_table_is_written_as_csv_with_the_numbers_of_the_results(written):
    page, results = written
    folder = page.parent / "tables"
    assert {f"{name}.csv" for name in FILES} <= {path.name for path in folder.iterdir()}
    survived = pd.read_csv(folder / "robustness.csv", dtype={"layers": str})
    pd.testing.assert_frame_equal(survived, results.checked.robustness, check_dtype=False)
    side = pd.read_csv(folder / "side_cells.csv", dtype={"layers": str})
    pd.testing.assert_frame_equal(side, results.checked.side, check_dtype=False)


def test_links_lead_to_files_and_places_that_exist(html, written):
    for target in Page(html).loads:
        if target.startswith("#"):
            assert target[1:] in places(html)
        elif not target.startswith("data:"):
            assert (written[0].parent / target).is_file()


def test_what_the_diagnosis_found_stands_worst_first_with_its_advice(html, written):
    rows = cells(html, "pairs")
    levels = [row[1] for row in rows]
    assert levels == sorted(levels, key=("problem", "caution", "good").index)
    found = written[1].checked.diagnoses
    assert {row[2] for row in rows} == set(found["text"])
    assert {row[3] for row in rows} == set(found["advice"])


def test_flagged_pairs_are_named_with_the_reason(html, written):
    flags = written[1].checked.flags
    assert [(row[1], row[3]) for row in cells(html, "flags")] == list(
        zip(flags["prompt_id"], flags["text"], strict=True)
    )
    assert "duplicate" in {row[2] for row in cells(html, "flags")}


def test_picks_stand_beside_the_best_layer_of_the_sweep(html, written):
    results = written[1]
    row = next(row for row in cells(html, "heuristics") if row[0] == "cheerful")
    best = results.best.set_index("behavior").loc["cheerful"]
    assert row[1:3] == [str(best["layer"]), f"{best['glass']:.2f}"]
    pick = results.checked.picks.query("behavior == 'cheerful' and heuristic == 'probe_accuracy'").iloc[0]
    assert f"{pick['layer']} ({pick['share']:.0%})" in row


def test_methods_are_compared_with_the_mean(html, written):
    methods = written[1].checked.methods.query("behavior == 'concise'").set_index("method")
    rows = {row[1]: row for row in cells(html, "methods") if row[0] == "concise"}
    assert list(rows) == ["mean", "pca", "probe", "single (2 draws)", "random (2 draws)"]
    pca = methods.loc["pca"]
    interval = f"{pca['difference']:.2f} [{pca['difference_low']:.2f}, {pca['difference_high']:.2f}]".replace("-", "−")
    assert interval in rows["pca"]
    assert (
        f"{methods.loc['single', 'glass_least']:.2f} to {methods.loc['single', 'glass_most']:.2f}"
        in rows["single (2 draws)"]
    )


def test_the_matrix_shows_the_shifts_at_the_best_cells(written):
    page, results = written
    best = results.best.set_index("behavior")
    shifts = results.checked.shifts
    for sign, name in ((1, "plus"), (-1, "minus")):
        matrix = pd.read_csv(page.parent / "charts" / f"shifts-{name}.csv", dtype={"layer": str})
        for behavior in SIZES:
            mine = matrix[matrix["steered"] == behavior].set_index("measured")
            at = shifts["layers"].eq(best.loc[behavior, "layers"]) & shifts["strength"].eq(
                sign * best.loc[behavior, "strength"]
            )
            expected = shifts[at & shifts["behavior"].eq(behavior)].set_index("measured")
            assert set(mine.index) == set(expected.index)
            assert mine["shift (unsteered standard deviations)"].to_dict() == pytest.approx(
                expected["shift"].to_dict(), rel=1e-4
            )


def test_the_best_cells_side_effects_stand_in_the_table(html, written):
    side = written[1].checked.side
    row = next(row for row in cells(html, "shifts") if row[0] == "cheerful" and row[2].startswith("+"))
    mine = side.query("behavior == 'cheerful' and strength == 1").set_index("layers").loc[row[1]]
    assert row[3] == f"{mine['intended']:.2f} [{mine['intended_low']:.2f}, {mine['intended_high']:.2f}]"
    assert row[4] == f"{mine['side']:.2f} [{mine['side_low']:.2f}, {mine['side_high']:.2f}]"


def test_the_p_against_random_directions_is_in_the_title_of_the_figure(html, written):
    tests = written[1].checked.null_tests.query("behavior == 'cheerful'").set_index("kind")
    title = f"cheerful · isotropic, p = {tests.loc['isotropic', 'p']:.3f}; shuffled pairs, p = "
    assert f"<figcaption>{title}" in html


def test_neutral_replies_stand_beside_the_unsteered_ones(html, written):
    neutral = written[1].checked.neutral.iloc[0]
    assert f"{neutral['words']:.0f}" in cells(html, "neutral")[0]
    assert neutral["words"] == 2 * neutral["words_before"]


def test_verdicts_on_survival_are_those_of_the_analysis(html, written):
    survived = written[1].checked.robustness.query("behavior == 'cheerful'").set_index("variant")
    rows = {row[1]: row for row in cells(html, "variants") if row[0] == "cheerful"}
    assert [rows[name][2] for name in ("plain", KEPT, LOST, REVERSED)] == ["–", "kept", "lost", "reversed"]
    kept = survived.loc[KEPT]
    assert rows[KEPT][3] == f"{kept['share']:.0%} [{kept['share_low']:.0%}, {kept['share_high']:.0%}]"
    assert rows[KEPT][6] == f"{kept['unsteered']:.2f}"


def test_a_share_beyond_the_figure_is_marked_and_told(html, written):
    chart = next(c for c in forests(html) if "for cheerful" in c["description"])
    rows = {row["variant"]: row for row in next(iter(chart["datasets"].values()))}
    beyond = rows["few-shot: for the behavior"]
    share = written[1].checked.robustness.query("behavior == 'cheerful'").set_index("variant")["share"]
    assert beyond["at"] == beyond["right"] == 2
    assert beyond["beyond"] == f"{share['few-shot: for the behavior']:.0%}, kept"
    assert "right" not in rows[KEPT]
    assert "Arrows mark" in html


def forests(html: str) -> list[dict]:
    """The specs of the forest plots."""
    found = re.findall(r'<script type="application/json">(.*?)</script>', html, flags=re.S)
    return [spec for spec in map(json.loads, found) if spec["description"].startswith("Forest plot")]


def test_nothing_is_said_of_an_edge_that_nothing_goes_beyond(written):
    results = written[1]
    table = results.checked.robustness
    inside = replace(results.checked, robustness=table[table["variant"].isin(["plain", KEPT, LOST])])
    (section,) = (s for s in filled(inside, results.best) if s.slug == "robustness")
    assert "Arrows mark" not in section.text


def test_words_of_the_checks_that_were_made_are_in_the_glossary(html, demo_page, written):
    terms = (
        "consistency",
        "signal to noise",
        "probe accuracy",
        "side effect",
        "perplexity",
        "random direction",
        "share kept",
    )
    assert all(f"<dt>{term}</dt>" in html for term in terms)
    assert not any(f"<dt>{term}</dt>" in demo_page.read_text(encoding="utf-8") for term in terms)
    only_robustness = [term for term, _ in glossary(Checked(robustness=written[1].checked.robustness))]
    assert only_robustness == ["share kept"]


@pytest.mark.parametrize(
    ("left_out", "gone"),
    [
        (("quality", "curve", "diagnoses"), {"pairs", "pair-layers", "pair-number"}),
        (("heuristics", "picks"), {"heuristics"}),
        (("flags",), {"flags"}),
        (("methods",), {"methods"}),
        (("cosines",), {"method-cosines"}),
        (("shifts", "side"), {"shifts", "side-effects", "costs"}),
        (("neutral",), {"neutral"}),
        (("nulls", "null_tests"), {"random"}),
        (("robustness",), {"robustness", "variants"}),
    ],
)
def test_what_was_not_found_leaves_no_section(written, left_out, gone):
    results = written[1]
    empty = {name: pd.DataFrame() for name in left_out}
    assert {section.slug for section in filled(replace(results.checked, **empty), results.best)} == SECTIONS - gone


def filled(checked: Checked, best: pd.DataFrame) -> list[Section]:
    """The sections that have something to show."""
    made = checked_sections(checked, best)
    return [section for section in made if section.charts or any(table.rows for table in section.tables)]


def test_a_report_without_checks_has_none_of_it(demo_page):
    assert not SECTIONS & set(places(demo_page.read_text(encoding="utf-8")))


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


def test_a_best_cell_that_was_not_measured_is_said_to_be_missing(written):
    results = written[1]
    best = results.best.assign(layers=["99", results.best["layers"].iloc[1]])
    told = {section.slug: section for section in filled(results.checked, best)}
    assert "The best cell of cheerful is not among those measured here." in told["shifts"].text
    assert {row[0] for row in told["shifts"].tables[0].rows} == {"concise"}
    assert "not among those" not in next(s for s in filled(results.checked, results.best) if s.slug == "shifts").text


def test_without_an_effect_there_is_a_table_and_no_shares(written):
    results = written[1]
    nothing = dict.fromkeys(("share", "share_low", "share_high"), float("nan"))
    lost = replace(results.checked, robustness=results.checked.robustness.assign(**nothing, verdict="no effect"))
    sections = {section.slug: section for section in filled(lost, results.best)}
    assert "robustness" not in sections
    rows = sections["variants"].tables[0].rows
    assert {row[2] for row in rows} == {"–", "no effect"}


def test_several_models_have_figures_of_their_own(written):
    results = written[1]
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


def test_several_runs_name_the_run_in_tables_figures_and_files(checked_run_of_two, demo, tmp_path):
    small = only(checked_run_of_two, "flags", "robustness")
    write_report([small, replace(small, name="second"), demo], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<figcaption>checked · cheerful" in html
    assert "<figcaption>second · concise" in html
    assert list(pd.read_csv(tmp_path / "tables" / "robustness.csv")["run"].unique()) == ["checked", "second"]
    assert {row[0] for row in cells(html, "flags")} == {"checked", "second"}


def test_hostile_names_are_escaped_everywhere(checked_run_of_two, tmp_path):
    evil = "</script><script>alert(1)</script><b>&'];\u2028"
    write_report([hostile(checked_run_of_two, evil)], tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert set(places(html)) >= SECTIONS
    assert "<script>alert" not in html
    assert "<b>" not in html
    scripts = [attrs for tag, attrs in Page(html).tags if tag == "script"]
    assert len(scripts) == len(list((tmp_path / "charts").glob("*.svg"))) + 2
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<script" not in text.replace("\\<script", "")


def test_the_markdown_has_the_same_sections(written):
    text = written[0].with_suffix(".md").read_text(encoding="utf-8")
    for heading in ("Are the pairs good?", "Other ways to make the vector", "What else moved?", "Does it survive?"):
        assert f"## {heading}" in text
    pictures = re.findall(r"\]\((charts/[a-z0-9-]+\.png)\)", text)
    assert len(pictures) == len(list((written[0].parent / "charts").glob("*.png")))
