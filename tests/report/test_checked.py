from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html import unescape

import pandas as pd
import pytest

from report.checks import KEPT, LOST, REVERSED, SIZES, hostile, only
from report.test_write import Page
from trimtab.report import write_report
from trimtab.report.measures.diagnosis import DIAGNOSIS
from trimtab.report.measures.diagnosis._diagnosis_tables import picks_table
from trimtab.report.measures.robustness import ROBUSTNESS
from trimtab.report.measures.scores import SCORES
from trimtab.report.measures.side_effects import SIDE_EFFECTS

SECTIONS = {
    "pairs", "pair-layers", "pair-number", "flags", "heuristics", "methods", "method-cosines", "shifts",
    "side-effects", "costs", "neutral", "random", "robustness", "variants",
}  # fmt: skip
FILES = {
    "diagnosis", "pair_quality", "pair_curve", "flagged_pairs", "heuristics", "heuristic_picks", "methods",
    "method_cosines", "side_shifts", "side_cells", "neutral_replies", "random_directions", "random_tests", "robustness",
}  # fmt: skip


@pytest.fixture(scope="module")
def html(checked_report) -> str:
    return checked_report[0].read_text(encoding="utf-8")


def places(html: str) -> list[str]:
    """Ids on the page, in their order."""
    return [attrs["id"] for _, attrs in Page(html).tags if "id" in attrs]


def cells(html: str, section: str) -> list[list[str]]:
    """The rows of a section's first table, whichever way it stands."""
    part = re.split(rf'<(?:section|details class="appendix") id="{section}">', html)[1]
    table = part.split("<table")[1].split("</table>")[0]
    body = table.split("<tbody>")[1].split("</tbody>")[0]
    rows = [
        [unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in body.split("</tr>")
        if "<td" in row
    ]
    return [list(row) for row in zip(*rows, strict=True)] if table.startswith(' class="upright"') else rows


def test_every_measure_has_its_sections_the_main_ones_before_the_appendices(html):
    found = places(html)
    assert set(found) >= SECTIONS
    at = [
        found.index(name)
        for name in ("shifts", "random", "robustness", "best", "pairs", "heuristics", "methods", "choice")
    ]
    assert at == sorted(at)


def test_every_table_is_written_as_csv_with_the_numbers_of_the_results(checked_report):
    page, results = checked_report
    folder = page.parent / "tables"
    assert {f"{name}.csv" for name in FILES} <= {path.name for path in folder.iterdir()}
    survived = pd.read_csv(folder / "robustness.csv", dtype={"layers": str})
    pd.testing.assert_frame_equal(survived, results.of(ROBUSTNESS).table, check_dtype=False)
    side = pd.read_csv(folder / "side_cells.csv", dtype={"layers": str})
    pd.testing.assert_frame_equal(side, results.of(SIDE_EFFECTS).side, check_dtype=False)


def test_links_lead_to_files_and_places_that_exist(html, checked_report):
    there = set(places(html))
    for target in Page(html).loads:
        if target.startswith("#"):
            assert target[1:] in there
        elif not target.startswith("data:"):
            assert (checked_report[0].parent / target).is_file()


def test_what_the_diagnosis_found_stands_worst_first_with_its_advice(html, checked_report):
    rows = cells(html, "pairs")
    levels = [row[1] for row in rows]
    assert levels == sorted(levels, key=("problem", "caution", "good").index)
    found = checked_report[1].of(DIAGNOSIS).diagnoses
    assert {row[2] for row in rows} == set(found["text"])
    assert {row[3] for row in rows} == set(found["advice"])


def test_flagged_pairs_are_named_with_the_reason(html, checked_report):
    flags = checked_report[1].of(DIAGNOSIS).flags
    assert [(row[1], row[3]) for row in cells(html, "flags")] == list(
        zip(flags["prompt_id"], flags["text"], strict=True)
    )
    assert "duplicate" in {row[2] for row in cells(html, "flags")}


def test_picks_stand_beside_the_best_layer_of_the_sweep(html, checked_report):
    results = checked_report[1]
    row = next(row for row in cells(html, "heuristics") if row[0] == "cheerful")
    best = results.of(SCORES).best.set_index("behavior").loc["cheerful"]
    assert row[1:3] == [str(best["layer"]), f"{best['glass']:.2f}"]
    pick = results.of(DIAGNOSIS).picks.query("behavior == 'cheerful' and heuristic == 'probe_accuracy'").iloc[0]
    assert f"{pick['layer']} ({pick['share']:.0%})" in row


def test_a_pick_that_was_not_swept_has_the_pick_among_the_swept_layers_beside_it(checked_report):
    pick = checked_report[1].of(DIAGNOSIS).picks.query("behavior == 'cheerful' and heuristic == 'pc1'").iloc[[0]]
    elsewhere = pick.assign(layer=1, share=math.nan, swept_layer=4.0, swept_share=0.8)
    row = picks_table(pd.concat([elsewhere, pick.assign(heuristic="stability", layer=4, share=0.9, swept_layer=4.0)]))
    assert {"1; swept: 4 (80%)", "4 (90%)"} <= set(row.rows[0])


def test_methods_are_compared_with_the_mean(html, checked_report):
    methods = checked_report[1].of(DIAGNOSIS).methods.query("behavior == 'concise'").set_index("method")
    rows = {row[1]: row for row in cells(html, "methods") if row[0] == "concise"}
    assert list(rows) == ["mean", "pca", "probe", "single (2 draws)", "random (2 draws)"]
    pca = methods.loc["pca"]
    interval = f"{pca['difference']:.2f} [{pca['difference_low']:.2f}, {pca['difference_high']:.2f}]".replace("-", "−")
    assert interval in rows["pca"]
    assert (
        f"{methods.loc['single', 'glass_least']:.2f} to {methods.loc['single', 'glass_most']:.2f}"
        in rows["single (2 draws)"]
    )


def test_the_matrix_shows_the_shifts_at_the_best_cells(checked_report):
    page, results = checked_report
    best = results.of(SCORES).best.set_index("behavior")
    shifts = results.of(SIDE_EFFECTS).shifts
    for sign, name in ((1, "plus"), (-1, "minus")):
        matrix = pd.read_csv(page.parent / "charts" / f"shifts-{name}.csv", dtype={"layer": str})
        for behavior in SIZES:
            mine = matrix[matrix["steered"] == behavior].set_index("measured")
            at = shifts["layers"].eq(best.loc[behavior, "layers"]) & shifts["strength"].eq(
                sign * best.loc[behavior, "strength"]
            )
            expected = shifts[at & shifts["behavior"].eq(behavior)].set_index("measured")
            assert set(mine.index) == set(expected.index)
            assert mine["shift_sd"].to_dict() == pytest.approx(expected["shift"].to_dict(), rel=1e-4)


def test_the_best_cells_side_effects_stand_in_the_table(html, checked_report):
    side = checked_report[1].of(SIDE_EFFECTS).side
    row = next(row for row in cells(html, "side-cells") if row[0] == "cheerful" and row[2].startswith("+"))
    mine = side.query("behavior == 'cheerful' and strength == 1").set_index("layers").loc[row[1]]
    assert row[3] == f"{mine['intended']:.2f} [{mine['intended_low']:.2f}, {mine['intended_high']:.2f}]"
    assert row[4] == f"{mine['side']:.2f} [{mine['side_low']:.2f}, {mine['side_high']:.2f}]"


def test_the_p_against_random_directions_is_in_the_title_of_the_figure(html, checked_report):
    tests = checked_report[1].of(SIDE_EFFECTS).null_tests.query("behavior == 'cheerful'").set_index("kind")
    title = f"cheerful · isotropic, p = {tests.loc['isotropic', 'p']:.3f}; shuffled pairs, p = "
    assert f"<figcaption>{title}" in html


def test_neutral_replies_stand_beside_the_unsteered_ones(html, checked_report):
    neutral = checked_report[1].of(SIDE_EFFECTS).neutral.iloc[0]
    assert f"{neutral['words']:.0f}" in cells(html, "neutral")[0]
    assert neutral["words"] == 2 * neutral["words_before"]


def test_verdicts_on_survival_are_those_of_the_analysis(html, checked_report):
    survived = checked_report[1].of(ROBUSTNESS).table.query("behavior == 'cheerful'").set_index("variant")
    rows = {row[1]: row for row in cells(html, "variants") if row[0] == "cheerful"}
    assert [rows[name][2] for name in ("plain", KEPT, LOST, REVERSED)] == ["–", "kept", "lost", "reversed"]
    kept = survived.loc[KEPT]
    assert rows[KEPT][3] == f"{kept['share']:.0%} [{kept['share_low']:.0%}, {kept['share_high']:.0%}]"
    assert rows[KEPT][6] == f"{kept['unsteered']:.2f}"


def test_a_share_beyond_the_figure_is_marked_and_told(html, checked_report):
    chart = next(c for c in forests(html) if "for cheerful" in c["description"])
    rows = {row["variant"]: row for row in next(iter(chart["datasets"].values()))}
    beyond = rows["few-shot: for the behavior"]
    share = checked_report[1].of(ROBUSTNESS).table.query("behavior == 'cheerful'").set_index("variant")["share"]
    assert beyond["at"] == beyond["right"] == 2
    assert beyond["beyond"] == f"{share['few-shot: for the behavior']:.0%}, kept"
    assert "right" not in rows[KEPT]
    assert "Arrows mark" in html


def forests(html: str) -> list[dict]:
    """The specs of the forest plots."""
    found = re.findall(r'<script type="application/json">(.*?)</script>', html, flags=re.S)
    return [spec for spec in map(json.loads, found) if spec["description"].startswith("Forest plot")]


def test_a_report_without_checks_has_none_of_it(demo_page):
    assert not SECTIONS & set(places(demo_page.read_text(encoding="utf-8")))


def test_several_runs_name_the_run_in_tables_figures_and_files(checked_run_of_two, tmp_path):
    small = only(checked_run_of_two, "diagnosis/flags", "robustness/samples")
    unchecked = replace(small, name="third", tables={})
    write_report([small, replace(small, name="second"), unchecked], tmp_path / "report.html")
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


def test_the_glossary_of_the_page_explains_the_checks_where_there_are_any(html, demo_page):
    assert "<dt>signal to noise</dt>" in html
    assert "<dt>signal to noise</dt>" not in demo_page.read_text(encoding="utf-8")


def test_the_markdown_has_the_same_sections(checked_report):
    text = checked_report[0].with_suffix(".md").read_text(encoding="utf-8")
    for heading in (
        "Are the pairs good?",
        "Other methods of extraction",
        "What else moves?",
        "Does the effect survive?",
    ):
        assert f"## {heading}" in text
    pictures = re.findall(r"\]\((charts/[a-z0-9-]+\.png)\)", text)
    assert len(pictures) == len(list((checked_report[0].parent / "charts").glob("*.png")))
