"""Planted bad pairs: each is named, and good ones are left alone."""

from __future__ import annotations

from collections import Counter

import pytest

from generation.scripted import as_draft, built_in
from trimtab.data import BUILT_INS
from trimtab.generation import CheckContext
from trimtab.generation.checks.draft_checks import faults
from trimtab.generation.checks.surface_features import FaultCounts
from trimtab.generation.request import Draft

SHORT = CheckContext("answers in one short sentence", "answers at length")
GOOD = Draft("Why is the sky blue?", "Because air scatters blue light most.", "Air scatters blue light more than red.")

PLANTED = {
    "both completions are the same": GOOD._replace(negative=f" {GOOD.positive}\n"),
    "the completions differ in capitals and marks only": GOOD._replace(negative=GOOD.positive.upper() + "!"),
    "the positive completion is much longer": GOOD._replace(positive="blue light is scattered by air " * 4),
    "the negative completion is much longer": GOOD._replace(negative="blue light is scattered by air " * 4),
    "the positive completion declines to answer": GOOD._replace(positive="Sorry, I can't help with that question."),
    "the negative completion declines to answer": GOOD._replace(negative="I'm not able to answer that, sorry."),
    "the positive completion only asks back": GOOD._replace(positive="What do you mean by blue, exactly?"),
    "the negative completion only asks back": GOOD._replace(negative="Hmm, could you tell me where you are?"),
    "the positive completion repeats the prompt": GOOD._replace(positive="Why is the sky blue!"),
    "the negative completion repeats the prompt": GOOD._replace(negative="why is the sky"),
    "the prompt speaks of the behavior": GOOD._replace(prompt="Why is the sky blue? Use one short sentence."),
    "the positive completion repeats words of the instruction": GOOD._replace(
        positive="Put into one short sentence, air scatters blue."
    ),
    "the positive completion announces the behavior": GOOD._replace(
        positive="I will answer in a short way: air scatters blue."
    ),
    "the negative completion announces the behavior": GOOD._replace(
        negative="Here is my answer at some length: air scatters."
    ),
    "speaks of pairs or of their sides": GOOD._replace(negative="The negative reply would say air scatters."),
}


def test_a_good_pair_has_no_fault() -> None:
    assert faults(GOOD, SHORT) == []


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_named(name: str) -> None:
    assert name in [fault.text for fault in faults(PLANTED[name], SHORT)]


@pytest.mark.parametrize(
    "announcing",
    ["Short answer: it scatters.", "My short reply: it scatters.", "I'll keep this short, it scatters.",
     "Here's a short answer, it scatters.", "I am going to answer in a short sentence. It scatters."],
)  # fmt: skip
def test_announcing_the_behavior_is_seen_in_many_forms(announcing: str) -> None:
    assert any(f.name == "announces the behavior" for f in faults(GOOD._replace(positive=announcing), SHORT))


@pytest.mark.parametrize(
    "answer",
    ["How about pasta with lemon?", "Why not try the blue one?", "Doing fine, thanks, and you?", "Blue. What else?"],
)
def test_an_answer_in_the_form_of_a_question_is_an_answer(answer: str) -> None:
    assert faults(GOOD._replace(positive=answer), SHORT) == []


def test_a_few_words_more_are_no_difference_in_length() -> None:
    assert faults(Draft("Is it?", "Yes.", "No, not at all."), SHORT) == []


def test_the_length_check_can_be_set_and_turned_off() -> None:
    longer = GOOD._replace(positive="air scatters blue light " * 5)
    names = [[f.name for f in faults(longer, CheckContext(length_ratio=ratio))] for ratio in (2.0, 4.0, None)]
    assert names == [["is much longer"], [], []]


def test_scripts_without_spaces_have_lengths_too() -> None:
    draft = Draft("なぜ空は青いのですか", "空気が青い光をよく散らすからです。", "はい。")
    assert [f.text for f in faults(draft, CheckContext())] == ["the positive completion is much longer"]


def test_without_an_instruction_nothing_can_copy_it() -> None:
    assert faults(PLANTED["the prompt speaks of the behavior"], CheckContext()) == []


def test_options_that_are_listed_already_are_seen_in_choice_pairs_only() -> None:
    listed = Draft("Which one?\n(A) tea\n(B) water", "tea", "water")
    lettered = Draft("Tea or water?", "A) tea", "B) water")
    reason = "lists options by letter or number, which trimtab does"
    for draft in (listed, lettered):
        assert [f.text for f in faults(draft, CheckContext(choice=True))] == [reason]
        assert faults(draft, CheckContext()) == []


def test_options_may_stand_in_the_prompt_of_a_choice_pair() -> None:
    draft = Draft("Should I take the early train or the late one?", "Take the early train", "the late one")
    assert faults(draft, CheckContext(choice=True)) == []


@pytest.mark.parametrize("name", BUILT_INS)
def test_pairs_written_by_hand_pass(name: str) -> None:
    built = BUILT_INS[name]
    found = [
        faults(as_draft(pair), CheckContext(built.description, choice=built.form == "choice")) for pair in built.load()
    ]
    habits = FaultCounts()
    habits.add(found)
    left = [fault.text for fault_list in found for fault in fault_list if not habits.is_behavior(fault)]
    # "Wants to go on existing" has words in which one may well say so.
    assert len(left) <= (4 if name == "survival-instinct" else 1), Counter(left)


def seen(drafts: list[Draft], about: CheckContext) -> FaultCounts:
    habits = FaultCounts()
    habits.add(faults(draft, about) for draft in drafts)
    return habits


def test_lengths_that_nearly_always_differ_the_same_way_are_the_behavior() -> None:
    habits = seen(built_in("concise"), SHORT)
    assert habits.is_behavior(next(iter(faults(built_in("concise")[0], SHORT))))
    assert habits.remarks() == [
        "in 70 of 70 pairs the negative completion is much longer: taken for what the behavior is about, so no pair is "
        "dropped for it; a vector from these pairs may be about length"
    ]


def test_lengths_that_differ_now_this_way_and_now_that_are_faults() -> None:
    longer, shorter = (PLANTED[f"the {side} completion is much longer"] for side in ("positive", "negative"))
    assert seen([longer, shorter] * 5, SHORT).remarks() == []


def test_lengths_of_single_pairs_are_faults() -> None:
    assert seen([PLANTED["the positive completion is much longer"]] * 3 + [GOOD] * 7, SHORT).remarks() == []


def test_refusals_on_one_side_are_the_behavior_and_on_both_sides_are_not() -> None:
    assert "declines to answer" in seen(built_in("permissive"), CheckContext()).remarks()[0]
    refused = GOOD._replace(positive="I can't help with that.", negative="I cannot help you there.")
    assert seen([refused] * 9, SHORT).remarks() == []


def test_few_pairs_say_nothing_about_the_behavior() -> None:
    assert seen(built_in("concise")[:5], SHORT).remarks() == []


def test_what_never_can_be_meant_stays_a_fault_however_frequent() -> None:
    bad = PLANTED["the positive completion announces the behavior"]
    habits = seen([bad] * 20, SHORT)
    assert not any(habits.is_behavior(f) for f in faults(bad, SHORT) if f.name == "announces the behavior")
