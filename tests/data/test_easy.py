import re
from collections import Counter, defaultdict

import pytest
import torch

from trimtab.data import BUILT_INS, NEUTRAL_PROMPTS, dataset, easy_questions
from trimtab.data.hash_order import prompt_key
from trimtab.engines import Model
from trimtab.errors import DataError
from trimtab.models import Backbone
from trimtab.steering import Intervention

QUESTIONS = easy_questions()


@pytest.fixture(scope="module")
def shares_right(smol: Backbone) -> tuple[float, float]:
    """Of the bundled model, unsteered and under a push that wrecks it."""
    model = Model(smol)
    direction = torch.randn(model.facts.width, generator=torch.Generator().manual_seed(0))
    push = Intervention({15: direction}, 2.0, "relative", "all")
    batches = list(model.score(model.encode(QUESTIONS.pairs, "text"), [push], "text"))
    assert sorted(index for batch in batches for index in batch.indices) == list(range(80))
    unsteered, wrecked = (torch.cat([batch.scores for batch in batches], dim=1) > 0).float().mean(dim=1).tolist()
    return unsteered, wrecked


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold())) - {"a", "an", "the", "in"}


def test_there_are_80_open_questions_numbered_in_order():
    assert [pair.id for pair in QUESTIONS] == [f"easy-questions-{number:03}" for number in range(1, 81)]
    assert not QUESTIONS.is_choice


def test_no_question_comes_twice_or_is_asked_elsewhere():
    asked = {prompt_key(pair) for pair in QUESTIONS}
    assert len(asked) == len(QUESTIONS)
    assert asked.isdisjoint(prompt_key(pair) for built_in in BUILT_INS.values() for pair in built_in.load())
    assert asked.isdisjoint(NEUTRAL_PROMPTS)


def test_whoever_prefers_an_answer_whatever_is_asked_gets_half_of_them_right():
    right_answers = defaultdict(list)
    for pair in QUESTIONS:
        right_answers[frozenset((pair.positive, pair.negative))].append(pair.positive)
    assert len(right_answers) == 40
    for both, right in right_answers.items():
        assert set(right) == both, f"{sorted(both)}: one of them is never right"
        assert len(right) == 2


def test_right_answers_are_as_long_and_as_often_first_in_the_alphabet_in_both_halves_of_the_file():
    for half in (QUESTIONS[:40], QUESTIONS[40:]):
        assert sum(pair.positive < pair.negative for pair in half) == 20
        right, wrong = (sum(len(getattr(pair, side)) for pair in half) for side in ("positive", "negative"))
        assert right == pytest.approx(wrong, rel=0.1)


def test_answers_of_a_question_are_of_the_same_form():
    for pair in QUESTIONS:
        right, wrong = pair.positive.split(), pair.negative.split()
        assert abs(len(right) - len(wrong)) <= 1, pair.id
        assert pair.positive.endswith(".")
        assert pair.negative.endswith(".")


def test_a_question_that_names_its_right_answer_names_the_wrong_one_too():
    for pair in QUESTIONS:
        asked, right, wrong = words(pair.prompt), words(pair.positive), words(pair.negative)
        assert not (right - wrong) & asked or (wrong - right) & asked, pair.prompt


def test_topics_are_spread_and_keep_both_questions_of_a_couple_together():
    topics = Counter(pair.meta["topic"] for pair in QUESTIONS)
    assert set(topics) == {"facts", "arithmetic", "words", "reading", "ordering", "everyday", "science"}
    assert all(count >= 10 and count % 2 == 0 for count in topics.values())


def test_easy_questions_are_no_behavior_to_steer():
    assert QUESTIONS.name not in BUILT_INS
    with pytest.raises(DataError, match="no behavior or file 'easy-questions'"):
        dataset("easy-questions")


def test_the_bundled_model_gets_most_right_with_room_to_fall(shares_right):
    unsteered, _ = shares_right
    assert 0.8 <= unsteered <= 0.92


def test_a_push_that_wrecks_the_model_leaves_about_half_right(shares_right):
    _, wrecked = shares_right
    assert wrecked == pytest.approx(0.5, abs=0.15)
