"""How much of an effect is left when the same is asked otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import PLAIN_VARIANT, ROBUSTNESS, robustness, robustness_findings

from .conftest import samples

RNG = np.random.default_rng(0)
ZERO = RNG.normal(0, 1, 40)
PUSH = 1 + 0.3 * RNG.normal(0, 1, 40)


def variant(name: str, push: Sequence[float] | np.ndarray, *, base: float = 0.0, **columns: object) -> pd.DataFrame:
    """A variant in which ±α moves each prompt's score by ±push/2 around its unsteered score."""
    zero, half = ZERO[: len(push)] + base, np.asarray(push) / 2
    table = samples({(-1, 0.0): zero, (5, 0.1): zero + half, (5, -0.1): zero - half}, **columns)
    kind = PLAIN_VARIANT if name == PLAIN_VARIANT else name.partition(":")[0]
    return table.assign(kind=kind, variant=name, chosen_by="scores")


def table(*variants: pd.DataFrame) -> Mapping[str, pd.Series]:
    found = robustness(pd.concat(variants, ignore_index=True))
    assert tuple(found.columns) == ROBUSTNESS
    return {row["variant"]: row for _, row in found.iterrows()}


def test_a_share_is_the_deltas_ratio_and_its_interval_knows_that_prompts_go_together() -> None:
    found = table(variant(PLAIN_VARIANT, PUSH), variant("system: x", 0.8 * PUSH))
    row = found["system: x"]
    assert row["share"] == pytest.approx(0.8)
    # Every prompt keeps exactly 80%, so drawing prompts cannot move the share; drawn apart it would spread.
    assert row["share_low"] == pytest.approx(0.8)
    assert row["share_high"] == pytest.approx(0.8)
    assert row["verdict"] == "kept"
    assert found[PLAIN_VARIANT]["share"] == 1
    assert found[PLAIN_VARIANT]["delta"] == pytest.approx(PUSH.mean())


@pytest.mark.parametrize(("factor", "verdict"), [(0.1, "lost"), (0.95, "kept"), (-1.0, "reversed")])
def test_verdicts_follow_the_interval(factor: float, verdict: str) -> None:
    noise = 0.1 * RNG.normal(0, 1, 40)
    found = table(variant(PLAIN_VARIANT, PUSH), variant("resist: x", factor * PUSH + noise))
    assert found["resist: x"]["verdict"] == verdict


def test_a_share_that_may_be_on_either_side_of_a_half_is_unclear() -> None:
    noise = 3 * RNG.normal(0, 1, 40)
    found = table(variant(PLAIN_VARIANT, PUSH), variant("resist: x", 0.5 * PUSH + noise))
    assert found["resist: x"]["verdict"] == "unclear"


def test_without_an_effect_on_the_plain_prompts_there_is_no_share() -> None:
    nothing = RNG.normal(0, 1, 40)
    nothing -= nothing.mean()
    found = table(variant(PLAIN_VARIANT, nothing), variant("system: x", PUSH))
    assert np.isnan(found["system: x"]["share"])
    assert found["system: x"]["verdict"] == "no effect"


def test_an_effect_below_zero_keeps_its_sign_in_shares() -> None:
    found = table(variant(PLAIN_VARIANT, -PUSH), variant("system: x", -0.7 * PUSH), variant("system: y", 0.7 * PUSH))
    assert found["system: x"]["share"] == pytest.approx(0.7)
    assert found["system: x"]["verdict"] == "kept"
    assert found["system: y"]["share"] == pytest.approx(-0.7)
    assert found["system: y"]["verdict"] == "reversed"


def test_other_items_are_compared_in_units_of_their_own_spread() -> None:
    other = variant("transfer: x", 2 * PUSH[:30])
    wide = other.assign(score=10 * other["score"], prompt_id="t" + other["prompt_id"])
    found = table(variant(PLAIN_VARIANT, PUSH), wide)
    spread = np.std(ZERO[:30], ddof=1) / np.std(ZERO, ddof=1)
    assert found["transfer: x"]["share"] == pytest.approx(2 * PUSH[:30].mean() / PUSH.mean() / spread)
    assert found["transfer: x"]["n"] == 30


def test_another_scoring_is_compared_in_units_of_its_own_spread() -> None:
    text = variant("form: answered by text", PUSH, scoring="text")
    found = table(variant(PLAIN_VARIANT, PUSH), text.assign(score=0.01 * text["score"]))
    assert found["form: answered by text"]["share"] == pytest.approx(1)


def test_the_share_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng, covered = np.random.default_rng(5), 0
    for seed in range(50):
        push = rng.normal(1, 0.8, 30)
        other = 0.6 * push + rng.normal(0, 0.5, 30)
        both = pd.concat([_drawn(PLAIN_VARIANT, push), _drawn("system: x", other)], ignore_index=True)
        row = robustness(both, draws=400, seed=seed).set_index("variant").loc["system: x"]
        covered += row["share_low"] <= 0.6 <= row["share_high"]
    assert 42 <= covered <= 50


def _drawn(name: str, push: np.ndarray) -> pd.DataFrame:
    return variant(name, push)


def test_findings_name_what_the_effect_does_not_survive() -> None:
    rows = [variant(PLAIN_VARIANT, PUSH), variant("system: kept", PUSH), variant("resist: gone", 0.05 * PUSH)]
    texts = [finding.text for finding in robustness_findings(robustness(pd.concat(rows, ignore_index=True)))]
    assert any("resist: gone" in text and "does not survive" in text for text in texts)
    assert not any("system: kept" in text and "does not survive" in text for text in texts)


def test_what_could_not_be_measured_is_not_passed_over() -> None:
    few = pd.concat([variant(PLAIN_VARIANT, PUSH[:2]), variant("system: x", PUSH[:2])], ignore_index=True)
    (only,) = robustness_findings(robustness(few))
    assert only.kind == "caution"
    assert (only.code, only.values["tried"]) == ("unmeasurable_variants", 1)
    (alone,) = robustness_findings(robustness(variant(PLAIN_VARIANT, PUSH)))
    assert alone.code == "no_variants"


def test_an_interval_in_glass_units_knows_that_the_unit_was_measured_too() -> None:
    """With the spread taken for known, it would hold the truth in a third of the cases."""
    rng, covered = np.random.default_rng(9), 0
    for seed in range(40):
        tables = []
        for name in (PLAIN_VARIANT, "transfer: x"):
            zero, half = rng.normal(0, 1, 12), rng.normal(2, 0.3, 12) / 2
            table = samples({(-1, 0.0): zero, (5, 0.1): zero + half, (5, -0.1): zero - half})
            tables.append(table.assign(kind=name.partition(":")[0], variant=name, chosen_by="scores"))
        row = robustness(pd.concat(tables, ignore_index=True), draws=300, seed=seed).set_index("variant").iloc[1]
        covered += row["share_low"] <= 1 <= row["share_high"]
    assert covered >= 32


def test_scores_that_are_not_numbers_are_not_an_effect_that_was_lost() -> None:
    broken = variant("resist: x", PUSH)
    broken.loc[broken["strength"] != 0, "score"] = np.nan
    assert table(variant(PLAIN_VARIANT, PUSH), broken)["resist: x"]["verdict"] == "not measurable"


def test_too_few_prompts_are_not_measurable() -> None:
    found = table(variant(PLAIN_VARIANT, PUSH), variant("transfer: x", PUSH[:2]))
    assert found["transfer: x"]["verdict"] == "not measurable"
