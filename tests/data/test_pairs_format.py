import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.data import Pair, read_pairs
from trimtab.errors import DataError

GOOD = {"prompt": "Q", "positive": "yes", "negative": "no"}
CHOICE = {**GOOD, "choices": ["no", "yes"]}


def write(tmp_path, *rows, name="a.jsonl"):
    path = tmp_path / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def problems_of(path):
    with pytest.raises(DataError) as caught:
        read_pairs(path)
    return [problem.removeprefix(f"{path}") for problem in caught.value.problems]


def test_open_pair_is_read(tmp_path):
    assert read_pairs(write(tmp_path, GOOD)) == (Pair("L1", "Q", "yes", "no"),)


def test_choice_pair_has_the_letter_of_its_positive(tmp_path):
    (pair,) = read_pairs(write(tmp_path, CHOICE))
    assert (pair.choices, pair.listed, pair.label) == (("no", "yes"), True, "B")


def test_unlisted_choice_pair_has_the_word_as_label(tmp_path):
    (pair,) = read_pairs(write(tmp_path, {**CHOICE, "listed": False}))
    assert pair.label == "yes"


def test_chat_prompt_is_read(tmp_path):
    chat = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    (pair,) = read_pairs(write(tmp_path, {**GOOD, "prompt": chat}))
    assert pair.prompt == tuple(chat)


def test_generated_ids_name_the_line(tmp_path):
    assert [pair.id for pair in read_pairs(write(tmp_path, GOOD, "", GOOD))] == ["L1", "L3"]


def test_number_as_id_becomes_text(tmp_path):
    assert read_pairs(write(tmp_path, {**GOOD, "id": 7}))[0].id == "7"


def test_null_means_absent_for_optional_keys(tmp_path):
    row = {**GOOD, "choices": None, "listed": None, "id": None, "meta": None}
    assert read_pairs(write(tmp_path, row)) == read_pairs(write(tmp_path, GOOD))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({**GOOD, "prompt": 3}, '"prompt" must be text or a list of chat messages, not a number'),
        ({**GOOD, "prompt": " "}, '"prompt" is empty'),
        ({**GOOD, "prompt": []}, '"prompt" holds no messages'),
        ({**GOOD, "prompt": ["hi"]}, 'message 1 of "prompt" must be {"role": …, "content": …}'),
        ({**GOOD, "prompt": [{"role": "bot", "content": "x"}]}, "the roles are system, developer, user"),
        ({**GOOD, "prompt": [{"role": "user", "content": []}]}, '"content" of message 1 of "prompt" is empty'),
        ({**GOOD, "prompt": [{"role": "system", "content": "x"}]}, "is the system's; a reply follows a user"),
        ({**GOOD, "positive": ""}, '"positive" is empty'),
        ({**GOOD, "negative": None}, '"negative" must be text, not null'),
        ({**GOOD, "negative": "yes "}, '"positive" and "negative" are equal'),
        ({"prompt": "Q", "positive": "yes"}, 'the key "negative" is missing'),
        ({**GOOD, "choices": "yes"}, '"choices" must be a list of two texts'),
        ({**GOOD, "choices": ["yes", "no", "perhaps"]}, '"choices" holds 3; give exactly two'),
        ({**GOOD, "choices": ["yes", "yes"]}, 'the two "choices" are equal'),
        ({**GOOD, "choices": ["yes", "never"]}, '"negative" is not one of the "choices"; repeat one'),
        ({**GOOD, "choices": ["yes", "No"]}, "(only spaces or capitals differ)"),
        ({**GOOD, "listed": True}, '"listed" needs "choices"'),
        ({**CHOICE, "listed": "no"}, '"listed" must be true or false, not text'),
        ({**GOOD, "meta": []}, '"meta" must be an object, not a list'),
        ({**GOOD, "id": ["a"]}, '"id" must be text, not a list'),
        ({**GOOD, "id": ""}, '"id" is empty'),
    ],
)
def test_fault_is_reported_with_its_line(tmp_path, row, expected):
    (problem,) = problems_of(write(tmp_path, "", row))
    assert problem.startswith(":2: ")
    assert expected in problem


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("promt", "prompt"), ("Prompt", "prompt"), ("question_text", ""), ("chosen", "positive")],
)
def test_unknown_key_is_refused_with_the_nearest_right_one(tmp_path, wrong, right):
    row = {key: value for key, value in GOOD.items() if key != right} | {wrong: "text"}
    (problem,) = problems_of(write(tmp_path, row))
    assert f'unknown key "{wrong}"' in problem
    assert (f'did you mean "{right}"?' if right else "the keys are prompt, positive") in problem


def test_every_problem_of_a_file_is_reported_in_order(tmp_path):
    path = write(tmp_path, {**GOOD, "positive": "", "id": ""}, GOOD, "{", {**GOOD, "prompt": 1})
    assert [problem.split(":")[1] for problem in problems_of(path)] == ["1", "1", "3", "4"]


def test_repeated_id_names_the_line_that_has_it(tmp_path):
    (problem,) = problems_of(write(tmp_path, {**GOOD, "id": "a"}, {**GOOD, "id": "b"}, {**GOOD, "id": "a"}))
    assert problem == ':3: the id "a" is taken by line 1; ids must differ'


def test_minority_form_is_reported_when_open_and_choice_pairs_mix(tmp_path):
    (problem,) = problems_of(write(tmp_path, CHOICE, GOOD, CHOICE))
    assert problem.startswith(":2: this pair has no choices")


@given(st.data())
def test_swapping_twice_is_the_identity(data):
    texts = data.draw(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True))
    pair = Pair("a", "Q", texts[0], texts[1], choices=tuple(data.draw(st.permutations(texts))))
    assert pair.swapped().swapped() == pair
    assert {pair.label, pair.swapped().label} == {"A", "B"}
