"""Several models, or several runs, in one report."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from claimed import check_all
from report.study import wide_study
from synthetic import PEAKED, synthetic_manifest, synthetic_samples
from trimtab.analysis import (
    Subject,
    caution,
    chosen_findings,
    compare_models,
    comparison_findings,
    merged,
    subject_first,
)
from trimtab.report import RunTables, write_report
from trimtab.report.measures.answers import ANSWERS
from trimtab.report.measures.scores import SCORES
from trimtab.report.results import analysed


@pytest.fixture(scope="module")
def results(wide):
    return analysed([wide])


def told(findings, kind):
    return [finding.text for finding in findings if finding.kind == kind]


def test_sentences_compare_the_models_with_the_numbers_of_the_table(results):
    table = results.of(SCORES).comparison.by_model
    first = table.iloc[0]
    sentences = told(results.findings, "comparison")
    uses = [finding.use for finding in results.findings]
    assert uses.index("works") < uses.index("models")  # what works comes first
    assert sentences[0].startswith("In score units, ")
    # The largest mean is named as moving most exactly where no other model may have its place.
    alone = first["rank_delta_high"] == 1
    assert alone == (f"{first['model']} moves most: mean delta {first['mean_delta']:.2f}" in sentences[0])
    check_all(results.findings)


def test_depth_by_group_says_where_so_few_models_cannot_show_a_difference(results):
    (sentence,) = [text for text in told(results.findings, "negative") if text.startswith("By training")]
    assert "not shown to differ" in sentence
    assert "so few models cannot show a difference" in sentence


def test_six_models_have_no_correlations(results):
    assert results.of(SCORES).comparison.correlations.empty
    assert not any("correlation" in finding.text for finding in results.findings)


def test_falling_tails_under_a_rising_mean_are_told():
    rng = np.random.default_rng(0)
    samples = synthetic_samples({PEAKED: 1.0}, layers=4, prompts=60)
    up = (samples["strength"] > 0) & (samples["layer"] == 1)
    worse = up & samples["prompt_id"].isin([f"{split}-{i}" for split in ("select", "test") for i in range(12)])
    samples.loc[up, "score"] += 3.0
    samples.loc[worse, "score"] -= 12.0 + rng.normal(size=int(worse.sum()))
    found = analysed([RunTables("tails", synthetic_manifest(samples, 4), samples)])
    (sentence,) = [text for text in told(found.findings, "caution") if "5th percentile" in text]
    zero, plus = (found.of(SCORES).tails.set_index("strength").loc[alpha] for alpha in (0.0, 1.0))
    assert plus["mean"] > zero["mean"]
    assert f"{plus['p05'] - zero['p05']:.2f}".replace("-", "−") in sentence


def test_a_layer_chosen_by_luck_is_called_unstable_and_selection_optimism_is_measured():
    samples = synthetic_samples({PEAKED: 0.1}, layers=30, prompts=30, splits=("test",))
    found = analysed([RunTables("one", synthetic_manifest(samples), samples)])
    cautions = " ".join(told(found.findings, "caution"))
    assert "choice of layer is not stable" in cautions
    assert f"(a selection optimism of {found.of(SCORES).choice['optimism'][0]:.2f}" in cautions


def test_one_model_is_not_compared(demo):
    found = analysed([demo])
    assert told(found.findings, "comparison") == []
    assert found.of(SCORES).comparison.by_model.empty


def test_a_model_in_two_runs_counts_once_so_groups_are_left_out(demo):
    found = analysed([demo, RunTables("again", demo.manifest, demo.samples)])
    assert len(found.of(SCORES).comparison.by_model) == 2
    assert found.of(SCORES).comparison.groups.empty
    assert any("would count more than once" in text for text in told(found.findings, "caution"))


def test_models_with_other_behaviors_are_not_passed_off_as_alike():
    run = wide_study(8, behaviors={"calm": 1.0, "kind": 0.6}, models=3)
    kept = run.samples[(run.samples["model"] != "Qwen3-1.7B") | (run.samples["behavior"] != "kind")]
    found = analysed([RunTables("gaps", run.manifest, kept)])
    assert any(
        text.startswith("Each over its own behaviors, in score units") for text in told(found.findings, "comparison")
    )
    assert any("Qwen3-1.7B was not measured on kind" in text for text in told(found.findings, "caution"))


@subject_first
def remark(values):
    return f"{values['words']}."


def about(name, words):
    return caution(Subject(name), remark, {"words": words})


def test_a_caution_that_many_subjects_share_is_given_once_with_all_of_them():
    same = [about(f"b{i}", "few prompts") for i in range(9)]
    one, other = merged([*same, about("b1", "other")])
    assert [subject.behavior for subject in one.subjects] == [f"b{i}" for i in range(9)]
    assert one.text == "b0, b1, b2 and 6 more: few prompts."
    assert other.text == "b1: other."
    assert merged(same[:3]) == same[:3]


def test_nothing_to_say_of_empty_tables():
    empty = pd.DataFrame()
    best = pd.DataFrame(columns=["engine", "model", "behavior", "scoring"])
    assert comparison_findings(empty, empty, empty, empty) == []
    assert chosen_findings(best, best, best) == []
    assert compare_models(best).empty


def test_a_wide_report_holds_every_section_and_stays_small(wide_page):
    html = wide_page.read_text(encoding="utf-8")
    assert wide_page.stat().st_size < 6_000_000
    wanted = (
        "scores", "layer-curve", "normalised", "best", "models", "groups", "choice", "tails",
        "answers", "answers-effect", "layer-heatmap", "cells", "norms", "background", "glossary",
    )  # fmt: skip
    assert [name for name in wanted if f' id="{name}"' not in html] == []
    assert "mean Δ by unsteered sd" in html
    assert "mean Δ by sd at −α" in html
    assert "smallest possible p" in html


def test_the_page_says_what_the_effect_is_divided_by(demo, tmp_path):
    write_report([demo], tmp_path / "report.html", denominator="negative")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Glass’s Δ by sd at −α [95% interval]" in html
    assert "Δ by unsteered sd" in html
    assert "standard deviations of the scores at −α" in html
    assert set(pd.read_csv(tmp_path / "best.csv")["denominator"]) == {"negative"}


def test_every_figure_has_a_picture_and_readable_data(wide_page):
    charts = wide_page.parent / "charts"
    names = {file.stem for file in charts.glob("*.svg")}
    assert names == {file.stem for file in charts.glob("*.png")} == {file.stem for file in charts.glob("*.csv")}
    for file in charts.glob("*.csv"):
        table = pd.read_csv(file)
        assert len(table)
        assert not {"place", "kind", "series", "size", "sign"} & set(table.columns)
    heat = pd.read_csv(charts / "heatmap.csv")
    best = pd.read_csv(wide_page.parent / "best.csv")
    np.testing.assert_allclose(heat["glass_delta_sd"], best["glass"], rtol=1e-4)


def test_engines_and_scorings_are_never_mixed():
    run = wide_study(6, behaviors={"calm": 1.0}, models=3)
    text = run.samples[run.samples["order"] == 0].assign(scoring="text", label="")
    text["score"] /= 100
    mixed = RunTables("mixed", run.manifest, pd.concat([run.samples, text]), run.rates)
    found = analysed([mixed])
    assert [len(rows) for _, rows in found.of(SCORES).comparison.by_model.groupby("scoring")] == [3, 3]
    starts = [text.split(":")[0] for text in told(found.findings, "comparison")]
    assert {"With scoring choice", "With scoring text"} == set(starts)
    assert found.of(ANSWERS).curves.empty
    assert any("do not say which they belong to" in text for text in told(found.findings, "caution"))
