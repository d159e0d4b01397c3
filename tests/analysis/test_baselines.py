"""Baselines over tables of known truth: who wins is said where it is shown, and that nothing is where it is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from claimed import check_all
from trimtab.analysis import Finding
from trimtab.analysis.baselines import arm_differences, arm_effects
from trimtab.analysis.baselines.arm_differences import ADDS, CONTROLS, DOSED, LEAD, METHODS, RESISTS
from trimtab.analysis.baselines.arm_names import COMBINED, CONTRARY, FEW_SHOT, FINE_TUNED, SYSTEM_PROMPT
from trimtab.analysis.baselines.choosing import choosing_effects, chosen_wording, ranked_cells

from .conftest import samples
from .scenarios import DRAWS, arms_said, compared_arms, swept

PROMPT, SHOTS, VECTOR = (SYSTEM_PROMPT, "prompt"), (FEW_SHOT, "prompt"), ("mean", "vector")
DOSED_VECTOR, PCA, RANDOM = ("mean, equal dose", "vector"), ("pca", "other vector"), ("random", "control")
BOTH, AGAINST, LORA = (COMBINED, "both"), (CONTRARY, "contrary"), (FINE_TUNED, "fine-tuning")


def lead(said: list[Finding]) -> Finding:
    return next(finding for finding in said if finding.code in ("winner", "no_winner", "none_moves", "only_one"))


def codes(said: list[Finding]) -> set[str]:
    return {finding.code for finding in said}


def costs(sizes: dict[tuple[str, str], float], dose: float = 0.5, place: str = "system message") -> pd.DataFrame:
    """Doses and costs of the arms for the behavior and against it."""
    rows = [
        {
            "model": "m", "behavior": "own", "engine": "transformers", "arm": arm.partition(", ")[0], "kind": kind,
            "side": side, "at": (arm.partition(", ")[2] or "best") if kind not in ("prompt", "fine-tuning") else "",
            "wording": f"{side} it" if arm == SYSTEM_PROMPT else "", "place": place if kind == "prompt" else "",
            "layers": "5" if kind not in ("prompt", "fine-tuning") else "", "scale": "raw",
            "strength": 0.0 if kind in ("prompt", "fine-tuning") else 1.0 if side == "for" else -1.0,
            "positions": "all", "kl": dose, "added_tokens": 20.0, "milliseconds": 30.0, "plain_milliseconds": 25.0,
        }
        for arm, kind in sizes for side in ("for", "against")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_a_prompt_that_does_more_wins():
    said = check_all(arms_said(compared_arms(np.random.default_rng(1), {PROMPT: 3.0, VECTOR: 1.0, SHOTS: 0.5})))
    first = lead(said)
    assert first.code == "winner"
    assert first.text.startswith("own: the system prompt wins (2 rivals): it moves the score by ")
    assert "more than the vector (mean)" in first.text
    assert {claim.of for claim in first.claims} == {
        SYSTEM_PROMPT, f"{SYSTEM_PROMPT} above mean", f"{SYSTEM_PROMPT} above {FEW_SHOT}"
    }  # fmt: skip


def test_a_vector_that_does_more_wins_whatever_other_methods_do():
    sizes = {PROMPT: 1.0, VECTOR: 3.0, PCA: 3.0, RANDOM: 0.0}
    said = check_all(arms_said(compared_arms(np.random.default_rng(2), sizes)))
    assert lead(said).text.startswith("own: the vector (mean) wins: it moves the score by ")
    assert "methods_alike" in codes(said)
    assert "no_better_than_random" not in codes(said)


def test_where_nothing_moves_the_score_nothing_wins():
    sizes = {PROMPT: 0.0, VECTOR: 0.0, SHOTS: 0.0, RANDOM: 0.0}
    said = check_all(arms_said(compared_arms(np.random.default_rng(3), sizes)))
    assert lead(said).code == "none_moves"
    assert "nothing that was compared is shown to move the score" in lead(said).text
    assert "no_better_than_random" in codes(said)


def test_arms_that_do_the_same_are_not_ranked():
    said = check_all(arms_said(compared_arms(np.random.default_rng(4), {PROMPT: 2.0, VECTOR: 2.0})))
    assert lead(said).code == "no_winner"
    assert not any(claim.relation == "order" for finding in said for claim in finding.claims)


def test_a_third_arm_that_does_most_does_not_hide_how_vector_and_prompt_compare():
    said = check_all(arms_said(compared_arms(np.random.default_rng(5), {PROMPT: 1.0, VECTOR: 2.0, LORA: 4.0})))
    assert lead(said).text.startswith("own: fine-tuning (LoRA) wins (2 rivals)")
    pair, other = (finding.text for finding in said if finding.code == "head_to_head")
    assert pair.startswith("own: toward the behavior the vector (mean) beats the system prompt by ")
    assert other.startswith("own: away from the behavior the vector (mean) beats the system prompt by ")


def test_equal_dose_is_compared_for_itself():
    sizes = {PROMPT: 2.0, VECTOR: 4.0, DOSED_VECTOR: 0.5}
    said = check_all(arms_said(compared_arms(np.random.default_rng(6), sizes), costs(sizes)))
    assert "the vector (mean) wins" in lead(said).text
    ways = ("toward", "away from")
    dosed = [finding for finding in said if finding.code == "at_equal_dose"]
    for finding, way in zip(dosed, ways, strict=True):
        beside = f"{way} the behavior at equal dose (0.50 nats beside 0.50) the system prompt beats the vector (mean)"
        assert beside in finding.text


@pytest.mark.parametrize(
    ("dose", "compared"), [(0.52, True), (0.48, True), (0.53, False), (3.0, False), (np.nan, False)]
)
def test_at_equal_dose_only_arms_of_equal_dose_are_compared(dose: float, compared: bool):
    sizes = {PROMPT: 2.0, DOSED_VECTOR: 1.0, LORA: 4.0, SHOTS: 0.5}
    table = costs(sizes)
    table.loc[table["arm"].isin([FINE_TUNED, FEW_SHOT]), "kl"] = dose
    gaps = arm_differences(compared_arms(np.random.default_rng(16), sizes), table, draws=DRAWS)
    others = gaps[gaps["question"] == DOSED].groupby("side")["other"].agg(list)
    expected = [SYSTEM_PROMPT, FEW_SHOT, FINE_TUNED] if compared else [SYSTEM_PROMPT]
    assert others.to_dict() == {"for": expected, "against": expected}


def test_without_doses_nothing_is_compared_at_equal_dose():
    gaps = arm_differences(compared_arms(np.random.default_rng(17), {PROMPT: 2.0, DOSED_VECTOR: 1.0}), draws=DRAWS)
    assert DOSED not in set(gaps["question"])


def test_what_wins_is_said_of_both_sides_before_anything_else():
    table = compared_arms(np.random.default_rng(18), {PROMPT: 1.0, VECTOR: 3.0})
    swap = (table["side"] == "against") & (table["split"] == "test")
    table.loc[swap, "score"] = np.where(
        table.loc[swap, "arm"] == SYSTEM_PROMPT, table.loc[swap, "score"] - 4, table.loc[swap, "score"]
    )
    first, second, *rest = check_all(arms_said(table))
    assert "the vector (mean) wins" in first.text
    assert first.text.count("toward the behavior") == 1
    assert "the system prompt wins" in second.text
    assert second.text.count("away from the behavior") == 1
    assert not {"winner", "no_winner", "none_moves"} & {finding.code for finding in rest}


def test_what_the_vector_adds_to_a_prompt_and_how_it_resists_one():
    sizes = {PROMPT: 2.0, VECTOR: 1.0, BOTH: 3.0, AGAINST: -1.0}
    said = check_all(arms_said(compared_arms(np.random.default_rng(7), sizes)))
    assert {"adds", "resists"} <= codes(said)
    (left,) = [finding for finding in said if finding.code == "resists"]
    assert left.values["net"] == "below"
    assert "does not outweigh the prompt" in left.text
    sizes |= {BOTH: 2.0, AGAINST: -2.0}
    said = check_all(arms_said(compared_arms(np.random.default_rng(8), sizes)))
    assert {"not_shown_to_add", "not_shown_to_resist"} <= codes(said)


def test_a_model_without_a_place_for_a_system_message_is_stated():
    sizes = {PROMPT: 2.0, VECTOR: 1.0}
    table = compared_arms(np.random.default_rng(9), sizes)
    assert "in_user_message" in codes(check_all(arms_said(table, costs(sizes, place="user message"))))
    assert "in_user_message" not in codes(check_all(arms_said(table, costs(sizes))))


def test_effects_are_the_mean_paired_change_toward_the_side():
    table = compared_arms(np.random.default_rng(10), {PROMPT: 2.0, VECTOR: 1.0}, n=12)
    found = arm_effects(table, draws=DRAWS).set_index(["arm", "side"])
    test = table[table["split"] == "test"]
    zero = test[test["arm"] == "plain"].set_index("prompt_id")["score"]
    for arm, side, sign in ((SYSTEM_PROMPT, "for", 1), ("mean", "against", -1)):
        mine = test[(test["arm"] == arm) & (test["side"] == side)].set_index("prompt_id")["score"]
        row = found.loc[(arm, side)]
        assert row["effect"] == pytest.approx(sign * (mine - zero).mean())
        assert row["anti"] == pytest.approx((sign * (mine - zero) < 0).mean())
        assert row["effect_low"] < row["effect"] < row["effect_high"]
    gap = arm_differences(table, draws=DRAWS).set_index("side").loc["for"]
    assert gap["question"] == LEAD
    means = found.loc[(SYSTEM_PROMPT, "for"), "effect"] - found.loc[("mean", "for"), "effect"]
    assert gap["difference"] == pytest.approx(means)


def test_each_question_is_asked_of_the_arms_that_it_is_about():
    sizes = {PROMPT: 1.0, VECTOR: 1.0, DOSED_VECTOR: 1.0, PCA: 1.0, RANDOM: 0.0, BOTH: 2.0, AGAINST: 0.0}
    gaps = arm_differences(compared_arms(np.random.default_rng(11), sizes), costs(sizes), draws=DRAWS)
    asked = {side: list(rows["question"]) for side, rows in gaps.groupby("side")}
    assert asked["for"] == [LEAD, DOSED, METHODS, CONTROLS, ADDS, ADDS, RESISTS]
    assert asked["against"] == [LEAD, DOSED, METHODS, CONTROLS, ADDS, ADDS]
    assert (gaps["tests"] == gaps["side"].map({"for": 7, "against": 6})).all()


def test_the_wording_is_chosen_on_other_prompts_than_it_is_reported_on():
    rng = np.random.default_rng(12)
    tables = []
    for split, sizes in (("select", {"a": 1.0, "b": 3.0}), ("test", {"a": 3.0, "b": 1.0})):
        zero = rng.normal(0, 1, 10)
        tables.append(
            samples({(-1, 0.0): zero}, split=split).assign(arm="plain", kind="plain", side="plain", at="", wording="")
        )
        for wording, size in sizes.items():
            rows = samples({(-1, 0.0): zero + size}, split=split)
            tables.append(rows.assign(arm=SYSTEM_PROMPT, kind="prompt", side="for", at="", wording=wording))
    table = pd.concat(tables, ignore_index=True)
    assert chosen_wording(table, "for") == "b"
    assert choosing_effects(table)["wording"].tolist() == ["b", "a"]
    found = arm_effects(table, draws=DRAWS).set_index("wording")
    assert found["chosen"].to_dict() == {"a": False, "b": True}
    assert found.loc["b", "effect"] == pytest.approx(1.0)
    assert (found.loc["b", "least"], found.loc["b", "most"]) == pytest.approx((1.0, 3.0))


def test_option_orders_count_as_one_prompt_and_half_of_a_prompt_counts_for_nothing():
    rng = np.random.default_rng(13)
    table = compared_arms(rng, {PROMPT: 2.0, VECTOR: 1.0}, n=8)
    both = pd.concat([table.assign(weight=0.5), table.assign(order=1, weight=0.5, score=table["score"] + 4)])
    one, two = (arm_effects(t, draws=DRAWS) for t in (table, both))
    np.testing.assert_allclose(one["effect"], two["effect"])
    assert (two["n"] == 8).all()
    lost = (both["split"] == "test") & (both["arm"] == "mean") & (both["prompt_id"] == both["prompt_id"].iloc[0])
    some = arm_effects(both[~(lost & (both["order"] == 1))], draws=DRAWS).set_index(["arm", "side"])
    assert some.loc[("mean", "for"), "n"] == 7
    assert some.loc[(SYSTEM_PROMPT, "for"), "n"] == 8


def test_cells_are_ranked_as_a_study_chooses_them():
    table = swept(np.random.default_rng(14), 2.0, layers=4, peak=2)
    ranked = ranked_cells(table)
    assert ranked[0]["layers"] == "2"
    assert len(ranked) == 4
    assert ranked_cells(table[table["split"] == "nowhere"]) == []


@pytest.mark.parametrize("n", [1, 2, 4])
def test_few_prompts_are_no_ground_for_a_winner(n):
    said = check_all(arms_said(compared_arms(np.random.default_rng(n), {PROMPT: 9.0, VECTOR: 0.0}, n=n, noise=0.1)))
    assert lead(said).code != "winner"


def test_a_prompt_that_takes_from_the_vector_is_reported_and_methods_are_compared_toward_one_side():
    sizes = {PROMPT: -1.0, VECTOR: 3.0, BOTH: 1.0, PCA: 3.0}
    said = check_all(arms_said(compared_arms(np.random.default_rng(15), sizes, n=24, noise=0.3)))
    texts = {finding.code: finding.text for finding in said}
    assert "the system prompt takes from the vector" in texts["beside_the_vector"]
    assert "toward the behavior no vector of another method (pca)" in texts["methods_alike"]
