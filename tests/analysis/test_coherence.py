"""How well replies hold together without a judge: by hand, and on what a real model says."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from trimtab.analysis.coherence import SLACK, SPAN, with_coherence

if TYPE_CHECKING:
    from trimtab.models import Backbone

ALIKE = {"engine": "e", "model": "m", "behavior": "b", "split": "select"}


def reply(strength: float, nll: float, distinct: float = 1.0, *, prompt: str = "p", words: int = 9, **other: object):
    return {**ALIKE, "prompt_id": prompt, "strength": strength, "nll": nll, "distinct": distinct, "words": words,
            **other}  # fmt: skip


def coherence(*replies: dict[str, object]) -> list[float]:
    return with_coherence(pd.DataFrame(replies))["coherence"].tolist()


@pytest.mark.parametrize(
    ("excess", "expected"),
    [(-1.0, 10), (0.0, 10), (SLACK, 10), (SLACK + SPAN / 4, 7.5), (SLACK + SPAN / 2, 5), (SLACK + SPAN, 0), (9.0, 0)],
)
def test_surprise_above_the_unsteered_reply_costs_beyond_a_slack(excess: float, expected: float) -> None:
    plain, steered = coherence(reply(0, 1.2), reply(0.3, 1.2 + excess))
    assert steered == pytest.approx(expected)
    assert plain == 10


@pytest.mark.parametrize(("excess", "distinct", "expected"), [(1.5, 0.8, 5), (1.5, 0.3, 3), (0, 0.3, 3), (-2, 1, 10)])
def test_the_worse_of_fluency_and_variety_counts(excess: float, distinct: float, expected: float) -> None:
    assert coherence(reply(0, 1.0), reply(0.3, 1.0 + excess, distinct))[1] == pytest.approx(expected)


def test_an_unsteered_reply_has_ten_times_its_variety() -> None:
    assert coherence(reply(0, 5.0, 0.4), reply(0, 0.1, 0.9, prompt="q")) == pytest.approx([4, 9])


def test_a_reply_without_words_has_none() -> None:
    assert coherence(reply(0, 1.0), reply(0.3, np.nan, words=0), reply(-0.3, 1.0, words=0)) == [10, 0, 0]
    assert coherence(reply(0, np.nan, words=0)) == [0]


def test_beside_no_unsteered_reply_or_an_empty_one_nothing_is_known() -> None:
    assert np.isnan(coherence(reply(0.3, 1.0))[0])
    # Another prompt's unsteered reply tells what is likely, so that garbage is not left out of a mean.
    assert coherence(reply(0, 1.0, prompt="q"), reply(0.3, 1.0), reply(-0.3, 9.0)) == [10, 10, 0]
    assert np.isnan(coherence(reply(0, np.nan, words=0), reply(0.3, 1.0))[1])


@pytest.mark.parametrize("apart", ["run", "engine", "model", "behavior", "split", "prompt_id"])
def test_each_reply_is_held_against_the_unsteered_one_of_its_own(apart: str) -> None:
    table = [reply(0, 1.0) | {apart: "x"}, reply(0, 3.0) | {apart: "y"}]
    table += [reply(0.3, 3.5) | {apart: "x"}, reply(0.3, 3.5) | {apart: "y"}]
    for order in (table, table[::-1]):
        found = with_coherence(pd.DataFrame(order)).set_index([apart, "strength"])
        assert found["excess"].to_dict() == {("x", 0.0): 0, ("y", 0.0): 0, ("x", 0.3): 2.5, ("y", 0.3): 0.5}
        assert found.loc[("x", 0.3), "coherence"] == 0
        assert found.loc[("y", 0.3), "coherence"] == 10


def test_one_row_for_each_reply_in_their_order_with_two_columns_more() -> None:
    # Unsteered replies are written for every scale: the second of them counts no prompt twice.
    table = pd.DataFrame([reply(0.3, 1.2), reply(0, 1.0), reply(0, 1.0), reply(-0.3, 2.0)])
    found = with_coherence(table)
    assert found["strength"].tolist() == [0.3, 0, 0, -0.3]
    assert list(found.columns) == [*table.columns, "excess", "coherence"]
    pd.testing.assert_frame_equal(found[table.columns], table)


@dataclass(frozen=True)
class Said:
    """What the bundled model says to some prompts, and the same spoilt."""

    whole: pd.Series
    shuffled: pd.Series
    looped: pd.Series


@pytest.fixture(scope="module")
def said(smol: Backbone) -> Said:
    from trimtab.data import BUILT_INS
    from trimtab.engines import Model, Request, Text
    from trimtab.evaluation.reply_measures import measure

    model, pairs = Model(smol), BUILT_INS["cheerful"].load()[:6]
    prompts = [model.tokens(pair.prompt) for pair in pairs]
    replies = dict(model.replies([Request(prompt, max_new_tokens=24) for prompt in prompts]))

    def row(i: int, text: str, strength: float) -> dict[str, object]:
        tokens = tuple(smol.tokenizer(text, add_special_tokens=False)["input_ids"])
        (found,) = model.follow([Text((*prompts[i], *tokens), len(prompts[i]))])
        return reply(strength, -float(found.log_prob[0, 0]), prompt=str(i)) | {
            "words": measure(text).words, "distinct": measure(text).distinct
        }  # fmt: skip

    def mixed(words: list[str]) -> str:
        random.Random(0).shuffle(words)
        return " ".join(words)

    texts = [replies[i].text for i in range(len(pairs))]
    rows = [row(i, text, 0.0) for i, text in enumerate(texts)]
    rows += [row(i, mixed(text.split()), 1.0) for i, text in enumerate(texts)]
    rows += [row(i, " ".join(text.split()[:3] * 7), 2.0) for i, text in enumerate(texts)]
    table = with_coherence(pd.DataFrame(rows)).set_index("prompt_id")["coherence"]
    return Said(*(table[[r["strength"] == kind for r in rows]] for kind in (0.0, 1.0, 2.0)))


def test_what_the_bundled_model_says_unsteered_holds_together(said: Said) -> None:
    assert said.whole.min() > 7


def test_its_words_shuffled_do_not(said: Said) -> None:
    assert (said.shuffled < said.whole - 4).all()


def test_its_first_words_over_and_over_do_not(said: Said) -> None:
    assert (said.looped < said.whole - 4).all()
