"""What a report tells of replies: settings, cells, files, and what there is no room for."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from spoken import spoken, spoken_manifest
from synthetic import PEAKED, synthetic_manifest, synthetic_samples
from trimtab.report import ReportContext, RunTables, write_report
from trimtab.report.charts import reply_fronts, usable_ranges
from trimtab.report.measures.replies import REPLIES
from trimtab.report.measures.replies._reply_browser import browser, examples
from trimtab.report.measures.replies._setting_tables import settings_table

SECTIONS = ("says", "says-cells", "replies", "tradeoff", "usable")


def run_with(replies, judgements, dose=None, *, name="demo", samples=None, **changes):
    known = synthetic_samples({PEAKED: 1.0}, layers=3, prompts=8) if samples is None else samples
    manifest = synthetic_manifest(known, 3) if len(known) else {"settings": {}}
    return RunTables(name, {**manifest, **spoken_manifest(**changes)}, known, None, replies, judgements, dose)


def results_of(*runs):
    return REPLIES.results(ReportContext(runs))


def page_of(run, folder):
    write_report([run], folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


def cells_of(settings):
    headings = [column.heading for column in settings.columns]
    return [dict(zip(headings, row, strict=True)) for row in settings.rows]


def test_settings_are_told_on_the_page_in_markdown_and_as_files(tmp_path):
    html = page_of(run_with(*spoken(6)), tmp_path)
    assert html.index('id="says"') < html.index('id="scores"')
    assert "Steering works: judged replies of tiny-135M move toward “cheerful” by +" in html
    assert "Use layer 4 at +0.4." in html
    assert "layer 4 at +0.4 (relative) changes them by" in html
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "## Settings to use" in markdown
    assert "| toward | 4 | +0.4 |" in markdown
    assert "charts/says-change" in markdown
    assert "toward: layer 4 at +0.4 (change +4" in markdown or "toward: layer 4 at +0.4 (change +3" in markdown
    assert "## The replies" not in markdown
    settings = pd.read_csv(tmp_path / "recommended.csv")
    assert settings["layer"].tolist() == [4, 4]
    cells = pd.read_csv(tmp_path / "reply_cells.csv")
    assert len(cells) == 6 * 6 + 3
    assert {"kl", "relative", "alpha", "front"} <= set(cells.columns)
    for name in ("says-change", "says-coherence", "tradeoff", "usable"):
        assert len(list((tmp_path / "charts").glob(f"{name}-*.png"))) == 1


def test_without_replies_nothing_of_it_is_on_the_page(demo_page):
    html = demo_page.read_text(encoding="utf-8")
    for section in SECTIONS:
        assert f'id="{section}"' not in html
    for word in ("browser", "Strength axis", "coherence", '"speaker"'):
        assert word not in html.split("</style>")[1].split("</main>")[0]
    assert not (demo_page.parent / "recommended.csv").exists()


def test_other_judges_stand_beside_the_one_that_chose():
    replies, judgements, dose = spoken(6, judges=("classifier", "llama"))
    run = run_with(replies, judgements, dose, judges=("classifier", "llama"))
    toward, away = cells_of(settings_table(results_of(run)))
    assert (toward["direction"], away["direction"]) == ("toward", "away")
    assert toward["judge"] == "classifier"
    assert toward["accuracy of the judge"] == "94%"
    assert toward["other judges"].startswith("llama ")
    assert toward["usable strengths there"] == "−0.4 to +0.4"
    assert toward["prompts"] == "12 held out"


@pytest.mark.parametrize("with_doses", [False, True])
def test_percentiles_have_no_usable_range(with_doses):
    replies, judgements, dose = (part.assign(scale="cap_percentile") for part in spoken(6))
    results = results_of(run_with(replies, judgements, dose if with_doses else None))
    assert results.usable.empty
    toward, _ = cells_of(settings_table(results))
    assert toward["layer"] == "4"
    assert toward.get("usable strengths there", "") == ""
    assert len(reply_fronts(results.speakers)) == 1
    assert usable_ranges(results.speakers) == []


def test_a_floor_from_the_settings_is_kept(tmp_path):
    replies, judgements, _ = spoken(6)
    run = run_with(replies, judgements, settings={"replies": {"min_coherence": 9.8}})
    html = page_of(run, tmp_path)
    assert "no setting keeps a coherence of 9.8 and moves it toward the behavior" in html
    assert "no cell keeps a coherence of 9.8" in html


def no_judge(replies, judgements):
    return replies, None


def nothing_judged(replies, judgements):
    return replies, judgements.assign(change=np.nan, score=np.nan, coherence=np.nan, failure="no number")


def select_only(replies, judgements):
    return replies[replies["split"] == "select"], judgements[judgements["split"] == "select"]


def one_direction(replies, judgements):
    return replies[replies["strength"] >= 0], judgements[judgements["strength"] >= 0]


def one_cell(replies, judgements):
    def kept(table):
        return table[(table["strength"] == 0) | ((table["layers"] == "1") & (table["strength"] == 0.4))]

    return kept(replies), kept(judgements)


def unsteered_only(replies, judgements):
    return replies[replies["strength"] == 0], judgements[judgements["strength"] == 0]


def no_unsteered(replies, judgements):
    return replies[replies["strength"] != 0], judgements[judgements["strength"] != 0]


def empty_replies(replies, judgements):
    return replies.assign(reply="", words=0, nll=np.nan), judgements


def layer_sets(replies, judgements):
    return tuple(table.assign(layers=table["layers"].replace("2", "1+2")) for table in (replies, judgements))


CASES = [
    no_judge, nothing_judged, select_only, one_direction, one_cell, unsteered_only, no_unsteered, empty_replies,
    layer_sets,
]  # fmt: skip


@pytest.mark.parametrize("change", CASES)
@pytest.mark.parametrize("dosed", [True, False])
def test_awkward_replies_get_a_report(change, dosed, tmp_path):
    replies, judgements, dose = spoken(3, prompts=4)
    html = page_of(run_with(*change(replies, judgements), dose if dosed else None), tmp_path)
    assert "nan" not in re.sub(r"<script.*?</script>|<style.*?</style>|data-packed=\"[^\"]*\"", "", html, flags=re.S)


def test_a_run_of_replies_alone_gets_a_report(tmp_path):
    samples = synthetic_samples({PEAKED: 1.0}, layers=1, prompts=1).iloc[:0]
    html = page_of(run_with(*spoken(3), samples=samples), tmp_path)
    assert "Settings to use" in html
    assert "No setting was measured" not in html


def test_several_runs_keep_their_floors_and_names():
    one = run_with(*spoken(6), name="one")
    two = run_with(*spoken(6), name="two", settings={"replies": {"min_coherence": 9.8}})
    found = results_of(one, two)
    assert found.settings.groupby("run", sort=False)["floor"].first().to_dict() == {"one": 7.0, "two": 9.8}
    assert [speaker.title for speaker in found.speakers] == ["tiny-135M · cheerful · one", "tiny-135M · cheerful · two"]
    assert {subject.run for finding in found.findings for subject in finding.subjects} == {"one", "two"}
    assert any("two" in finding.text for finding in found.findings)


def test_replies_that_have_no_room_are_counted_and_settings_come_first():
    speakers = results_of(run_with(*spoken(6))).speakers
    whole, part, little = (browser(speakers, most) for most in (10**6, 38_000, 7_000))
    counts = {(layers, strength): (len(rows), of) for layers, strength, rows, of in whole.speakers[0]["cells"]}
    assert whole.left_out == 0
    assert sum(carried for carried, _ in counts.values()) == 6 * 6 * 12 + 3 * 12
    assert counts["4", 0.4] == (24, 24)
    for some in (part, little):
        carried = sum(len(rows) for _, _, rows, _ in some.speakers[0]["cells"])
        assert some.left_out == 6 * 6 * 12 + 3 * 12 - carried > 0
    sizes = {(layers, strength): len(rows) for layers, strength, rows, _ in part.speakers[0]["cells"]}
    assert sizes["4", 0.4] == sizes["4", -0.4] == 24
    assert len(sizes) == 36
    assert set(sizes.values()) <= {4, 8, 24}
    assert little.speakers[0]["cells"][0][0] == "4"


def test_held_out_replies_come_first_and_are_marked():
    [speaker] = browser(results_of(run_with(*spoken(6))).speakers).speakers
    rows = next(rows for layers, strength, rows, _ in speaker["cells"] if (layers, strength) == ("4", 0.4))
    assert [speaker["prompts"][row[0]][3] for row in rows] == [True] * 12 + [False] * 12


def test_examples_are_the_prompts_nearest_to_the_mean():
    replies, judgements, _ = spoken(6)
    found = results_of(run_with(replies, judgements))
    [first, second] = examples(found.speakers)
    assert [said.heading for said in first.replies] == ["toward: layer 4 at +0.4", "unsteered", "away: layer 4 at −0.4"]
    test = judgements[(judgements["layers"] == "4") & (judgements["split"] == "test")].set_index("prompt_id")
    ways = [test.loc[test["strength"] == strength, "change"] for strength in (0.4, -0.4)]
    off = sum(((changes - changes.mean()) / changes.std()) ** 2 for changes in ways).sort_values()
    wanted = replies.drop_duplicates("prompt_id").set_index("prompt_id")["prompt"]
    assert [first.prompt, second.prompt] == wanted[off.index[:2]].tolist()


def test_many_figures_of_one_kind_are_folded(tmp_path):
    parts = [spoken(2, strengths=(-0.4, 0.4), prompts=3, behavior=f"tone {number}") for number in range(7)]
    html = page_of(run_with(*(pd.concat(tables) for tables in zip(*parts, strict=True))), tmp_path)
    assert "<summary>14 figures</summary>" in html
    assert "<summary>7 figures</summary>" not in html


def test_fluency_and_on_topic_are_named_in_table_charts_and_glossary(tmp_path):
    replies, judgements, _ = spoken(6)
    run = run_with(replies, judgements.assign(coherence=np.nan))
    (toward, _) = cells_of(settings_table(results_of(run)))
    for name in ("fluency (unsteered)", "on-topic (unsteered)"):
        value, unsteered = toward[name].rstrip(")").split(" (")
        assert 0 < float(value) <= float(unsteered) <= 10
    (speaker,) = results_of(run).speakers
    assert speaker.coherence == "coherence (the worse of fluency and on-topic)"
    html = page_of(run, tmp_path)
    assert "Coherence (the worse of fluency and on-topic)" in html
    settings = pd.read_csv(tmp_path / "recommended.csv")
    names = [f"{name}{of}" for name in ("fluency", "on_topic", "coherence") for of in ("", "_unsteered")]
    assert settings[names].notna().all(axis=None)
    (rated,) = results_of(run_with(replies, judgements)).speakers
    assert rated.coherence == "coherence, by the judge"
