"""Prompts that ask the same."""

from __future__ import annotations

import pytest

from generation.scripted import as_draft, built_in
from trimtab.data import BUILT_INS
from trimtab.generation.checks.duplicate_prompts import SeenPairs
from trimtab.generation.request import Draft

BASE = Draft("How do I keep basil alive in a small kitchen?", "yes", "no")


def reason(prompt: str) -> str:
    taken = SeenPairs()
    taken.add(BASE)
    return taken.repeats(Draft(prompt, "one", "two"))[0]


@pytest.mark.parametrize("prompt", [BASE.prompt, "how do i keep  basil alive\nin a small kitchen", BASE.prompt.upper()])
def test_the_same_words_are_a_repetition(prompt: str) -> None:
    assert reason(prompt) == "repeats a prompt"


@pytest.mark.parametrize(
    "prompt",
    [
        "How do I keep basil alive in my small kitchen?",
        "How can I keep my basil alive in a small kitchen",
        "In a small kitchen, how is basil kept alive? keep",
        "So, how do I keep basil alive in a small kitchen, please?",
    ],
)
def test_nearly_the_same_words_are_a_near_repetition(prompt: str) -> None:
    assert reason(prompt) == "nearly repeats a prompt"


@pytest.mark.parametrize(
    "prompt",
    ["How do I keep mint from taking over the garden?", "Is basil a perennial?", "How do I renovate a small kitchen?"],
)
def test_another_question_about_like_things_is_none(prompt: str) -> None:
    assert reason(prompt) == ""


def test_the_prompt_that_is_repeated_is_quoted_and_cut() -> None:
    taken = SeenPairs()
    taken.add_prompts(["word " * 50])
    assert taken.repeats(Draft("word " * 50, "a", "b"))[1].endswith("word …'")


def test_the_same_completions_under_another_prompt_are_a_repetition() -> None:
    taken = SeenPairs()
    taken.add(BASE)
    assert taken.repeats(Draft("Is it raining?", "YES!", "No."))[0] == "repeats a completion"
    assert taken.repeats(Draft("Is it raining?", "Yes.", "Not yet."))[0] == ""


def test_one_long_completion_that_comes_again_is_a_copy_on_either_side() -> None:
    taken = SeenPairs()
    taken.add(Draft("Should I pack an umbrella?", "Yes, January is rainy, so pack one.", "It may well rain there."))
    for draft in (
        Draft("Is Ottawa large?", "Yes, January is rainy, so pack one!", "It is a city."),
        Draft("Is Ottawa large?", "It is a city.", "yes january is rainy so pack one"),
    ):
        assert taken.repeats(draft)[0] == "repeats a completion"


def test_prompts_without_words_repeat_only_themselves() -> None:
    taken = SeenPairs()
    taken.add_prompts(["?!"])
    assert taken.repeats(Draft("Any tips?", "a", "b"))[0] == ""


@pytest.mark.parametrize("name", BUILT_INS)
def test_prompts_written_to_differ_do(name: str) -> None:
    taken = SeenPairs()
    for draft in map(as_draft, BUILT_INS[name].load()):
        assert taken.repeats(draft) == ("", "")
        taken.add(draft)


def test_every_one_of_many_is_compared() -> None:
    taken = SeenPairs()
    for draft in built_in("cheerful"):
        taken.add(draft)
    assert all(taken.repeats(draft)[0] for draft in built_in("cheerful"))
