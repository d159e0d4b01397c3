"""The verdict at the top of the page: what it claims follows from intervals, and it says what was not measured."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spoken import spoken, spoken_manifest
from synthetic import NOISE, PEAKED, synthetic_manifest, synthetic_samples
from trimtab.analysis.projections import OWNER, PROJECTION_COLUMNS
from trimtab.report import RunTables
from trimtab.report.results import analysed
from trimtab.report.verdict import MAX_WHOLE, verdict_sentences, verdict_table, verdicts

SAID = "cheerful"
"""What the synthetic replies are about."""


def run_of(samples, replies=(None, None, None), **entries):
    manifest = {**synthetic_manifest(samples, 9), **spoken_manifest(), **entries}
    said, judgements, dose = replies
    return RunTables("demo", manifest, samples, None, said, judgements, dose, path="runs/demo")


def scored(size, *, behavior=SAID, prompts=24, seed=0, **options):
    options.setdefault("layers", 9)
    samples = synthetic_samples({behavior: 1.0}, prompts=prompts, seed=seed, **options)
    steered = samples["strength"] != 0
    # A push that works against the behavior does so at every layer: the best of them is chosen all the same.
    nearness = np.exp(-((samples["layer"] - 4) ** 2) / 4) if size > 0 else 1.0
    push = size * samples["strength"] * nearness
    noise = np.random.default_rng(seed).normal(0, 0.5, len(samples))
    return samples.assign(score=np.where(steered, push, 0.0) + noise)


def judged(change, *, seed=0, prompts=12):
    """Replies whose judged change is this at strength +0.4 and minus this at −0.4, and noise."""
    replies, judgements, dose = spoken(9, seed=seed, prompts=prompts, strengths=(-0.4, 0.4))
    steered = judgements["strength"] != 0
    noise = np.random.default_rng(seed).normal(0, 1.0, len(judgements))
    there = np.where(judgements["layers"] == "4", change, 0.0)
    moved = np.where(steered, there * np.sign(judgements["strength"]) + noise, 0.0)
    return replies, judgements.assign(change=np.clip(moved, -10, 10)), dose


def only(run):
    results = analysed([run])
    (found,) = verdicts([run], results)
    assert verdict_sentences(results, MAX_WHOLE) == [found.sentence]
    return found


def test_replies_that_move_are_a_yes_with_the_setting_and_the_command():
    found = only(run_of(scored(1.0), judged(4.0)))
    assert (found.word, found.tone, found.judged) == ("yes", "good", True)
    works, setting, cost = found.tiles
    assert re.fullmatch(r"layers? \d at \+0\.4", setting.value)
    assert f"Use {setting.value}." in found.sentence
    assert re.search(r"\+[34]\.\d \[[34]\.\d, [45]\.\d\]", found.sentence)
    assert re.fullmatch(r"coherence \d\.\d", cost.value)
    assert any(note.startswith("fluency ") for note in cost.notes)
    assert "side effects: not measured" in cost.notes
    assert any(note.startswith("scores: ") for note in works.notes)
    assert found.command == "trimtab chat --run runs/demo --model tiny-135M --behavior cheerful"
    assert [reply.heading for reply in found.example.replies] == ["unsteered", f"toward: {setting.value}"]
    assert found.chart is not None


def test_replies_that_do_not_move_are_no_yes_even_where_scores_do():
    found = only(run_of(scored(1.0), judged(0.0)))
    assert found.word == "only in scores"
    assert found.tone == "care"
    assert "not shown to work" in found.sentence
    assert "Scores do move" in found.sentence
    assert (found.tiles[1].value, found.command, found.example) == ("none", "", None)


def test_replies_that_move_the_other_way_are_told_so():
    replies, judgements, dose = judged(4.0)
    test = judgements["split"] == "test"
    judgements.loc[test, "change"] = -judgements.loc[test, "change"]
    found = only(run_of(scored(0.0), (replies, judgements, dose)))
    assert found.word == "the other way"
    assert "does the opposite" in found.sentence
    assert found.command == ""


def test_scores_alone_say_that_nothing_was_judged():
    found = only(run_of(scored(1.0)))
    assert (found.word, found.judged) == ("yes, in scores", False)
    assert "was not judged" in found.sentence
    assert found.tiles[2].value == "not measured"
    assert found.example is None


@pytest.mark.parametrize("size", [0.0, -1.0])
def test_scores_that_do_not_rise_are_no_yes(size):
    found = only(run_of(scored(size)))
    assert found.word == ("not shown" if size == 0 else "the other way")
    assert "Use " not in found.sentence
    assert found.command == ""


def test_the_layers_of_scores_and_replies_stand_together_with_the_reason():
    replies, judgements, dose = judged(4.0)
    steered = judgements["strength"] != 0
    judgements.loc[steered & (judgements["layers"] == "4"), "coherence"] = 2.0
    other = steered & (judgements["layers"] == "6")
    judgements.loc[other, "change"] = 4 * np.sign(judgements.loc[other, "strength"])
    found = only(run_of(scored(1.0), (replies, judgements, dose)))
    assert "layer 4 at ±1" in found.reason
    assert found.tiles[1].value in found.reason
    assert "by scores: layer 4 at ±1" in found.tiles[1].notes


def test_many_verdicts_are_summed_up_and_counted():
    parts = [scored(size, behavior=f"b{place}", seed=place) for place, size in enumerate((1.5, 1.5, 0.0, -1.5))]
    samples = pd.concat(parts, ignore_index=True)
    run = run_of(samples)
    results = analysed([run])
    found = verdicts([run], results)
    assert [verdict.word for verdict in found] == ["yes, in scores", "yes, in scores", "not shown", "the other way"]
    (text,) = verdict_sentences(results, MAX_WHOLE)
    assert text.startswith("Steering works in 2 of 4 cases (4 behaviors in 1 model). Measured by scores")
    assert "1 not shown" in text
    assert "1 the other way" in text


def test_a_summary_of_what_does_not_work_does_not_say_works():
    parts = [scored(0.0, behavior=f"b{place}", seed=place) for place in range(4)]
    (text,) = verdict_sentences(analysed([run_of(pd.concat(parts, ignore_index=True))]), MAX_WHOLE)
    assert text.startswith("Steering is shown to work in none of 4 cases (4 behaviors in 1 model). ")
    assert text.endswith("Of these: 4 not shown.")


def test_the_table_of_one_models_verdicts_leaves_out_the_model():
    parts = [scored(1.5, behavior=f"b{place}", seed=place) for place in range(4)]
    run = run_of(pd.concat(parts, ignore_index=True))
    assert "model" not in [column.heading for column in verdict_table(verdicts([run], analysed([run]))).columns]


def unscored(*behaviors):
    """Manifest entries of behaviors without completions to score."""
    return {"behaviors": [{"name": name, "shape": "sets", "n_train": 8} for name in behaviors]}


def without_scores(run):
    return replace(run, samples=run.samples.iloc[:0])


def projected(behavior, apart):
    """Held-out examples that lie this far apart along the vector, in standard deviations."""
    rng = np.random.default_rng(0)
    rows = [
        ("tiny-135M", behavior, "transformers", split, f"e{n}", n, side, 0, 0.5, side * apart / 2 + rng.normal())
        for split in ("select", "test")
        for n in range(20)
        for side in (1, -1)
    ]
    return pd.DataFrame(rows, columns=[*OWNER, *PROJECTION_COLUMNS])


def test_what_only_projections_are_known_of_is_not_measured_and_has_no_setting():
    run = without_scores(run_of(scored(1.0), **unscored(SAID)))
    run = replace(run, tables={"projection/examples": projected(SAID, 9.0)})
    found = only(run)
    assert (found.word, found.tone, found.judged, found.command) == ("not measured", "none", False, "")
    assert "has no completions to score" in found.sentence
    assert "no setting is recommended" in found.sentence
    assert found.tiles[1].value == "none"
    (finding,) = analysed([run]).findings
    assert "AUROC 1.00" in finding.text
    assert finding.use == "certainty"


def test_judged_replies_decide_for_behaviors_without_completions():
    found = only(without_scores(run_of(scored(1.0), judged(4.0), **unscored(SAID))))
    assert (found.word, found.judged) == ("yes", True)
    assert re.fullmatch(r"layers? \d at \+0\.4", found.tiles[1].value)


def test_many_that_were_not_measured_are_no_failures_of_steering():
    run = without_scores(run_of(scored(1.0), **unscored("a", "b", "c", "d")))
    (text,) = verdict_sentences(analysed([run]), MAX_WHOLE)
    assert text == (
        "Whether steering works was not measured (4 behaviors in 1 model): nothing was scored, and no reply was judged."
    )
    mixed = analysed([run_of(scored(1.5), **unscored("a", "b", "c"))])
    (text,) = verdict_sentences(mixed, MAX_WHOLE)
    assert text.startswith("Steering works in 1 of 4 cases")
    assert "3 not measured" in text


@pytest.mark.parametrize("seed", range(12))
def test_no_verdict_claims_what_its_interval_does_not_show(seed):
    """Over random tables: sizes, few prompts, missing judgements, constant scores, no held-out part."""
    rng = np.random.default_rng(seed)
    prompts = int(rng.choice([1, 2, 5, 12]))
    samples = scored(float(rng.choice([0.0, 0.3, 1.0, -1.0])), prompts=max(2, prompts), seed=seed)
    if rng.random() < 0.2:
        samples["score"] = 1.0
    found_replies: tuple[Any, Any, Any] = (None, None, None)
    if rng.random() < 0.7:
        replies, judgements, dose = judged(float(rng.choice([0.0, 0.5, 3.0, -3.0])), prompts=prompts, seed=seed)
        if rng.random() < 0.3:
            judgements.loc[rng.random(len(judgements)) < 0.6, ["score", "change", "coherence"]] = np.nan
            judgements["failure"] = np.where(judgements["change"].isna(), "no answer", "")
        if rng.random() < 0.3:
            replies, judgements = (t[t["split"] == "select"] for t in (replies, judgements))
        found_replies = (replies, judgements, dose)
    run = run_of(samples, found_replies)
    for found in verdicts([run], analysed([run])):
        assert not re.search(r"\bnan\b|\binf\b|−0\.0\b", f"{found.sentence} {found.size}")
        lows = [float(text.replace("−", "-")) for text in re.findall(r"\[([−\d.]+),", found.size)]
        highs = [float(text.replace("−", "-")) for text in re.findall(r", ([−\d.]+)\]", found.size)]
        if found.word.startswith("yes"):
            assert lows[0] > 0
        if found.word == "only away from it":
            assert highs[0] < 0
        assert bool(found.command) == (found.tiles[1].value != "none")


def test_a_run_without_vectors_offers_no_chat():
    found = only(run_of(scored(1.0), judged(4.0), vectors=[]))
    assert found.word == "yes"
    assert found.command == ""


def test_noise_is_not_shown():
    words = []
    for seed in range(8):
        samples = synthetic_samples({NOISE: 0.0}, layers=4, prompts=20, seed=seed)
        words.append(only(run_of(samples)).word)
    assert words.count("not shown") >= 7


def test_the_behaviour_of_one_run_is_not_that_of_another():
    first, second = scored(1.0, seed=1), scored(0.0, seed=2)
    runs = [
        RunTables(name, synthetic_manifest(samples, 9), samples, path=name)
        for name, samples in (("one", first), ("two", second))
    ]
    found = verdicts(runs, analysed(runs))
    assert [verdict.word for verdict in found] == ["yes, in scores", "not shown"]
    assert "one" in found[0].title
    assert "--run one" in found[0].command


def test_the_peak_of_a_real_curve_is_its_chart():
    samples = synthetic_samples({PEAKED: 1.0, NOISE: 0.0}, layers=9, prompts=20)
    run = run_of(samples)
    found = verdicts([run], analysed([run]))
    assert [verdict.chart is not None for verdict in found] == [True, False], "one curve has both behaviors"
