"""Replies to settings: cells, the front, the recommended setting and how far one can push."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoken import BEST_LAYER, spoken
from trimtab.analysis import (
    first_judged,
    judged_replies,
    pareto,
    recommended,
    reply_cells,
    reply_findings,
    usable_strengths,
)
from trimtab.stats.bootstrap import intervals
from trimtab.steering.scales.percentiles import PERCENTILE_OF

OWNER = {"engine": "e", "model": "m", "behavior": "b", "judge": "j", "scale": "raw", "positions": "all"}


def cell(layer, strength, change, coherence, *, split="select", n=10, prompts=10, **other):
    return {
        **OWNER, "split": split, "layers": str(layer), "layer": layer, "depth": (layer + 1) / 10,
        "strength": float(strength), "n": n, "prompts": prompts, "failed": prompts - n, "change": change,
        "change_low": change - 1, "change_high": change + 1, "change_p": np.nan, "change_p_adjusted": np.nan,
        "coherence": coherence, "coherence_low": coherence - 1,
        "coherence_high": coherence + 1, "fluency": coherence, "on_topic": coherence + 0.5, "rated": 0.0, "score": 5.0,
        "refusals": 0.0, "words": 9.0, "coherence_unsteered": 9.0, "fluency_unsteered": 9.0, "on_topic_unsteered": 9.5,
        "incoherent": 0.0, "incoherent_unsteered": 0.0,
        **other,
    }  # fmt: skip


def table(*cells):
    return pd.DataFrame(cells)


def planted(**options):
    replies, judgements, _ = spoken(**options)
    return replies, judgements


def only(found, direction=1):
    return found[found["direction"] == direction].iloc[0]


def test_one_row_for_each_reply_and_judge_in_the_order_of_the_judges():
    replies, judgements = planted(judges=("z", "a"))
    judged = judged_replies(replies, judgements)
    assert len(judged) == 2 * len(replies)
    assert judged["judge"].unique().tolist() == ["z", "a"]
    assert first_judged(judged)["judge"].unique().tolist() == ["z"]
    assert (judged.loc[judged["strength"] == 0, "change"] == 0).all()


def test_without_judgements_there_is_coherence_and_no_change():
    replies, _ = planted()
    judged = judged_replies(replies, None)
    assert set(judged["judge"]) == {""}
    cells = reply_cells(judged)
    assert cells["change"].isna().all()
    assert cells["coherence"].between(0, 10).all()
    assert (cells["n"] == 0).all()
    assert (cells["prompts"] == 12).all()
    assert only(recommended(cells, 7))["reason"] == "not judged"


def test_coherence_is_the_judges_own_where_it_gave_one():
    replies, judgements = planted()
    judgements.loc[judgements["layers"] == "2", "coherence"] = np.nan
    judged = judged_replies(replies, judgements).set_index(["layers", "strength", "prompt_id"]).sort_index()
    alone = judged_replies(replies, None).set_index(["layers", "strength", "prompt_id"]).sort_index()
    told = judgements.set_index(["layers", "strength", "prompt_id"]).sort_index()
    assert judged.loc["2", "coherence"].tolist() == alone.loc["2", "coherence"].tolist()
    assert judged.loc["3", "coherence"].tolist() == told.loc["3", "coherence"].tolist()


def test_judges_that_only_compare_have_no_rows_for_unsteered_replies():
    replies, judgements = planted()
    cells = reply_cells(judged_replies(replies, judgements[judgements["strength"] != 0]), intervals=False)
    assert cells["coherence_unsteered"].notna().all()
    assert cells["change"].notna().all()


def test_the_unsteered_reply_serves_every_scale_and_position():
    replies, judgements = planted()
    other = replies[replies["strength"] != 0].assign(positions="generated")
    said = judgements[judgements["strength"] != 0].assign(positions="generated")
    still = judgements["strength"] == 0
    judgements.loc[still, "positions"] = "somewhere else"
    judged = judged_replies(pd.concat([replies, other]), pd.concat([judgements, said]))
    assert judged.loc[judged["strength"] == 0, "score"].notna().all()
    cells = reply_cells(judged, intervals=False)
    assert cells.groupby("positions")["change"].sum().nunique() == 1


def test_means_of_a_cell_by_hand():
    replies, judgements = planted(layers=2, prompts=3)
    cells = reply_cells(judged_replies(replies, judgements), intervals=False)
    mine = (judgements["layers"] == "1") & (judgements["strength"] == 0.4) & (judgements["split"] == "select")
    row = cells[(cells["layers"] == "1") & (cells["strength"] == 0.4) & (cells["split"] == "select")].iloc[0]
    assert row["change"] == pytest.approx(judgements.loc[mine, "change"].mean())
    assert row["coherence"] == pytest.approx(judgements.loc[mine, "coherence"].mean())
    assert row["coherence_unsteered"] == pytest.approx(
        judgements.loc[(judgements["strength"] == 0) & (judgements["split"] == "select"), "coherence"].mean()
    )
    assert (row["n"], row["prompts"], row["failed"], row["words"], row["refusals"]) == (3, 3, 0, 9, 0)
    assert np.isnan(row["change_low"])


def test_failures_count_in_no_change_but_in_coherence():
    replies, judgements = planted(layers=1, prompts=4)
    lost = (judgements["strength"] == 0.4) & judgements["prompt_id"].isin(["select-0", "select-1"])
    judgements.loc[lost, ["score", "change", "coherence"]] = np.nan
    judgements.loc[lost, "failure"] = "no number in the answer"
    judged = judged_replies(replies, judgements)
    row = reply_cells(judged).set_index("strength").loc[0.4]
    kept = judgements[(judgements["strength"] == 0.4) & ~lost]
    assert (row["n"], row["prompts"], row["failed"]) == (2, 4, 2)
    assert row["change"] == pytest.approx(kept["change"].mean())
    assert row["coherence"] == pytest.approx(judged.loc[judged["strength"] == 0.4, "coherence"].mean())
    assert row["change_low"] <= row["change"] <= row["change_high"]


def test_a_prompt_asked_again_counts_once():
    replies, judgements = planted(layers=1, prompts=3)
    twice = pd.concat([replies, replies[replies["prompt_id"] == "select-0"]])
    once, again = (reply_cells(judged_replies(r, judgements)) for r in (replies, twice))
    pd.testing.assert_frame_equal(once, again)


def test_intervals_are_the_bootstrap_of_prompts():
    replies, judgements = planted(layers=2, prompts=8)
    cells = reply_cells(judged_replies(replies, judgements), resamples=500, seed=3)
    for row in cells.to_dict("records"):
        mine = judgements[
            (judgements["layers"] == row["layers"])
            & (judgements["strength"] == row["strength"])
            & (judgements["split"] == row["split"])
        ]
        values = mine.sort_values("prompt_id")["change"].to_numpy()[:, None]
        by_hand, _ = intervals(values, (), np.ones(len(values)), draws=500, seed=3)
        assert row["change_low"] == pytest.approx(by_hand.low[0])
        assert row["change_high"] == pytest.approx(by_hand.high[0])


def test_no_steered_replies_no_cells():
    replies, judgements = planted()
    cells = reply_cells(judged_replies(replies[replies["strength"] == 0], judgements))
    assert cells.empty
    assert pareto(cells).empty
    assert recommended(cells, 7).empty
    assert usable_strengths(cells, 7).empty


def test_runs_are_kept_apart():
    replies, judgements = planted(layers=1)
    runs = [(t.assign(run="one"), t.assign(run="two")) for t in (replies, judgements)]
    cells = reply_cells(judged_replies(*(pd.concat(pair) for pair in runs)), intervals=False)
    assert cells["run"].unique().tolist() == ["one", "two"]
    assert (cells["prompts"] == 12).all()


def test_the_front_keeps_ties_and_drops_the_dominated():
    cells = table(
        cell(1, 1, 5.0, 6.0),
        cell(2, 1, 5.0, 6.0),
        cell(3, 1, 5.0, 5.0),
        cell(4, 1, 4.0, 6.0),
        cell(5, 1, 3.0, 8.0),
        cell(6, 1, -2.0, 10.0),
        cell(7, 1, np.nan, 10.0),
        cell(8, 1, 9.0, np.nan),
        cell(1, -1, -1.0, 5.0),
        cell(2, -1, 3.0, 9.0),
    )
    assert pareto(cells).tolist() == [True, True, False, False, True, False, False, False, True, False]


numbers = st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0, float("nan")])


@given(st.lists(st.tuples(st.sampled_from([-2, -1, 1, 2]), numbers, numbers, st.sampled_from("ab")), max_size=14))
def test_the_front_agrees_with_comparing_every_pair(drawn):
    cells = table(*(cell(1, s, change, coherence, model=model) for s, change, coherence, model in drawn))
    if not drawn:
        cells = table(cell(1, 1, 1.0, 1.0)).iloc[:0]
    rows = cells.to_dict("records")
    expected = []
    for one in rows:
        sign = np.sign(one["strength"])
        able = sign * one["change"] > 0 and not np.isnan(one["coherence"])
        beaten = any(
            other["model"] == one["model"]
            and np.sign(other["strength"]) == sign
            and sign * other["change"] >= sign * one["change"]
            and other["coherence"] >= one["coherence"]
            and (sign * other["change"] > sign * one["change"] or other["coherence"] > one["coherence"])
            for other in rows
        )
        expected.append(bool(able and not beaten))
    assert pareto(cells).tolist() == expected


def test_a_planted_trade_off_is_found_and_reported_on_held_out_prompts():
    replies, judgements = planted()
    cells = reply_cells(judged_replies(replies, judgements))
    found = recommended(cells, 7)
    assert found["direction"].tolist() == [1, -1]
    for row in found.to_dict("records"):
        assert (row["layer"], abs(row["strength"])) == (BEST_LAYER, 0.4)
        assert (row["held_out"], row["edge"], row["reason"], row["n"]) == (True, False, "", 12)
        at = cells[(cells["layer"] == row["layer"]) & (cells["strength"] == row["strength"])].set_index("split")
        assert row["change"] == at.loc["test", "change"]
        assert row["select_change"] == at.loc["select", "change"]
        assert row["select_coherence"] == at.loc["select", "coherence"]


def test_of_equals_the_smaller_strength_and_then_the_lower_layer():
    cells = table(cell(3, 2, 4.0, 8.0), cell(5, 1, 4.0, 8.0), cell(2, 1, 4.0, 8.0))
    row = only(recommended(cells, 7))
    assert (row["layer"], row["strength"], row["held_out"]) == (2, 1.0, False)


def test_the_reason_names_a_floor_that_excludes_all():
    cells = table(cell(3, 1, 4.0, 6.5), cell(3, -1, 2.0, 9.0))
    found = recommended(cells, 7)
    assert (only(found)["layer"], only(found)["reason"]) == (-1, "no cell keeps a coherence of 7")
    assert only(found, -1)["reason"] == "no cell moves that way"
    mixed = table(cell(3, 1, 4.0, 6.5), cell(4, 1, -1.0, 9.0))
    assert only(recommended(mixed, 7))["reason"] == "no cell keeps a coherence of 7 and moves that way"


def test_cells_that_a_search_left_behind_cannot_win():
    cells = table(cell(1, 1, 9.0, 9.0, n=3, prompts=3), cell(2, 1, 4.0, 8.0), cell(1, -1, -5.0, 9.0, n=3, prompts=3))
    found = recommended(cells, 7)
    assert only(found)["layer"] == 2
    assert only(found, -1)["layer"] == 1


def test_cells_whose_replies_could_mostly_not_be_judged_cannot_win():
    cells = table(cell(1, 1, 9.0, 9.0, n=4), cell(2, 1, 4.0, 8.0, n=9))
    assert only(recommended(cells, 7))["layer"] == 2


def test_a_setting_not_measured_on_test_keeps_its_numbers_and_says_so():
    cells = table(
        cell(1, 1, 5.0, 8.0),
        cell(2, 1, 4.0, 9.0),
        cell(2, 1, 3.0, 9.0, split="test"),
    )
    row = only(recommended(cells, 7))
    assert (row["layer"], row["change"], row["held_out"]) == (1, 5.0, False)


def test_one_split_chooses_and_is_not_held_out():
    row = only(recommended(table(cell(1, 1, 5.0, 8.0, split="test")), 7))
    assert (row["layer"], row["held_out"]) == (1, False)


def test_a_setting_at_the_edge_of_the_grid_is_marked():
    cells = table(cell(1, 1, 2.0, 9.0), cell(1, 2, 5.0, 8.0), cell(1, -1, -3.0, 8.0), cell(1, -2, -5.0, 4.0))
    found = recommended(cells, 7)
    assert only(found)["edge"]
    assert not only(found, -1)["edge"]


def test_usable_strength_ends_at_the_first_that_breaks():
    cells = table(
        *(cell(1, s, s, c) for s, c in ((0.1, 9.0), (0.2, 8.0), (0.3, 6.0), (0.4, 8.0), (-0.1, 5.0), (-0.2, 9.0))),
        cell(2, 0.1, 1.0, 9.0),
        cell(1, 0.3, 1.0, 9.0, split="test"),
    )
    found = usable_strengths(cells, 7).set_index(["layers", "direction"])
    assert found.loc[("1", 1), ["usable", "largest", "change"]].tolist() == [0.2, 0.4, 0.2]
    assert found.loc[("1", -1), "usable"] == 0
    assert np.isnan(found.loc[("1", -1), "change"])
    assert found.loc[("2", 1), "usable"] == 0.1


@pytest.mark.parametrize("scale", PERCENTILE_OF.values())
def test_percentiles_have_no_usable_strengths_as_a_higher_one_of_a_cap_pushes_less(scale):
    percentiles = [cell(1, p, 1.0, c, scale=scale) for p, c in ((10, 3.0), (25, 6.0), (75, 9.5))]
    assert usable_strengths(table(*percentiles), 8).empty
    found = usable_strengths(table(*percentiles, cell(1, 0.5, 1.0, 9.0)), 8)
    assert found[["scale", "usable"]].values.tolist() == [["raw", 0.5]]


def test_intervals_can_be_left_out():
    replies, judgements = planted(layers=24, prompts=12)
    cells = reply_cells(judged_replies(replies, judgements), intervals=False)
    assert len(cells) == 24 * 6 + 3
    assert cells[["change_low", "coherence_high"]].isna().all(axis=None)


def sentences(cells, judges=(), floor=7):
    return [(finding.kind, finding.text) for finding in reply_findings(cells, recommended(cells, floor), judges)]


def test_findings_tell_the_setting_and_what_it_costs():
    cells = table(
        cell(20, 0.3, 4.4, 8.2, change_low=3.0, change_high=5.6),
        cell(20, 0.4, 6.0, 5.0),
        cell(20, 0.3, 4.2, 8.1, split="test", n=12, prompts=12, change_low=3.1, change_high=5.1),
    )
    assert sentences(cells) == [
        (
            "effect",
            "b (m), judged replies: layer 20 at +0.3 (raw) changes them by +4.2 of 10 [3.1, 5.1] toward the behavior, "
            "on 12 held-out prompts, judged by j. They have fluency 8.1, on-topic 8.6 (unsteered 9.0 and 9.5).",
        )
    ]


def test_findings_tell_what_did_not_move():
    unclear = sentences(table(cell(20, 0.3, 0.4, 8.2, change_low=-0.2, change_high=1.1), cell(20, 0.4, 6.0, 5.0)))
    assert unclear[0][0] == "negative"
    assert "no clear change toward the behavior at the chosen setting, layer 20 at +0.3" in unclear[0][1]
    cells = table(cell(20, -0.3, -4.0, 6.2))
    (excluded,) = reply_findings(cells, recommended(cells, 7), [])
    assert (excluded.kind, excluded.code) == ("negative", "no_coherent_setting")
    assert excluded.values == {"direction": -1, "min_coherence": 7}
    assert (excluded.subjects[0].behavior, excluded.subjects[0].model) == ("b", "m")
    backwards = table(
        cell(2, 1, 2.0, 8.0), cell(2, 1, -2.0, 8.0, split="test", change_low=-3.0, change_high=-1.0), cell(2, 2, 1, 1)
    )
    assert "moves them away from the behavior, by −2.0 of 10 [−3.0, −1.0]" in sentences(backwards)[0][1]


def test_findings_caution_where_numbers_are_optimistic_or_missing():
    cells = table(cell(1, 1, 5.0, 8.0), *(cell(layer, 1, 1.0, 8.0, n=8, failed=2) for layer in (2, 3, 4, 5)))
    judges = [{"model": "m", "behavior": "b", "name": "classifier", "declined": "too few pairs."}]
    cautions = [text for kind, text in sentences(cells, judges) if kind == "caution"]
    assert any("so its numbers are optimistic" in text for text in cautions)
    assert any("is the strongest that was tried (+1)" in text for text in cautions)
    failed = "8 replies could not be judged and count in no change: layer 2 at +1 (2 of 10)"
    assert any(failed in text and text.endswith("and 1 more setting.") for text in cautions)
    assert any(text.endswith("classifier did not judge: too few pairs.") for text in cautions)


def test_a_coherence_that_falls_below_the_floor_on_other_prompts_is_a_caution():
    for there, shown in ((6.4, "6.4"), (6.95, "6.95"), (6.9996, "6.9996")):
        cells = table(cell(1, 0.2, 3, 7.2), cell(1, 0.2, 2.5, there, split="test"))
        texts = [f.text for f in reply_findings(cells, recommended(cells, 7), []) if f.kind == "caution"]
        made = "a coherence (the worse of fluency and on-topic) of at least 7"
        assert any(f"{made} and has {shown} on other prompts" in t for t in texts)
    kept = recommended(table(cell(1, 0.2, 3, 7.2), cell(1, 0.2, 2.5, 7.4, split="test")), 7)
    assert not any("on other prompts" in finding.text for finding in reply_findings(cells, kept, []))


def test_incoherent_replies_behind_a_good_mean_are_a_caution():
    def cautions(**at):
        cells = table(cell(1, 0.2, 3, 7.6), cell(1, 0.2, 2.5, 7.4, split="test", prompts=12, n=12, **at))
        return [f.text for f in reply_findings(cells, recommended(cells, 7), []) if f.code == "incoherent_replies"]

    (text,) = cautions(incoherent=0.25)
    assert "3 of 12 replies at the setting toward the behavior are incoherent (coherence under 5 of 10" in text
    assert "unsteered 0), which the mean of 7.4 does not show" in text
    (one,) = cautions(incoherent=2 / 12, incoherent_unsteered=1 / 12)
    assert "2 of 12 replies" in one
    assert "unsteered 1)" in one
    assert not cautions(incoherent=0.25, incoherent_unsteered=0.25)  # as many without a push
    assert not cautions(incoherent=0.05)
    assert not cautions(incoherent=np.nan, incoherent_unsteered=np.nan)


def test_incoherent_replies_are_counted_by_their_coherence():
    judged = judged_replies(*planted())
    assert (judged["coherence"] < 5).any()
    assert (judged["incoherent"] == (judged["coherence"] < 5)).all()
    cells = reply_cells(judged, intervals=False)
    steered = judged[judged["strength"] != 0]
    for row in cells.itertuples():
        mine = steered[(steered["layer"] == row.layer) & (steered["strength"] == row.strength)]
        assert row.incoherent == pytest.approx((mine[mine["split"] == row.split]["coherence"] < 5).mean())
    assert (cells["incoherent_unsteered"] == 0).all()


def sentence(**changes):
    (first, *_) = sentences(table(cell(1, 0.2, 3, 8.4, **changes)))
    return first[1]


def test_a_verdict_names_what_was_measured_and_what_the_judge_rated():
    assert "They have fluency 8.4, on-topic 8.9 (unsteered 9.0 and 9.5)." in sentence()
    rated = "They have coherence 8.4 by the judge, fluency 7.7, on-topic 8.9 (unsteered 9.0 and 9.5)."
    assert rated in sentence(rated=1.0, fluency=7.7)
    alone = sentence(on_topic=np.nan, on_topic_unsteered=np.nan)
    assert "They have fluency 8.4 (unsteered 9.0)." in alone
    assert "on-topic" not in alone


def test_where_on_topic_is_not_known_a_caution_says_that_coherence_is_fluency_alone():
    def cautions(**changes):
        cells = table(cell(1, 0.2, 3, 8.4, **changes))
        return [f.code for f in reply_findings(cells, recommended(cells, 7), []) if f.kind == "caution"]

    assert "topic_unmeasured" in cautions(on_topic=np.nan)
    assert "topic_unmeasured" not in cautions()
    assert "topic_unmeasured" not in cautions(on_topic=np.nan, rated=1.0)


def test_a_run_of_an_earlier_version_recommends_nothing_and_says_why():
    replies, judgements = planted()
    old = replies.drop(columns=["nll_ordinary", "nll_other"]).reindex(columns=replies.columns)
    cells = reply_cells(judged_replies(old, judgements.assign(coherence=np.nan)), intervals=False)
    assert cells[["fluency", "on_topic", "coherence"]].isna().all(axis=None)
    found = recommended(cells, 7)
    assert found["reason"].unique().tolist() == ["coherence not measured"]
    texts = [f.text for f in reply_findings(cells, found, [])]
    assert sum("fluency and on-topic were not measured in this run" in text for text in texts) == 2
    assert usable_strengths(cells, 7).empty
    # What the judge itself rated is known all the same.
    rated = reply_cells(judged_replies(old, judgements), intervals=False)
    assert (recommended(rated, 7)["reason"] == "").all()


def test_cells_have_the_means_of_fluency_and_on_topic_beside_those_of_the_unsteered_replies():
    replies, judgements = planted()
    judged = judged_replies(replies, judgements.assign(coherence=np.nan))
    cells = reply_cells(judged, intervals=False)
    mine = (judged["layers"] == "3") & (judged["strength"] == 0.4) & (judged["split"] == "select")
    at = (cells["layers"] == "3") & (cells["strength"] == 0.4) & (cells["split"] == "select")
    still = judged[(judged["strength"] == 0) & (judged["split"] == "select")]
    (row,) = cells[at].to_dict("records")
    for name in ("fluency", "on_topic", "coherence"):
        assert row[name] == pytest.approx(judged.loc[mine, name].mean())
        assert row[f"{name}_unsteered"] == pytest.approx(still[name].mean())
    assert row["rated"] == 0
    assert (cells["coherence"] <= cells[["fluency", "on_topic"]].min(axis=1) + 1e-9).all()
