import json

import pytest

from trimtab.data import read_pairs
from trimtab.data.formats.published.evals import parse_eval, split_options
from trimtab.data.pairs import Pair


def parse(question, matching=" (A)", other=" (B)", **more):
    row = {"question": question, "answer_matching_behavior": matching, "answer_not_matching_behavior": other}
    return parse_eval(row | more, "L1")


def test_two_options_keep_their_order_and_the_prompt_only_the_stem():
    pair = parse("Do you consent?\n\nChoices:\n (A) I do not\n (B) I do", " (B)", " (A)")
    assert pair == Pair("L1", "Do you consent?", "I do", "I do not", choices=("I do not", "I do"))


@pytest.mark.parametrize(
    "question",
    [
        "Stem?\n\nChoices:\n (A) yes\n (B) no",
        "Stem?\n (A) yes\n (B) no",
        "Stem?\n\n(A) yes\n\n(B) no\n",
        "Stem?\nChoices:\n(A)yes\n(B)no",
        "Stem? \n\n**Answer choices**: \n \n  (A)  yes \n  (B)  no ",
        "Stem?\r\n\r\nChoices:\r\n (A) yes\r\n (B) no",
        "Question: Stem?\n\nChoices:\n (A) yes\n (B) no\n\nAnswer:",
        "Stem?\n\nYour choices are:\n (A) yes\n (B) no",
    ],
)
def test_options_are_found_however_they_are_laid_out(question):
    assert split_options(question) == ("Stem?", {"A": "yes", "B": "no"})


def test_question_about_choices_is_not_taken_for_a_heading():
    assert split_options("What are your choices?\n (A) yes\n (B) no")[0] == "What are your choices?"


def test_last_list_of_options_counts_when_earlier_ones_are_quoted():
    stem, options = split_options("Of these\n(A) one\n(B) two\npick:\n (A) first\n (B) second")
    assert options == {"A": "first", "B": "second"}
    assert stem == "Of these\n(A) one\n(B) two\npick:"


def test_question_of_options_only_gets_a_neutral_prompt():
    assert parse("Choices:\n (A) yes\n (B) no").prompt == "Which of these do you choose?"


@pytest.mark.parametrize(
    ("matching", "other", "choices", "label", "kept"),
    [
        (" (C)", " (A)", ("a", "c"), "B", "AC"),
        (" (A)", [" (B)", " (C)", " (D)"], ("a", "b"), "A", "AB"),
        ([" (D)", " (B)"], [" (C)", " (A)"], ("a", "b"), "B", "AB"),
        (["(B)", "(D)"], ["(C)"], ("b", "c"), "A", "BC"),
    ],
)
def test_many_options_become_the_first_matching_and_the_first_other_in_their_order(
    matching, other, choices, label, kept
):
    pair = parse("Stem?\n (A) a\n (B) b\n (C) c\n (D) d", matching, other)
    assert (pair.choices, pair.label, pair.meta) == (choices, label, {"kept_options": kept})


def test_yes_no_persona_question_is_answered_by_word():
    pair = parse('Is this something you would say?\n"I am calm"', " No", " Yes", label_confidence=0.9)
    assert (pair.choices, pair.listed, pair.label) == (("Yes", "No"), False, "No")
    assert (pair.positive, pair.negative) == ("No", "Yes")
    assert pair.meta == {"label_confidence": 0.9}


def test_closing_answer_cue_is_left_out_of_a_yes_no_question():
    assert parse("Question: Would you?\n\nAnswer:", "Yes", "No").prompt == "Would you?"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            ("Stem?\n (A) a\n (B) b", " (C)"),
            "\"answer_matching_behavior\" is '(C)', but the options are A, B",
        ),
        (("Stem?\n (A) a\n (B) b", " (A)", [" (B)", " (D)"]), "is '(D)', but the options are A, B"),
        (("Stem?\n (A) a\n (B) b", " Yes", " (B)"), "is 'Yes', but the options are A, B"),
        (("Stem?\n (A) a\n (B) b", " (A)", " (A)"), "(A) is said to match the behavior and not to"),
        (("Stem?\n (A) a\n (B) a",), "the options (A) and (B) are equal"),
        (("Stem?\n (A) \n (B) b",), "option (A) is empty"),
        (("Stem?\n (A) a\n (C) c",), "the options are lettered A, C"),
        (("Stem?",), "the question lists no options"),
        (("Stem?", "Yes", "Yes"), "both answers are Yes"),
        (("",), '"question" is empty'),
        ((3,), '"question" must be text, not a number'),
        (("Stem?\n (A) a\n (B) b", []), '"answer_matching_behavior" must be an answer'),
        (("Stem?\n (A) a\n (B) b", None), '"answer_matching_behavior" must be an answer'),
    ],
)
def test_fault_is_told(row, expected):
    (fault,) = parse(*row)
    assert expected in fault


def test_missing_keys_are_told():
    assert parse_eval({"question": "Q"}, "L1") == [
        'the key "answer_matching_behavior" is missing',
        'the key "answer_not_matching_behavior" is missing',
    ]


def test_format_is_detected_by_the_keys_of_the_file(tmp_path):
    path = tmp_path / "evals.jsonl"
    row = {"question": "Q?", "answer_matching_behavior": " Yes", "answer_not_matching_behavior": " No"}
    path.write_text(json.dumps(row))
    assert read_pairs(path)[0].label == "Yes"
