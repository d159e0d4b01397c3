"""Several models, or several runs, in one report."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from report.study import wide_study
from synthetic import PEAKED, synthetic_manifest, synthetic_samples
from trimtab.analysis import Finding, compare_models
from trimtab.analysis.comparison_findings import comparison_findings
from trimtab.report import RunTables, write_report
from trimtab.report.results import analysed, condensed


@pytest.fixture(scope="module")
def results(wide):
    return analysed([wide])


def told(findings, kind):
    return [finding.text for finding in findings if finding.kind == kind]


def test_the_first_sentences_compare_the_models_with_the_numbers_of_the_table(results):
    first = results.comparison.by_model.iloc[0]
    sentences = told(results.findings, "comparison")
    assert results.findings[0].text == sentences[0]
    assert sentences[0].startswith(f"{first['model']} moves most in score units: mean delta {first['mean_delta']:.2f}")
    jumps = results.comparison.by_model.set_index("model")["rank_change"]
    assert jumps.abs().idxmax() in sentences[1]
    assert "the order changes" in sentences[1]


def test_depth_by_group_names_the_least_p_that_so_few_models_can_give(results):
    (sentence,) = [text for text in told(results.findings, "comparison") if text.startswith("By training")]
    assert "p 0.1" in sentence
    assert "least possible 0.1" in sentence


def test_a_correlation_is_told_with_n_and_interval(results):
    (sentence,) = [text for text in told(results.findings, "comparison") if "correlations" in text]
    assert re.search(r"among 6 models: .* r −?\d\.\d\d \[", sentence)


def test_falling_tails_under_a_rising_mean_are_told():
    rng = np.random.default_rng(0)
    samples = synthetic_samples({PEAKED: 1.0}, layers=4, prompts=60)
    up = (samples["strength"] > 0) & (samples["layer"] == 1)
    worse = up & samples["prompt_id"].isin([f"{split}-{i}" for split in ("select", "test") for i in range(6)])
    samples.loc[up, "score"] += 3.0
    samples.loc[worse, "score"] -= 12.0 + rng.normal(size=int(worse.sum()))
    found = analysed([RunTables("tails", synthetic_manifest(samples, 4), samples)])
    (sentence,) = [text for text in told(found.findings, "caution") if "5th percentile" in text]
    zero, plus = (found.tails.set_index("strength").loc[alpha] for alpha in (0.0, 1.0))
    assert plus["mean"] > zero["mean"]
    assert f"{zero['p05']:.2f}".replace("-", "−") in sentence
    assert f"{plus['p05']:.2f}".replace("-", "−") in sentence


def test_a_layer_chosen_by_luck_is_called_unsettled_and_flattery_is_counted():
    samples = synthetic_samples({PEAKED: 0.1}, layers=30, prompts=30, splits=("test",))
    found = analysed([RunTables("one", synthetic_manifest(samples), samples)])
    cautions = " ".join(told(found.findings, "caution"))
    assert "the best layer is not settled" in cautions
    assert f"flatters Δ by about {found.choice['optimism'][0]:.2f}" in cautions


def test_one_model_is_not_compared(demo):
    found = analysed([demo])
    assert told(found.findings, "comparison") == []
    assert found.comparison.by_model.empty


def test_a_model_in_two_runs_counts_once_so_groups_are_left_out(demo):
    found = analysed([demo, RunTables("again", demo.manifest, demo.samples)])
    assert len(found.comparison.by_model) == 2
    assert found.comparison.groups.empty
    assert any("would count more than once" in text for text in told(found.findings, "caution"))


def test_models_with_other_behaviors_are_not_passed_off_as_alike():
    run = wide_study(8, behaviors={"calm": 1.0, "kind": 0.6}, models=3)
    kept = run.samples[(run.samples["model"] != "Qwen3-1.7B") | (run.samples["behavior"] != "kind")]
    found = analysed([RunTables("gaps", run.manifest, kept)])
    assert any(text.startswith("Each over its own behaviors") for text in told(found.findings, "comparison"))
    assert any("Qwen3-1.7B was not measured on kind" in text for text in told(found.findings, "caution"))


def test_what_is_said_of_many_is_said_once():
    same = [Finding("caution", f"b{i}: few prompts.") for i in range(9)]
    assert [f.text for f in condensed([*same, Finding("caution", "b1: other.")])] == [
        "b0, b1, b2 and 6 more: few prompts.", "b1: other.",
    ]  # fmt: skip
    assert condensed(same[:3]) == same[:3]


def test_nothing_to_say_of_empty_tables():
    empty = pd.DataFrame()
    best = pd.DataFrame(columns=["engine", "model", "behavior", "scoring"])
    assert comparison_findings(best, empty, empty, empty, empty, best, best) == []
    assert compare_models(best).empty


def test_a_wide_report_holds_every_section_and_stays_small(wide_page):
    html = wide_page.read_text(encoding="utf-8")
    assert wide_page.stat().st_size < 6_000_000
    wanted = (
        "scores", "heatmap", "layer-curve", "normalised", "best", "models", "groups", "choice", "tails",
        "architecture", "answers", "answers-effect", "layer-heatmap", "cells", "norms", "background", "glossary",
    )  # fmt: skip
    assert [name for name in wanted if f'<section id="{name}"' not in html] == []
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
    np.testing.assert_allclose(heat["Glass’s Δ"], best["glass"], rtol=1e-4)


def test_engines_and_scorings_are_never_mixed():
    run = wide_study(6, behaviors={"calm": 1.0}, models=3)
    text = run.samples[run.samples["order"] == 0].assign(scoring="text", label="")
    text["score"] /= 100
    mixed = RunTables("mixed", run.manifest, pd.concat([run.samples, text]), run.rates)
    found = analysed([mixed])
    assert [len(rows) for _, rows in found.comparison.by_model.groupby("scoring")] == [3, 3]
    starts = [text.split(":")[0] for text in told(found.findings, "comparison")]
    assert {"With scoring choice", "With scoring text"} == set(starts)
    assert found.answer_curves.empty
    assert any("do not say which they belong to" in text for text in told(found.findings, "caution"))
