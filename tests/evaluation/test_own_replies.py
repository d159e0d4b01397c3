"""A model's own replies under both prompts of a contrast: what is kept, what is left out and said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

import trimtab
from tiny import tiny
from trimtab._util.callbacks import Progress
from trimtab.data import PromptContrast, SetContrast
from trimtab.engines import Model, Reply, Request
from trimtab.errors import DataError, TrimtabWarning
from trimtab.judges import Exchange, Judge, Judgement
from trimtab.vectors import extract

QUESTIONS = ["How was your day?", "What should I cook?", "Tell me about the weather."]
JOYFUL = PromptContrast.from_system_prompts([("Be full of joy.", "Be full of despair.")], QUESTIONS, name="joyful")


class ByLength(Judge):
    """Finds a reply the better the longer it is; fails on some prompts."""

    name = "length"

    def __init__(self, fails: str = ""):
        self.fails, self.seen = fails, list[Exchange]()

    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        self.seen += exchanges
        for index in reversed(range(len(exchanges))):
            one = exchanges[index]
            failed = bool(self.fails) and self.fails in one.prompt
            yield index, Judgement(change=float(len(one.reply) - len(one.unsteered)), failure="no" if failed else "")


class Script(Model):
    """Replies what it is told to, the prompts of the positive side first."""

    def __init__(self, replies: Sequence[str]):
        super().__init__(tiny("llama"))
        self.script = replies
        self.asked: list[Request] = []

    def replies(self, requests: Sequence[Request], *, progress: Progress | None = None) -> Iterator[tuple[int, Reply]]:
        self.asked = list(requests)
        for index in reversed(range(len(requests))):
            yield index, Reply(self.script[index], (), "end")


def test_replies_become_completions_under_their_own_prompts() -> None:
    model = Model(tiny("llama"))
    found = trimtab.own_replies(model, JOYFUL, max_new_tokens=6, progress=False)
    for pair in found.pairs:
        for side in (pair.positive, pair.negative):
            assert side.completion == model.chat(side.prompt, max_new_tokens=6)
    vector = extract(model, found)
    assert (vector.provenance.token_position, vector.provenance.form) == ("mean_completion", "prompts")
    pairs = found.as_pairs()
    different = [p for p in found.pairs if p.positive.completion != p.negative.completion]
    assert [pair.prompt for pair in pairs] == [p.question for p in different]


def test_each_side_of_each_item_is_asked_once_with_its_own_seed() -> None:
    model = Script([f"reply {i}" for i in range(6)])
    trimtab.own_replies(model, JOYFUL, temperature=1.0, seed=7, progress=False)
    assert [request.prompt for request in model.asked] == [
        model.tokens(one.prompt) for one in (*JOYFUL.positive, *JOYFUL.negative)
    ]
    assert [request.sampling.seed for request in model.asked if request.sampling] == list(range(7, 13))


def test_an_empty_reply_leaves_its_item_out_with_a_word() -> None:
    model = Script(["good", "", "fine", "bad", "sad", "low"])
    with pytest.warns(TrimtabWarning, match="1 of 3 pairs of replies left out, as a reply is empty"):
        found = trimtab.own_replies(model, JOYFUL, progress=False)
    assert [pair.id for pair in found.pairs] == [JOYFUL.pairs[0].id, JOYFUL.pairs[2].id]
    assert found.pairs[1].negative.completion == "low"


def test_a_judge_keeps_the_pairs_that_show_the_behavior() -> None:
    model = Script(["a long reply", "short", "another long one", "brief", "much longer than the other", "x"])
    judge = ByLength(fails="weather")
    with pytest.warns(TrimtabWarning, match="1 of 3 pairs of replies left out, as length does not find") as told:
        found = trimtab.own_replies(model, JOYFUL, judge=judge, progress=False)
    assert "1 of 3 pairs of replies left out, as length gave no judgement" in str(told[0].message)
    assert [pair.question for pair in found.pairs] == ["How was your day?"]
    assert judge.seen[0] == Exchange("How was your day?", "a long reply", "brief")


def test_where_nothing_is_left_it_is_an_error() -> None:
    with pytest.raises(DataError, match="no pair of replies is left: 3 of 3"):
        trimtab.own_replies(Script([""] * 6), JOYFUL, progress=False)


def test_there_has_to_be_something_to_reply_to() -> None:
    done = PromptContrast.from_prompts([("a", "b")], completion="so")
    with pytest.raises(DataError, match="completions already"):
        trimtab.own_replies(Model(tiny("llama")), done)
    with pytest.raises(DataError, match="no completions"):
        JOYFUL.as_pairs()
    with pytest.raises(DataError, match="ask nothing alike"):
        done.as_pairs()
    assert not hasattr(SetContrast, "as_pairs")


def test_equal_replies_are_no_pair() -> None:
    found = trimtab.own_replies(Script(["same", "one", "two", "same ", "three", "four"]), JOYFUL, progress=False)
    assert [pair.positive for pair in found.as_pairs()] == ["one", "two"]


def test_replies_stay_as_they_are_so_that_begun_answers_go_on_with_their_space() -> None:
    contrast = PromptContrast.from_prompts([("The sky is", "The sea is"), ("A", "B")])
    found = trimtab.own_replies(Script([" blue", " x", " deep", " y"]), contrast, progress=False)
    assert [one.completion for one in found.positive] == [" blue", " x"]


def test_where_all_replies_are_equal_there_are_no_pairs() -> None:
    found = trimtab.own_replies(Script(["same"] * 6), JOYFUL, progress=False)
    with pytest.raises(DataError, match="no pair to score"):
        found.as_pairs()
