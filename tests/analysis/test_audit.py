"""What a table lacks is said, never filled in silently."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis import audit, effects

WHOLE = {(-1, 0): [1.0, 2, 3], (3, 1): [3, 4, 6], (3, -1): [0, 1, 1], (5, 1): [2, 3, 4], (5, -1): [1, 1, 1]}


def said(samples):
    return " ".join(finding.text for finding in audit(samples))


def test_a_whole_table_gives_no_remark(make):
    assert audit(make(WHOLE)) == []


def moved(table):
    return table[table["strength"] != 0]


def still(table):
    return table[table["strength"] == 0]


def one_sided(table):
    return table[~((table["layer"] == 5) & (table["strength"] < 0))]


def broken(table):
    return table.assign(score=table["score"].mask((table["prompt_id"] == "p1") & (table["strength"] == 1)))


def also(table, rows, **columns):
    return pd.concat([table, rows.assign(**columns)])


LACKS = [
    (moved, "no unsteered scores, so there is no Δ"),
    (still, "only unsteered scores"),
    (one_sided, "Strength 1 was run at one sign only"),
    (lambda t: t[t["prompt_id"] == "p0"], "one prompt only in the split test"),
    (lambda t: t.assign(score=2.0), "all scores are equal (2)"),
    (broken, "2 of 15 scores are not finite; the 1 prompt concerned is excluded"),
    (lambda t: also(t, moved(t), scale="relative"), "several scales (raw, relative)"),
    (lambda t: also(t, moved(t), positions="prompt"), "several position policies (all, prompt)"),
    (lambda t: also(t, still(t), score=0.0), "unsteered scores of one prompt differ by up to 3"),
]


@pytest.mark.parametrize(("change", "words"), LACKS)
def test_each_lack_is_named(make, change, words):
    table = change(make(WHOLE))
    assert words in said(table)
    effects(table, draws=10)  # and none of it breaks the analysis


def test_the_remark_names_its_model_where_there_are_several(make):
    both = pd.concat([make(WHOLE), make(WHOLE, model="other").query("strength != 0")])
    (finding,) = audit(both)
    assert finding.text.startswith("b (other): no unsteered scores")


def test_a_model_without_a_baseline_has_a_delta_and_no_glass(make):
    both = pd.concat([make(WHOLE), make(WHOLE, model="other").query("strength != 0")])
    table = effects(both, draws=10).set_index("model")
    assert np.isfinite(table.loc["m", "glass"]).all()
    assert table.loc["other", "glass"].isna().all()
    assert table.loc["other", "delta"].tolist() == table.loc["m", "delta"].tolist()


def test_infinite_scores_are_left_out_like_missing_ones(make):
    table = make(WHOLE)
    table.loc[table["prompt_id"] == "p2", "score"] = float("inf")
    assert effects(table, draws=10)["n"].tolist() == [2, 2]
