"""Figures, tables and counts of a report that follow from the numbers, and are there once."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trimtab
from spoken import spoken, spoken_manifest
from synthetic import PEAKED, synthetic_manifest, synthetic_samples
from trimtab.analysis import Finding
from trimtab.analysis.diagnosis import heuristic_picks
from trimtab.analysis.doses import dose_findings, without_noise
from trimtab.report import ReportContext, RunTables
from trimtab.report._background import facts
from trimtab.report._page import Page
from trimtab.report.measures.replies import REPLIES
from trimtab.report.measures.replies._reply_browser import examples

SOURCE = Path(trimtab.__file__).parent


def run_of(replies: pd.DataFrame, judgements: pd.DataFrame, dose: pd.DataFrame) -> RunTables:
    samples = synthetic_samples({PEAKED: 1.0}, layers=2, prompts=4)
    manifest = {**synthetic_manifest(samples, 2), **spoken_manifest()}
    return RunTables("demo", manifest, samples, None, replies, judgements, dose)


def test_cautions_that_change_what_one_would_do_are_on_the_first_screen_and_no_finding_is_lost():
    others = [("effect", False), ("negative", False), ("caution", True), ("caution", False)]
    kinds = [("comparison", False)] * 6 + others
    findings = [
        Finding(kind, lambda _, values: f"finding {values['n']}.", {"n": n}, decisive=decisive)
        for n, (kind, decisive) in enumerate(kinds)
    ]
    page = Page("t", "", [], findings, [], [], [], [], [], [], "")
    assert [finding.values["n"] for finding in page.comparisons] == [0, 1, 2, 3]
    assert [finding.values["n"] for finding in page.decisive] == [8]
    assert [finding.values["n"] for finding in page.cautions] == [9]
    shown = [*page.comparisons, *page.rest, *page.decisive, *page.cautions]
    assert sorted(finding.values["n"] for finding in shown) == list(range(10))


def test_each_version_stands_once():
    manifest = {"trimtab_version": "0.1.0", "versions": {"trimtab": "0.1.0", "torch": "2.6.0"}}
    (run,) = facts([RunTables("demo", manifest, pd.DataFrame())])
    assert run["versions"] == [("trimtab", "0.1.0"), ("torch", "2.6.0")]


def test_a_divergence_has_no_sign_in_any_table():
    replies, judgements, dose = spoken(6)
    found = REPLIES.results(ReportContext([run_of(replies, judgements, dose)]))
    for table in (found.cells, found.settings):
        assert (table["strength"] < 0).any()
        assert (table["kl"].dropna() >= 0).all()
        assert (np.sign(table["alpha"]) == np.sign(table["strength"])).all()
    assert (found.usable["usable_kl"] >= 0).all()


def test_a_divergence_below_0_is_rounding_and_said_or_wrong_and_kept():
    _, _, dose = spoken(2)
    dose.loc[0, "kl"], dose.loc[1, "kl"] = -3e-7, -0.2
    assert without_noise(dose)["kl"].head(2).tolist() == [0.0, -0.2]
    noise, wrong = [finding.text for finding in dose_findings(dose)]
    assert noise.startswith("1 KL divergence lies below 0, by at most 3e−07 nats")
    assert "1 KL divergence lies below 0 by more than rounding, down to −0.2 nats (layer 0 at −0.4)" in wrong
    assert dose_findings(dose.assign(kl=0.1)) == []


def test_examples_are_near_the_mean_both_ways():
    replies, judgements, dose = spoken(6)
    test = judgements["split"] == "test"
    at = {sign: test & (judgements["layers"] == "4") & (judgements["strength"] == sign * 0.4) for sign in (1, -1)}
    # Prompt 0 is at the mean toward and far from it away; prompt 1 is near both.
    for sign, far in ((1, None), (-1, "test-0")):
        rows = judgements.index[at[sign]]
        spread = np.linspace(-1, 1, len(rows))
        judgements.loc[rows, "change"] = sign * 4 + np.where(np.arange(len(rows)) < 2, 0.0, spread)
        if far:
            judgements.loc[at[sign] & (judgements["prompt_id"] == far), "change"] = -9.0
    shown = examples(REPLIES.results(ReportContext([run_of(replies, judgements, dose)])).speakers)
    prompts = replies.drop_duplicates("prompt_id").set_index("prompt_id")["prompt"]
    off = sum(
        ((changes - changes.mean()) / changes.std()) ** 2
        for changes in (judgements[at[sign]].set_index("prompt_id")["change"] for sign in (1, -1))
    ).sort_values()
    assert [example.prompt for example in shown] == prompts[off.index[:2]].tolist()
    assert prompts["test-0"] not in [example.prompt for example in shown]


@pytest.mark.parametrize(("low", "shares"), [(0.1, [0.5, 1.0]), (-0.2, [np.nan, np.nan])])
def test_no_share_of_an_effect_that_may_be_none(low, shares):
    cell = {
        "model": "m", "behavior": "b", "engine": "e", "scoring": "choice", "split": "test", "scale": "raw",
        "positions": "all", "strength": 1.0, "depth": 1.0, "glass_low": low, "glass_high": 0.9,
    }  # fmt: skip
    effects = pd.DataFrame([{**cell, "layer": n, "layers": str(n), "glass": g} for n, g in ((0, 0.2), (1, 0.4))])
    layers = pd.DataFrame({"model": "m", "behavior": "b", "layer": [0, 1], "depth": [0.5, 1.0]})
    heuristics = layers.assign(relative_magnitude=[2.0, 1.0], pc1=[0.1, 0.3])
    for name in ("probe_accuracy", "adjacent_cosine", "components_80"):
        heuristics[name] = np.nan
    quality = layers.drop(columns="depth").assign(consistency=np.nan, stability=np.nan, signal_to_noise=np.nan)
    picks = heuristic_picks(heuristics, quality, effects.iloc[[1]], effects).set_index("heuristic")
    np.testing.assert_allclose(picks.loc[["relative_magnitude", "pc1"], "share"], shares)


def test_the_data_of_a_figure_are_on_the_page_once():
    template = (SOURCE / "report" / "templates" / "parts.html.j2").read_text(encoding="utf-8")
    figure = template.split("{% macro figure")[1].split("{% endmacro %}")[0]
    assert figure.count("{{ chart.csv | packed }}") == 1
    assert 'href="charts/{{ chart.slug }}.csv"' not in figure


def sources(*packages: str) -> list[Path]:
    return [file for package in packages for file in sorted((SOURCE / package).rglob("*.py"))]


@pytest.mark.parametrize("file", sources("analysis", "report"), ids=lambda file: file.name)
def test_intervals_shares_and_counts_are_written_by_the_shared_functions_only(file):
    if file.name == "formatting.py":
        return
    text = file.read_text(encoding="utf-8")
    by_hand = {
        "an interval": r"\[\{[^{}]*:[^{}]*[fg%]\}, \{",
        "a percentage": r"\{[^{}]*:\.\d%\}",
        "a plural": r"'' if [^}]*== 1 else 's'",
        "a tooltip": r'Tooltip\("(?!depth|value:Q", title="scaled)[^"]*", [^)]*format="\.\d~?f"',
    }
    for what, pattern in by_hand.items():
        found = re.findall(pattern, text)
        assert not found, f"{file.name} writes {what} by itself: {found}"
