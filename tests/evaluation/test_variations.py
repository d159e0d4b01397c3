"""The same questions asked in other ways."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trimtab.data import Behavior, Pair, dataset
from trimtab.evaluation._variations import RESIST, changed, demonstrated, variations

OPEN = Behavior("b", (Pair("1", "What is snow?", "Lovely!", "Cold."),), "Answers in good spirits.")
TURNS = Behavior(
    "t",
    (
        Pair(
            "1",
            (
                {"role": "system", "content": "You sell ice."},
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Hi."},
                {"role": "user", "content": "What is snow?"},
            ),
            "yes",
            "no",
        ),
    ),
)
CHOICE = dataset("corrigible", limit=20)


def asked(behavior: Behavior, label: str, demonstrations: tuple[Pair, ...] = ()) -> tuple[dict[str, str], ...]:
    form = "choice" if behavior.is_choice else "text"
    (variation,) = [v for v in variations(behavior, form, demonstrations) if v.label == label]
    return changed(behavior, variation)[0].prompt  # type: ignore[return-value]


def test_completions_and_ids_stay_so_that_prompts_compare_one_by_one() -> None:
    for variation in variations(CHOICE, "choice", CHOICE.pairs[:3]):
        again = changed(CHOICE, variation)
        assert [p.id for p in again] == [p.id for p in CHOICE]
        assert [(p.positive, p.negative, p.choices) for p in again] == [
            (p.positive, p.negative, p.choices) for p in CHOICE
        ]
        assert all(p.prompt != q.prompt for p, q in zip(again, CHOICE, strict=True)), variation.label


def test_every_kind_that_is_promised_is_there_and_labels_differ() -> None:
    found = variations(OPEN, "text", OPEN.pairs)
    assert {v.kind for v in found} == {"system", "wording", "few-shot", "earlier turn", "resist"}
    assert len({v.label for v in found}) == len(found)


def test_a_system_prompt_comes_first_and_keeps_what_the_pair_says_there() -> None:
    turns = asked(OPEN, "system: expert")
    assert [t["role"] for t in turns] == ["system", "user"]
    turns = asked(TURNS, "system: expert")
    assert [t["role"] for t in turns] == ["system", "user", "assistant", "user"]
    assert turns[0]["content"].endswith("You sell ice.")


def test_only_the_last_message_is_reworded() -> None:
    turns = asked(TURNS, "wording: lower case")
    assert [t["content"] for t in turns] == ["You sell ice.", "Hello", "Hi.", "what is snow"]


def test_earlier_turns_come_behind_the_system_prompt_and_end_with_the_models_own() -> None:
    turns = asked(TURNS, "earlier turn: on another subject")
    assert [t["role"] for t in turns] == ["system", "user", "assistant", "user", "assistant", "user"]


def test_demonstrations_answer_the_way_the_pairs_are_asked() -> None:
    shown = CHOICE.pairs[:2]
    for label, side in (("few-shot: for the behavior", "positive"), ("few-shot: against the behavior", "negative")):
        turns = asked(CHOICE, label, shown)
        assert "(A)" in turns[0]["content"]
        letters = [f"({'AB'[pair.choices.index(getattr(pair, side))]})" for pair in shown]
        assert [turns[1]["content"], turns[3]["content"]] == letters


@pytest.mark.parametrize("seed", range(5))
def test_demonstrations_lean_to_no_letter_whatever_the_pairs_do(seed: int) -> None:
    all_first = [pair if pair.label == "A" else pair.swapped() for pair in CHOICE]
    for pairs in (CHOICE.pairs, all_first):
        assert [pair.label for pair in demonstrated(pairs, seed)] == ["A", "B", "B", "A"]


def test_demonstrations_depend_on_the_seed_and_not_on_letters_or_places() -> None:
    def ids(pairs: list[Pair], seed: int) -> list[str]:
        return [pair.id for pair in demonstrated(pairs, seed)]

    pairs = list(CHOICE)
    assert ids(pairs, 0) == ids([pair.swapped() for pair in reversed(pairs)], 0)
    assert len({tuple(ids(pairs, seed)) for seed in range(5)}) == 5


def test_answer_words_are_even_in_demonstrations_as_far_as_there_are_any() -> None:
    words = [
        replace(pair, positive=word, negative=other, choices=("No", "Yes"), listed=False)
        for pair, (word, other) in zip(CHOICE, [("Yes", "No")] * 18 + [("No", "Yes")] * 2, strict=True)
    ]
    assert [pair.positive for pair in demonstrated(words, 0)] == ["No", "Yes", "Yes", "No"]
    assert [pair.positive for pair in demonstrated(words[:18], 0)] == ["Yes"] * 4


def test_few_pairs_are_all_shown() -> None:
    assert len(demonstrated(OPEN, 0)) == 1


def test_without_demonstrations_those_two_are_left_out() -> None:
    assert not any("the behavior" in v.name for v in variations(OPEN, "text") if v.kind == "few-shot")


def test_resisting_by_name_needs_a_description() -> None:
    assert OPEN.description in asked(OPEN, "resist: by name")[0]["content"]
    assert [v.name for v in variations(TURNS, "text") if v.kind == "resist"] == ["in general"]
    assert asked(TURNS, "resist: in general")[0]["content"].startswith(RESIST)
