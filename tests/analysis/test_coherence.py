"""Fluency, on-topic and coherence of replies from numbers that are given by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis.replies.coherence import ENOUGH, FEW_TOKENS, MIN_LIFT, SLACK, SPAN, with_coherence

ALIKE = {"engine": "e", "model": "m", "behavior": "b", "split": "select"}
LONG = 10_000
"""Tokens beside which those of ordinary text do not count."""


def reply(
    strength: float, nll: float = 2.0, lift: float = 1.0, distinct: float = 1.0, *, prompt: str = "p", words: int = 9,
    tokens: int = LONG, **other: object,
) -> dict[str, object]:  # fmt: skip
    return {
        **ALIKE, "prompt_id": prompt, "strength": strength, "nll": nll, "nll_ordinary": 2.0, "nll_other": nll + lift,
        "distinct": distinct, "words": words, "tokens": tokens, **other,
    }  # fmt: skip


def found(*replies: dict[str, object]) -> pd.DataFrame:
    return with_coherence(pd.DataFrame(replies))


def values(name: str, *replies: dict[str, object]) -> list[float]:
    return found(*replies)[name].tolist()


@pytest.mark.parametrize(
    ("excess", "expected"),
    [(-1.0, 10), (0.0, 10), (SLACK, 10), (SLACK + SPAN / 4, 7.5), (SLACK + SPAN / 2, 5), (SLACK + SPAN, 0), (9.0, 0)],
)
def test_surprise_above_ordinary_text_costs_fluency_beyond_a_slack(excess: float, expected: float) -> None:
    plain, steered = values("fluency", reply(0, 0.3), reply(0.3, 2 + excess))
    assert steered == pytest.approx(expected, abs=0.02)
    assert plain == 10


def test_fluency_does_not_depend_on_the_unsteered_reply() -> None:
    for unsteered in (0.1, 2.0, 7.0):
        assert values("fluency", reply(0, unsteered), reply(0.3, 2.5))[1] == 10


@pytest.mark.parametrize("distinct", [0.3, 0.8, 1.0])
def test_the_worse_of_likelihood_and_variety_is_the_fluency(distinct: float) -> None:
    half = 2 + SLACK + SPAN / 2
    assert values("fluency", reply(0.3, half, distinct=distinct))[0] == pytest.approx(min(5, 10 * distinct), abs=0.02)
    assert values("fluency", reply(0.3, 0.1, distinct=distinct))[0] == pytest.approx(10 * distinct)


def test_few_tokens_say_little_about_likelihood() -> None:
    excess = SLACK + SPAN / 2
    short, long = values("fluency", reply(0.3, 2 + excess, tokens=3), reply(0.3, 2 + excess, prompt="q"))
    assert long == pytest.approx(5, abs=0.02)
    drawn = excess * 3 / (3 + FEW_TOKENS)
    assert short == pytest.approx(10 * min(1, 1 - (drawn - SLACK) / SPAN))


@pytest.mark.parametrize(
    ("lift", "expected"), [(-1.0, 0), (0.0, 0), (ENOUGH / 2, 5), (ENOUGH, 10), (1.0, 10), (5.0, 10)]
)
def test_on_topic_is_the_lift_against_the_usual_one_of_unsteered_replies(lift: float, expected: float) -> None:
    for usual in (0.5, 2.0):
        rows = [reply(0, lift=usual, prompt=name) for name in "pqr"]
        assert values("on_topic", *rows, reply(0.3, lift=lift * usual))[-1] == pytest.approx(expected)


def test_one_unsteered_reply_off_topic_does_not_set_the_scale() -> None:
    rows = [reply(0, lift=lift, prompt=str(lift)) for lift in (-3.0, 1.0, 1.1, 0.9, 9.0)]
    assert values("on_topic", *rows, reply(0.3, lift=ENOUGH / 2))[-1] == pytest.approx(5)


def test_two_prompts_are_enough_for_a_scale() -> None:
    rows = [reply(0, lift=0.8), reply(0, lift=1.2, prompt="q"), reply(0.3, lift=ENOUGH / 2)]
    assert values("on_topic", *rows)[-1] == pytest.approx(5)


def test_with_one_prompt_on_topic_is_not_known_and_coherence_is_fluency() -> None:
    table = found(reply(0, lift=np.nan), reply(0.3, 2 + SLACK + SPAN / 2, lift=np.nan))
    assert table["on_topic"].isna().all()
    assert table["coherence"].tolist() == table["fluency"].tolist()


def test_where_unsteered_replies_fit_every_prompt_alike_on_topic_is_not_known() -> None:
    table = found(reply(0, lift=MIN_LIFT / 2), reply(0.3, lift=1.0))
    assert table["on_topic"].isna().all()
    assert found(reply(0, lift=MIN_LIFT * 2), reply(0.3, lift=1.0))["on_topic"].notna().all()


def test_coherence_is_the_worse_of_the_two() -> None:
    half = reply(0.3, 2 + SLACK + SPAN / 2)
    rows = [reply(0), half, half | {"nll_other": half["nll"]}, reply(0.3, lift=ENOUGH / 4, prompt="q")]
    table = found(*rows)
    assert table["coherence"].tolist() == pytest.approx([10, 5, 0, 2.5], abs=0.02)
    np.testing.assert_allclose(table["coherence"], np.minimum(table["fluency"], table["on_topic"]))


def test_a_reply_without_words_has_none_of_it() -> None:
    table = found(reply(0), reply(0.3, np.nan, words=0, tokens=0), reply(-0.3, words=0))
    for name in ("fluency", "on_topic", "coherence"):
        assert table[name].tolist() == [10, 0, 0]


def test_what_a_run_of_an_earlier_version_did_not_measure_is_not_made_up() -> None:
    old = {"nll_ordinary": np.nan, "nll_other": np.nan}
    table = found(reply(0) | old, reply(0.3) | old, reply(-0.3, np.nan, words=0) | old)
    assert table[["fluency", "on_topic", "coherence"]].isna().all(axis=None)


@pytest.mark.parametrize("apart", ["run", "engine", "model", "behavior", "split"])
def test_each_reply_is_held_against_unsteered_ones_of_its_own(apart: str) -> None:
    table = [reply(0, lift=1.0) | {apart: "x"}, reply(0, lift=4.0) | {apart: "y"}]
    table += [reply(0.3, lift=ENOUGH) | {apart: "x"}, reply(0.3, lift=ENOUGH) | {apart: "y"}]
    for order in (table, table[::-1]):
        at = found(*order).set_index([apart, "strength"])["on_topic"]
        assert at["x", 0.3] == pytest.approx(10)
        assert at["y", 0.3] == pytest.approx(2.5)


def test_one_row_for_each_reply_in_their_order_with_five_columns_more() -> None:
    # Unsteered replies are written for every scale: the second of them counts no prompt twice.
    table = pd.DataFrame([reply(0.3), reply(0), reply(0), reply(0, lift=3.0, prompt="q"), reply(-0.3)]).set_index(
        pd.Index([7, 3, 3, 1, 0])
    )
    measured = with_coherence(table)
    assert measured["strength"].tolist() == [0.3, 0, 0, 0, -0.3]
    assert list(measured.columns) == [*table.columns, "excess", "lift", "fluency", "on_topic", "coherence"]
    pd.testing.assert_frame_equal(measured[table.columns], table)
    assert measured["on_topic"].tolist() == [10 * min(1, 1 / (2 * ENOUGH))] * 3 + [10] + [10 * min(1, 1 / (2 * ENOUGH))]
