"""What only shows in all pairs together."""

from __future__ import annotations

from dataclasses import replace

from trimtab.data import BUILT_INS, Behavior, Pair
from trimtab.generation import CheckContext, review
from trimtab.generation._situations import FORMS, SUBJECTS, situations
from trimtab.generation.checks.dataset_checks import openings, overused, separability
from trimtab.generation.reviewing import SIDES_SWAPPED


def begun(behavior: Behavior, positive: str, negative: str, count: int) -> list[Pair]:
    """The pairs, the first so many beginning with these words."""
    changed = [replace(p, positive=positive + p.positive, negative=negative + p.negative) for p in behavior[:count]]
    return [*changed, *behavior[count:]]


def test_a_word_that_begins_one_side_is_a_giveaway() -> None:
    found = openings(begun(BUILT_INS["cheerful"].load(), "Sure! ", "", 40))
    assert [str(opening) for opening in found] == [
        "57% of the positive completions begin with 'sure', 0% of the others: a vector may find that word instead of "
        "the behavior"
    ]


def test_a_word_that_begins_both_sides_gives_nothing_away() -> None:
    assert openings(begun(BUILT_INS["cheerful"].load(), "Sure! ", "Sure. ", 40)) == []


def test_words_that_begin_too_many_completions_are_named_for_the_writer() -> None:
    assert overused(begun(BUILT_INS["cheerful"].load(), "Great, ", "Well, ", 20)) == ["great", "well"]
    assert overused(BUILT_INS["cheerful"].load()) == []


def test_swapped_sides_are_flagged_by_a_classifier_that_has_not_seen_them() -> None:
    behavior = BUILT_INS["sutro-tower"].load()
    turned = {3, 30, 61}
    pairs = [replace(p, positive=p.negative, negative=p.positive) if i in turned else p for i, p in enumerate(behavior)]
    found = review(Behavior("planted", tuple(pairs)), CheckContext())
    assert found.accuracy is not None
    assert found.accuracy > 0.9
    assert {i for i, flags in enumerate(found.flags) if SIDES_SWAPPED in flags} == turned
    assert separability(behavior).reversed_pairs == frozenset()


def test_sides_that_cannot_be_told_apart_are_said_and_no_pair_is_flagged_for_it() -> None:
    behavior = BUILT_INS["cheerful"].load()
    mixed = [replace(p, positive=p.negative, negative=p.positive) if i % 2 else p for i, p in enumerate(behavior)]
    found = separability(Behavior("mixed", tuple(mixed)))
    assert "words alone do not show this behavior, or the pairs do not" in found.text
    assert found.reversed_pairs == frozenset()


def test_too_few_pairs_for_a_classifier_are_said() -> None:
    found = review(BUILT_INS["cheerful"].load()[:4], CheckContext())
    assert found.accuracy is None
    assert "4 different prompts are too few" in found.remarks[0]


def test_a_review_flags_the_later_one_of_two_equal_prompts() -> None:
    pairs = BUILT_INS["cheerful"].load().pairs
    again = replace(pairs[0], id="again", positive="Splendid weather for it!", negative="Dull weather for it.")
    found = review(Behavior("twice", (*pairs, again)), CheckContext())
    assert any("repeats the prompt 'How long should I boil eggs" in flag for flag in found.flags[-1])
    assert not any("repeats" in flag for flag in found.flags[0])


def test_situations_differ_until_all_have_been_used_and_follow_the_seed() -> None:
    every = situations("open", 0, 0, len(SUBJECTS) * len(FORMS["open"]))
    assert len(set(every)) == len(every) == 576
    assert situations("open", 0, 570, 10) == [*every[570:], *every[:4]]
    assert situations("open", 1, 0, 10) != every[:10]
    assert len({situation.split(";")[0] for situation in every[:60]}) > 30
