"""Contrasts between prompts and lists: what they hold, how they split, what they refuse."""

from __future__ import annotations

import itertools

import pytest

from trimtab.data import AnyContrast, AskedTexts, Behavior, Example, Message, PromptContrast, PromptPair, SetContrast
from trimtab.errors import DataError

QUESTIONS = [f"Question {i}?" for i in range(20)]
PERSONAS = [("You are full of joy.", "You are full of despair."), ("Answer with joy.", "Answer with despair.")]
JOYFUL = PromptContrast.from_system_prompts(PERSONAS, QUESTIONS, name="joyful")
SETS = SetContrast.from_texts([f"Do harm {i}" for i in range(24)], [f"Do good {i}" for i in range(17)], name="harm")


def test_every_question_is_asked_under_every_pair_of_prompts() -> None:
    assert len(JOYFUL) == 40
    assert JOYFUL.questions == tuple(QUESTIONS)
    first = JOYFUL.pairs[0]
    assert [m["content"] for m in first.positive.prompt] == [PERSONAS[0][0], "Question 0?"]  # type: ignore[index]
    assert first.question == "Question 0?"


def test_held_out_questions_are_new() -> None:
    parts = JOYFUL.split(seed=3)
    assert [part.part for part in parts] == ["train", "select", "test"]
    asked = [set(part.questions) for part in parts]
    assert all(not one & other for one, other in itertools.combinations(asked, 2))
    assert set.union(*asked) == set(QUESTIONS)
    assert sum(map(len, parts)) == 40
    with pytest.raises(DataError, match="the train part already"):
        parts[0].split()


def test_each_list_is_split_on_its_own() -> None:
    parts = SETS.split(seed=1)
    assert [len(part.positive) for part in parts] == [12, 6, 6]
    assert sum(len(part.negative) for part in parts) == 17
    everything = [one.completion or one.prompt for part in parts for one in part.positive + part.negative]
    assert len(set(everything)) == len(everything) == 41


def test_lists_that_are_too_short_to_split_say_which() -> None:
    short = SetContrast.from_texts([f"p {i}" for i in range(30)], ["a b", "c d"], name="short")
    with pytest.raises(DataError, match="short: 2 negative examples"):
        short.split()


def test_the_hash_is_of_the_content() -> None:
    again = PromptContrast.from_system_prompts(PERSONAS, QUESTIONS, name="other", description="what it is")
    assert again.hash == JOYFUL.hash
    turned = [(negative, positive) for positive, negative in PERSONAS]
    hashes = {
        JOYFUL.hash,
        PromptContrast.from_system_prompts(turned, QUESTIONS).hash,
        PromptContrast.from_system_prompts(PERSONAS, QUESTIONS[:-1]).hash,
        SETS.hash,
        SetContrast("t", SETS.negative, SETS.positive).hash,
        SetContrast.from_texts(["a b"], ["c d"]).hash,
        SetContrast.from_texts(["a b"], ["c d"], raw=True).hash,
    }
    assert len(hashes) == 7


def test_what_both_sides_ask_alike_is_the_question() -> None:
    def messages(*texts: str) -> tuple[Message, ...]:
        roles = ["system", *["user", "assistant"] * 4]
        return tuple(Message(role=role, content=text) for role, text in zip(roles, texts, strict=False))

    def pair(one: tuple[Message, ...], other: tuple[Message, ...]) -> PromptPair:
        return PromptPair("p", Example("+", one), Example("-", other))

    assert pair(messages("Joy", "Hi"), messages("Woe", "Hi")).question == "Hi"
    assert pair(messages("Joy", "Hi"), messages("Woe", "Hello")).question == ""
    talk = pair(messages("Joy", "Hi", "Yes?", "Why?"), messages("Woe", "Hi", "Yes?", "Why?")).question
    assert [message["content"] for message in talk] == ["Hi", "Yes?", "Why?"]  # type: ignore[index]
    later = pair(messages("Joy", "Hi", "Yes?", "Why?"), messages("Woe", "Ho", "Yes?", "Why?")).question
    assert later == "Why?"  # an answer to a message that differs is not what is asked
    raw = PromptPair("p", Example("+", completion="Joy all over"), Example("-", completion="Woe all over"))
    assert raw.question == ""


def test_from_texts_of_a_behavior_is_the_contrast_of_two_lists() -> None:
    assert Behavior.from_texts(["a b"], ["c d"], name="x") == SetContrast.from_texts(["a b"], ["c d"], name="x")
    assert Behavior.from_texts(["a b"], ["c d"], raw=True).positive[0].is_raw


@pytest.mark.parametrize(
    ("positive", "negative", "raw", "wrong"),
    [
        ([], ["a"], False, "the positive list is empty"),
        (["a"], [], False, "the negative list is empty"),
        (["a", "b"], ["a", "c"], False, "1 text in both lists, first example \\+1: 'a'"),
        (["a", " "], ["b"], False, "example \\+2: the text is empty"),
        ([[Message(role="user", content="a")]], ["b"], True, "raw text is wanted"),
    ],
)
def test_lists_that_contrast_nothing_are_refused(positive: list, negative: list, raw: bool, wrong: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(DataError, match=wrong):
        SetContrast.from_texts(positive, negative, raw=raw)


def test_prompts_that_contrast_nothing_are_refused() -> None:
    with pytest.raises(DataError, match="pair p2: both sides are the same"):
        PromptContrast.from_prompts([("a", "b"), ("c", "c")])
    with pytest.raises(DataError, match="there are no pairs"):
        PromptContrast.from_prompts([])
    mixed = (
        PromptPair("p", Example("+", "a", "so"), Example("-", "b", "so")),
        PromptPair("q", Example("+", "c"), Example("-", "d")),
    )
    with pytest.raises(DataError, match="some have none"):
        PromptContrast("mixed", mixed)
    with pytest.raises(DataError, match="the id 'p' is taken 2 times"):
        PromptContrast("twice", (mixed[0], mixed[0]))
    with pytest.raises(DataError, match="the name of the behavior"):
        PromptContrast("a\nb", mixed[:1])


def test_they_introduce_themselves() -> None:
    assert repr(JOYFUL) == "PromptContrast('joyful', 40 pairs of prompts)"
    assert repr(SETS.split()[2]).startswith("SetContrast('harm', 6 positive and ")
    assert "joy" in JOYFUL._repr_html_()


def test_conversations_are_questions_too() -> None:
    talk = [
        Message(role=role, content=text) for role, text in (("user", "Hi"), ("assistant", "Yes?"), ("user", "Why?"))
    ]
    sets = SetContrast.from_texts([talk, "Hello"], [[*talk[:2], Message(role="user", content="How?")]])
    assert len(sets.questions) == 3
    begun = PromptContrast.from_prompts(
        [tuple([Message(role="system", content=text), *talk] for text in pair) for pair in PERSONAS]  # type: ignore[misc]
    )
    assert len(begun.questions) == 1


def test_what_is_asked_alike_is_in_one_part_whatever_stands_around_it() -> None:
    def begun(question: str, answer: str) -> list[Message]:
        return [Message(role="user", content=question), Message(role="assistant", content=answer)]

    questions = [f"Question number  {i % 12}?" if i < 12 else f"Question number {i % 12}?" for i in range(36)]
    answers = [(begun(q, f"Yes {i}"), begun(q, f"No {i}")) for i, q in enumerate(questions)]
    prefills = PromptContrast.from_prompts(answers)
    sides = [
        tuple(Example(f"{sign}{i}", q, f"{sign} answer {i}") for i, q in enumerate(questions)) for sign in ("yes", "no")
    ]
    for parts in (prefills.split(), SetContrast("answers", sides[0], sides[1]).split()):
        asked = [{" ".join(str(one.last_text if isinstance(one.prompt, str) else one.prompt[0]["content"]).split())
                  for one in part.positive + part.negative} for part in parts]  # fmt: skip
        assert all(not one & other for one, other in itertools.combinations(asked, 2))


@pytest.mark.parametrize(
    "found",
    [
        Behavior.from_pairs([([Message(role="user", content="How was  your day?")], "a", "b")]),
        PromptContrast.from_prompts([("Be good. How was your day? Now", "Be bad. How was your day? Now")]),
        SetContrast.from_texts(["Asked how was your day? How was your day? Fine!"], ["Nothing like that"], raw=True),
        PromptContrast.from_prompts([
            ([Message(role="user", content="How was your day?"), Message(role="assistant", content=text)],
             [Message(role="user", content="How was your day?"), Message(role="assistant", content=f"not {text}")])
            for text in ("Yes",)
        ]),
    ],
    ids=["messages", "templates", "raw", "begun answers"],
)  # fmt: skip
def test_a_question_is_found_wherever_a_contrast_asks_it(found: AnyContrast) -> None:
    asked = AskedTexts.of(found)
    assert asked.hold("How was your day?")
    assert asked.hold((Message(role="system", content="Hm"), Message(role="user", content="How was\nyour day?")))
    assert not asked.hold("How was your night, then?")
    assert not asked.hold("day?")
    assert not AskedTexts.of(None).hold("How was your day?")
