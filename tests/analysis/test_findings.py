from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import (
    best_cells,
    chosen_checks,
    effects,
    findings,
    option_blindness,
    order_effects,
    steerability,
)  # fmt: skip
from trimtab.analysis.scores.condition_findings import condition_findings


def said(samples: pd.DataFrame) -> list[tuple[str, str]]:
    table = effects(samples, draws=500)
    best = best_cells(table)
    found = findings(
        table,
        best,
        checks=chosen_checks(samples, best, draws=200),
        blindness=option_blindness(samples),
        orders=order_effects(samples, best),
        steerability=steerability(samples, best),
    )
    return [(finding.kind, finding.text) for finding in found]


def steered(rng, size, *, n=60, layers=(1, 4, 7), peak=4):
    zero = rng.normal(0.3, 1, n)
    cells = {(-1, 0): zero}
    for layer in layers:
        for alpha in (1, -1):
            cells[layer, alpha] = zero + alpha * size * (layer == peak) + rng.normal(0, 0.3, n)
    return cells


def held_out(make, rng, size):
    return pd.concat([make(steered(rng, size), split=split) for split in ("select", "test")])


def test_an_effect_is_told_with_its_numbers(make):
    samples = held_out(make, np.random.default_rng(0), 1.0)
    (kind, text), *rest = said(samples)
    row = best_cells(effects(samples, draws=500)).iloc[0]
    assert kind == "effect"
    size = f"{row['delta']:.2f} logits [{row['delta_low']:.2f}, {row['delta_high']:.2f}] (Δ {row['glass']:.2f})"
    assert f"Steering moves b by {size} at layer 4 of 0–9, raw strength ±1, on 60 held-out prompts." in text
    assert "It was chosen on 60 other prompts, the best of 3 settings there." in text
    assert "On the held-out prompts no other layer does as much." in text
    assert not rest


def test_other_numbers_give_other_sentences(make):
    rng = np.random.default_rng(0)
    one, two = held_out(make, rng, 1.0), held_out(make, rng, 2.0)
    assert said(one)[0][1] != said(two)[0][1]


def test_noise_gives_no_finding(make):
    rng = np.random.default_rng(1)
    samples = pd.concat([held_out(make, rng, 0.0).assign(behavior=f"b{i}") for i in range(40)])
    kinds = [kind for kind, _ in said(samples)]
    # 2.5% of the 40 intervals lie above 0 by chance: one; five or more would be a defect (p < 0.01).
    assert kinds.count("effect") < 5
    assert kinds.count("negative") > 35


def test_choosing_on_the_same_prompts_does_not_turn_noise_into_a_finding(make):
    rng = np.random.default_rng(2)
    layers = tuple(range(30))
    samples = pd.concat([make(steered(rng, 0.0, layers=layers), n_layers=30, behavior=f"b{i}") for i in range(40)])
    found = said(samples)
    assert [kind for kind, _ in found].count("effect") < 5
    assert "corrected for 30 settings" in dict(found[::-1])["negative"]


def test_no_effect_is_said_plainly(make):
    kind, text = said(held_out(make, np.random.default_rng(3), 0.0))[0]
    assert kind == "negative"
    assert text.startswith("No setting is shown to move b. The chosen one, layer ")
    assert re.search(r"on 60 held-out prompts \(p = 0\.\d+\)", text)


def test_the_wrong_way_is_said(make):
    kind, text = said(held_out(make, np.random.default_rng(4), -1.0).query("layer in (-1, 4)"))[0]
    assert kind == "negative"
    assert "the wrong way" in text


def test_numbers_of_the_prompts_that_chose_are_called_optimistic(make):
    samples = make(steered(np.random.default_rng(5), 1.0))
    assert "on 60 prompts. The same prompts chose it from 3 settings, so the size is optimistic." in said(samples)[0][1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t[t["prompt_id"].isin([f"p{i}" for i in range(8)])], "only 8 prompts measured"),
        (lambda t: t.assign(score=np.where(t["strength"] == 0, 1.0, t["score"])), "do not vary"),
        (lambda t: t.assign(score=t["score"] + 100), "hardly vary"),
    ],
)
def test_cautions(make, change, words):
    texts = " ".join(text for _, text in said(change(held_out(make, np.random.default_rng(6), 1.0))))
    assert words in texts


@pytest.mark.parametrize(("n_layers", "told"), [(10, True), (8, False)])
def test_a_peak_at_the_edge_of_the_sweep_is_told_unless_the_model_ends_there(make, n_layers, told):
    rng = np.random.default_rng(7)
    parts = [make(steered(rng, 1.0, peak=7), split=split, n_layers=n_layers) for split in ("select", "test")]
    assert any("the last one swept" in text for _, text in said(pd.concat(parts))) == told


def test_one_end_that_works_against_its_sign_is_told(make):
    rng = np.random.default_rng(8)
    zero = rng.normal(size=50)
    samples = make({(-1, 0): zero, (4, 1): zero - 1, (4, -1): zero - 4 + rng.normal(0, 0.2, 50)})
    assert any("+α alone moves the mean against its direction" in text for _, text in said(samples))


def test_prompts_that_move_the_other_way_are_told(make):
    rng = np.random.default_rng(9)
    zero, gain = rng.normal(size=50), np.where(np.arange(50) < 35, 2.0, -0.5)
    samples = make({(-1, 0): zero, (4, 1): zero + gain, (4, -1): zero - gain})
    assert any("30% [19%, 44%] of the prompts are anti-steerable" in text for _, text in said(samples))


def test_a_blind_model_and_a_steered_letter_are_told(make):
    rng = np.random.default_rng(10)
    letter = rng.normal(2, 0.2, 50)
    given = make({(-1, 0): letter, (4, 1): letter + 3, (4, -1): letter - 3}, label="A")
    swapped = make({(-1, 0): -letter, (4, 1): -letter - 2.5, (4, -1): -letter + 2.5}, label="B", order=1)
    texts = [text for _, text in said(pd.concat([given, swapped]))]
    assert any("the unsteered model cannot tell the options apart" in text for text in texts)
    assert any(
        "delta depends on the order of the options: 6.00 as given, −5.00 swapped, a difference of 11.00 [" in text
        for text in texts
    )


def test_models_are_named_only_where_there_are_several(make):
    rng = np.random.default_rng(11)
    one, two = held_out(make, rng, 1.0), held_out(make, rng, 1.0).assign(model="n")
    assert "b (m)" not in said(one)[0][1]
    assert any("b (n)" in text for _, text in said(pd.concat([one, two])))


def test_nothing_measured_is_said(make):
    assert said(make({(-1, 0): [1, 2]})) == [
        ("negative", "No setting was measured: there are no steered scores to compare.")
    ]


def test_a_condition_that_no_held_out_prompt_was_asked_under_has_no_finding():
    asked = {"run": "r", "model": "m", "behavior": "kind", "words": "only where it is asked", "prompts": 8, "opened": 3}
    unasked = {**asked, "behavior": "polite", "model": "other", "prompts": 0, "opened": 0}
    assert condition_findings([unasked]) == []
    (found,) = condition_findings([asked, unasked])
    assert "3 of 8 held-out prompts do" in found.text
