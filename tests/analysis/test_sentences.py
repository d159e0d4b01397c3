"""Random tables of known truth: no sentence states an order, a best, a difference or a share that nothing supports."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from claimed import check, check_all, check_text
from report.checks import pair_differences
from trimtab.analysis import (
    EASY,
    THE_VECTOR,
    Claim,
    Finding,
    best_cells,
    compare_models,
    compared,
    comparison_findings,
    effects,
    engine_agreement,
    models_frame,
    null_effects,
    null_findings,
    null_tests,
    robustness_findings,
    side_shifts,
)
from trimtab.analysis.baselines.arm_names import COMBINED, CONTRARY, FEW_SHOT, FINE_TUNED, SYSTEM_PROMPT
from trimtab.analysis.cells import FULL
from trimtab.analysis.diagnosis import diagnosis_findings, layer_heuristics, pair_curve, pair_flags, pair_quality

from .conftest import samples
from .scenarios import (
    DRAWS,
    arms_said,
    asked,
    compared_arms,
    entry,
    models_of,
    replied,
    replies_said,
    said_of,
    side_said,
    sided,
    swept,
)


def at_most(hits: int, of: int, rate: float = 0.05) -> bool:
    """Whether as many hits are within what this rate gives 999 times of 1,000."""
    below = 0.0
    for k in range(of + 1):
        below += math.comb(of, k) * rate**k * (1 - rate) ** (of - k)
        if below >= 0.999:
            return hits <= k
    return True


def claims(said: list[Finding], *relations: str) -> list[Claim]:
    return [claim for finding in said for claim in finding.claims if claim.relation in relations]


@pytest.mark.parametrize("seed", range(6))
def test_scores_of_any_kind(seed):
    """Noise and effects, ties, few prompts, equal scores, other units, one split or two, one model or several."""
    rng = np.random.default_rng(seed)
    tables = []
    for number in range((1, 2, 2, 4, 5, 1)[seed]):
        for behavior in ("calm", "kind")[: 2 - (seed > 2)]:
            scoring = str(rng.choice(["choice", "text"], p=[0.8, 0.2]))
            scale = 1.0 if scoring == "choice" else 0.01
            table = swept(
                rng, float(rng.choice([0.0, 0.0, 0.3, 2.0, -1.0])), layers=int(rng.integers(1, 4)),
                n=int(rng.integers(2, 30)), spread=float(rng.choice([0.2, 1.0, 4.0])),
                splits=("select", "test")[int(seed % 3 == 0) :], model=f"model-{number}", behavior=behavior,
                scoring=scoring,
            )  # fmt: skip
            tables.append(table.assign(score=table["score"] * scale + float(rng.choice([0.0, 3.0]))))
    table = pd.concat(tables, ignore_index=True)
    if rng.random() < 0.3:
        table.loc[rng.random(len(table)) < 0.05, "score"] = np.nan
    if rng.random() < 0.2:
        table["score"] = table["score"].round()
    check_all(said_of(table))


def behaviors(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """One study of many behaviors, which are independent of each other."""
    return pd.concat([table.assign(behavior=f"b{n}") for n, table in enumerate(tables)], ignore_index=True)


def test_noise_is_stated_as_an_effect_no_more_often_than_the_level_says():
    rng, of = np.random.default_rng(1), 24
    said = check_all(said_of(behaviors([swept(rng, 0.0, layers=3, n=20) for _ in range(of)])))
    verdicts = [finding for finding in said if finding.kind != "caution"]
    assert len(verdicts) == of
    shown = [finding for finding in verdicts if claims([finding], "effect") and "is not shown" not in finding.text]
    assert at_most(len(shown), of)
    assert at_most(sum("On the same prompts it moves" in finding.text for finding in verdicts), of)
    assert at_most(len(claims(said, "order")), of)
    assert at_most(sum("falls from" in finding.text for finding in said), of)


def test_layers_that_do_the_same_are_not_told_apart_and_a_better_one_is():
    rng, of = np.random.default_rng(2), 15
    both = behaviors([swept(rng, 0.0, layers=3, n=20) for _ in range(of)])
    up = both["layer"].isin([1, 2])
    both.loc[up, "score"] += both.loc[up, "strength"]
    assert at_most(len(claims(check_all(said_of(both)), "order")), of)
    # Chosen at layer 1, but on the other prompts layer 3 does far more.
    table = swept(rng, 1.0, peak=1)
    there = (table["split"] == "test") & (table["layer"] == 3)
    table.loc[there, "score"] += 3 * table.loc[there, "strength"]
    said = check_all(said_of(table))
    assert "On the held-out prompts layer 3 does more" in said[0].text
    assert claims(said, "order")


def test_a_cell_that_another_one_equals_on_the_reported_prompts_is_not_called_the_best():
    table = swept(np.random.default_rng(3), 1.0, peak=1, n=28)
    chosen = table["split"] == "select"
    same = table["layer"].isin([1, 3]) & (table["strength"] != 0) & ~chosen
    table.loc[same & (table["layer"] == 3), "score"] += 1.05 * table.loc[same & (table["layer"] == 3), "strength"]
    text = check_all(said_of(table))[0].text
    assert "at layer 1 of 0–3" in text
    assert "It was chosen on 28 other prompts, the best of 4 settings there." in text
    assert "On the held-out prompts layer 3 is as good" in text


def test_a_fall_beyond_what_choosing_explains_is_a_caution():
    rng = np.random.default_rng(4)
    table = swept(rng, 3.0, n=30)
    there = (table["split"] == "test") & (table["strength"] != 0) & (table["layer"] == 2)
    table.loc[there, "score"] -= 1.5 * table.loc[there, "strength"]
    assert [f for f in check_all(said_of(table)) if "delta falls from" in f.text and f.kind == "caution"]
    assert not [f for f in said_of(swept(rng, 3.0, n=30)) if "delta falls from" in f.text]


def test_models_that_move_alike_are_not_ranked():
    rng, told, of = np.random.default_rng(5), 0, 100
    for _ in range(of):
        values = rng.normal(1.0, 0.2, (4, 2))
        rows = [
            {
                "engine": "transformers", "model": f"m{m}", "behavior": f"b{b}", "scoring": "choice", "depth": 0.5,
                **dict.fromkeys(("delta", "glass", "glass_unsteered", "glass_negative"), values[m, b]),
                **dict.fromkeys(("delta_low", "glass_low"), values[m, b] - 1.96 * 0.2),
                **dict.fromkeys(("delta_high", "glass_high"), values[m, b] + 1.96 * 0.2),
            }
            for m in range(4) for b in range(2)
        ]  # fmt: skip
        nothing = pd.DataFrame()
        said = comparison_findings(compare_models(pd.DataFrame(rows)), nothing, nothing, nothing)
        told += any(finding.claims for finding in check_all(said))
    # By delta and by Δ, which are the same numbers here.
    assert at_most(told, of)


def test_models_that_differ_are_ranked_the_right_way_round():
    said = check_all(said_of(models_of(np.random.default_rng(6), {"weak": 0.2, "mid": 1.0, "strong": 3.0})))
    (first, *_) = [finding for finding in said if finding.kind == "comparison"]
    assert "strong moves most: " in first.text
    assert "weak least: " in first.text
    assert {claim.of for claim in first.claims} == {
        "strong above weak", "strong above mid", "mid above weak"
    }  # fmt: skip


def test_the_same_weights_in_two_formats_are_not_ranked_however_exact_the_numbers():
    rng = np.random.default_rng(7)
    one = models_of(rng, {"small": 1.0})
    other = one.assign(model="small-bf16", score=one["score"] + 0.05 * one["strength"])
    models = [
        {**entry(name, weights="f"), "dtype": dtype}
        for name, dtype in (("small", "float32"), ("small-bf16", "bfloat16"))
    ]
    both = pd.concat([one, other], ignore_index=True)
    said = check_all([*said_of(both, models), *engine_agreement(both, models)])
    between = [finding for finding in said if finding.measure == "models"]
    assert [finding.text for finding in between if "same weights in two number formats" in finding.text]
    assert not any(finding.claims for finding in between)
    assert not any("moves most" in finding.text or "the order" in finding.text for finding in said)
    table = compare_models(best_cells(effects(both, draws=DRAWS)), {"small": "f", "small-bf16": "f"})
    assert table[["rank_delta_low", "rank_delta_high"]].to_numpy().tolist() == [[1, 2], [1, 2]]


def test_the_order_changes_only_where_both_orders_are_shown():
    rng = np.random.default_rng(8)
    loud = swept(rng, 4.0, layers=2, peak=1, n=40, spread=8.0, model="loud")
    quiet = swept(rng, 1.0, layers=2, peak=1, n=40, spread=0.4, model="quiet")
    said = check_all(said_of(pd.concat([loud, quiet], ignore_index=True)))
    (turn,) = [finding for finding in said if "the order changes" in finding.text]
    assert {claim.of for claim in turn.claims} == {"loud above quiet", "quiet above loud"}


@pytest.mark.parametrize("column", ["scale", "positions"])
def test_models_steered_in_different_units_are_not_ranked(column):
    table = models_of(np.random.default_rng(9), {"a": 0.2, "b": 3.0})
    table.loc[table["model"] == "b", column] = {"scale": "relative", "positions": "generated"}[column]
    found = effects(table, draws=DRAWS)
    between = compared(best_cells(found), models_frame([entry("a"), entry("b", 1)]), found)
    assert between.by_model.empty
    (reason,) = between.left_out
    assert "not ranked" in reason.text
    assert {model["model"] for model in reason.values["models"]} == {"a", "b"}
    check_text(reason.text)


@pytest.mark.parametrize("kind", ["noise", "tie", "fall", "one split", "failures", "planted"])
def test_replies_of_any_kind(kind):
    rng = np.random.default_rng(10)
    for floor in (7.0, 8.95):
        check_all(replies_said(*replied(rng, kind), floor))


@pytest.mark.parametrize("splits", [("select", "test"), ("select",)])
def test_noise_in_replies_is_stated_no_more_often_than_the_level_says(splits):
    rng, told, of = np.random.default_rng(11), 0, 0
    for _ in range(15):
        replies, judgements = replied(rng, "noise")
        many = rng.normal(0, 1, len(judgements))
        judgements["change"] = np.where(judgements["strength"] != 0, many, 0.0)
        keep = [table[table["split"].isin(splits)] for table in (replies, judgements)]
        said = [finding for finding in check_all(replies_said(*keep)) if finding.kind != "caution"]
        told += sum(bool(finding.claims) for finding in said)
        of += len(said)
    assert at_most(told, of)


def test_a_fall_of_replies_is_a_caution_and_a_steady_change_is_not():
    rng = np.random.default_rng(12)
    fallen = [finding for finding in replies_said(*replied(rng, "fall")) if "falls from" in finding.text]
    assert {finding.kind for finding in fallen} == {"caution"}
    assert not [finding for finding in replies_said(*replied(rng, "tie")) if "falls from" in finding.text]


def test_side_effects_of_any_kind():
    rng = np.random.default_rng(13)
    for shifts in (
        {"own": 1.0, "x": 0.0}, {"own": 0.0, "x": 0.0, "y": 0.0}, {"own": -1.0, "x": 0.3}, {"own": 2.0, "x": 3.0},
        {"own": 1.0, "x": 0.2, "y": 0.0, EASY: -2.0}, {"own": 0.0, EASY: 0.0},
    ):  # fmt: skip
        check_all(side_said(rng, shifts, float(rng.choice([1, 3])), float(rng.choice([0.0, 0.9]))))


def test_noise_in_side_effects_is_stated_no_more_often_than_the_level_says():
    rng, own, side, replies, of = np.random.default_rng(14), 0, 0, 0, 12
    for _ in range(of):
        said = check_all(side_said(rng, {"own": 0.0, "x": 0.0, "y": 0.0}))
        own += any(claim.of == "its own score" for claim in claims(said, "effect"))
        side += any(claim.of == "the others" for claim in claims(said, "change"))
        replies += any(claim.of in ("words", "refusals") for claim in claims(said, "change"))
    # Two ends are spoken of for each, by percentile intervals of 20 prompts.
    assert at_most(own, of, 0.15)
    assert at_most(side, of, 0.15)
    assert at_most(replies, of)
    assert side_shifts(sided(rng, {"own": 0.0}), draws=DRAWS)["shift"].notna().all()


def test_random_directions_of_any_kind():
    rng, told, of = np.random.default_rng(15), 0, 50
    for _ in range(of):
        kinds = [("isotropic", 1.0), ("shuffled pairs", 1.0)][: int(rng.integers(1, 3))]
        rows = [{"kind": THE_VECTOR, "draw": 0, "delta": rng.normal()}]
        rows += [{"kind": k, "draw": i, "delta": rng.normal(0, s)} for k, s in kinds for i in range(1, 40)]
        table = pd.DataFrame(rows).assign(
            model="m",
            behavior="b",
            scale="raw",
            layers="5",
            layer=5,
            depth=0.5,
            strength=0.1,
            compared=FULL,
            chosen_by="scores",
            n=10,
            glass=lambda t: t["delta"],
        )
        told += any(finding.claims for finding in check_all(null_findings(null_tests(table))))
    assert at_most(told, of)


def test_the_harder_of_two_kinds_is_quoted_where_p_is_the_same():
    rows = [{"kind": THE_VECTOR, "draw": 0, "delta": 5.0}]
    rows += [
        {"kind": k, "draw": i, "delta": s}
        for k, s in (("isotropic", 0.23), ("shuffled pairs", 1.34))
        for i in range(30)
    ]
    table = pd.DataFrame(rows).assign(
        model="m",
        behavior="b",
        scale="raw",
        layers="5",
        layer=5,
        depth=0.5,
        strength=0.1,
        compared=FULL,
        chosen_by="scores",
        n=10,
        glass=lambda t: t["delta"],
    )
    for order in (table, table.iloc[::-1]):
        (finding,) = check_all(null_findings(null_tests(order)))
        assert finding.values["null_median"] == pytest.approx(1.34)
        assert "shuffled pairs" in finding.text


def test_directions_without_a_spread_are_compared_by_delta():
    zero = np.full(6, 1.0)
    tables = [
        samples({(-1, 0.0): zero, (5, 0.1): zero + push, (5, -0.1): zero - push}).assign(
            kind=kind, draw=draw, chosen_by="scores"
        )
        for draw, (kind, push) in enumerate([(THE_VECTOR, 3.0), *[("isotropic", 0.1)] * 30])
    ]
    (finding,) = check_all(null_findings(null_tests(null_effects(pd.concat(tables, ignore_index=True)))))
    assert "delta 6.00 against |delta| 0.20" in finding.text


@pytest.mark.parametrize(
    "shares",
    [{}, {"a: x": 1.0}, {"a": 0.5, "b": 0.5}, {"a": 0.1}, {"a": -1.0, "b: y": 0.9}, {"a": 3.0, "b": 0.0}],
)  # fmt: skip
@pytest.mark.parametrize("effect", [0.0, -2.0])
def test_robustness_of_any_kind(shares, effect):
    rng = np.random.default_rng(16)
    for n in (2, 12):
        check_all(robustness_findings(asked(rng, shares, effect, n)))


@pytest.mark.parametrize("signal", [0.0, 1.0])
@pytest.mark.parametrize("pairs", [4, 12])
def test_diagnoses_of_any_kind(signal, pairs):
    d = pair_differences(pairs=pairs, seed=pairs)
    noise = np.random.default_rng(0).normal(size=d.difference.shape).astype(np.float32)
    d.difference[:] = signal * d.difference + (1 - signal) * noise
    quality, curve = pair_quality(d, splits=4, draws=40), pair_curve(d)
    heuristics, flags = layer_heuristics(d, permutations=9), pair_flags(d)
    for diagnosis in diagnosis_findings(quality, curve, heuristics, flags, d):
        check_text(diagnosis.text)
    for text in flags["text"]:
        check_text(text)


def test_an_effect_that_chance_explains_is_found():
    with pytest.raises(AssertionError):
        check(Finding("effect", lambda _about, _values: "b is said to move."))


def test_a_claim_without_support_is_found():
    """The check itself must fail where a sentence says too much."""
    for text, told in (
        ("a moves most: delta 2.59 [2.0, 3.1]", []),
        ("b: 3 more: 1 others", []),
        ("b: delta 0.4 [−0.000, 0.8]", []),
        ("b: delta 0.9 [0.1, 0.8]", []),
        ("b: layer 3 is best", []),
        ("b: a share of 0.0 [0.0, 0.0]", []),
        ("b: delta 0.4 (p = 0.000)", []),
        ("Steering moves b at layer 3", [Claim("effect", "b", 1.0, -0.1, 2.0)]),
        ("Steering moves b at layer 3", [Claim("effect", "b", 1.0, 0.1, 2.0, p=0.2)]),
        ("Steering moves b at layer 3", [Claim("effect", "b", 1.0)]),
    ):
        with pytest.raises(AssertionError):
            check(Finding("caution", lambda _, values: values["text"], {"text": text}, claims=told))


ARMS = (
    (SYSTEM_PROMPT, "prompt"), (FEW_SHOT, "prompt"), ("mean", "vector"), ("mean, equal dose", "vector"),
    ("pca", "other vector"), ("lda", "other vector"), ("random", "control"), (COMBINED, "both"),
    (CONTRARY, "contrary"), (FINE_TUNED, "fine-tuning"),
)  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_baselines_of_any_kind(seed):
    """Some arms or all, ties and noise, few prompts, equal scores, numbers that are none, other units."""
    rng = np.random.default_rng(100 + seed)
    chosen = [ARMS[int(place)] for place in rng.permutation(len(ARMS))[: int(rng.integers(1, len(ARMS) + 1))]]
    sizes = {arm: float(rng.choice([0.0, 0.0, 0.3, 2.0, -1.0])) for arm in chosen}
    table = compared_arms(
        rng, sizes, n=int(rng.integers(1, 24)), noise=float(rng.choice([0.0, 0.4, 2.0])),
        scoring=str(rng.choice(["choice", "text"])),
    )  # fmt: skip
    if rng.random() < 0.3:
        table.loc[rng.random(len(table)) < 0.1, "score"] = np.nan
    if rng.random() < 0.3:
        table["score"] = table["score"].round()
    check_all(arms_said(table))


def test_noise_between_arms_is_stated_no_more_often_than_the_level_says():
    rng, of, shown, ordered = np.random.default_rng(21), 30, 0, 0
    for number in range(of):
        size = 0.0 if number % 2 else 2.0
        sizes = {(SYSTEM_PROMPT, "prompt"): size, ("mean", "vector"): size, (FEW_SHOT, "prompt"): size}
        said = check_all(arms_said(compared_arms(rng, sizes, n=14)))
        ordered += bool(claims(said, "order"))
        shown += size == 0.0 and any(finding.code == "winner" for finding in said)
    assert at_most(ordered, of)
    assert at_most(shown, of // 2)
