"""Data answered by a label, however it is spelled, is a choice between options or it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trimtab.data import Behavior, Pair, check, dataset, present, read_pairs
from trimtab.data.formats._inline_options import find_options
from trimtab.data.formats.completion_labels import read_label
from trimtab.errors import DataError, TrimtabWarning

LISTINGS = {
    "(A)": " (A) {}\n (B) {}", "A)": "A) {}\nB) {}", "A.": "A. {}\nB. {}", "A:": "A: {}\nB: {}", "a)": "a) {}\nb) {}",
    "[A]": "[A] {}\n[B] {}", "1.": "1. {}\n2. {}", "1)": "1) {}\n2) {}", "(1)": "(1) {}\n(2) {}",
    "in a line": "(A) {} (B) {}", "(A):": "(A): {}\n(B): {}",
}  # fmt: skip
COMPLETIONS = {
    "(A)": ("(A)", "(B)"), " (A)": (" (A)", " (B)"), "A": ("A", "B"), "A.": ("A.", "B."), "A)": ("A)", "B)"),
    "A:": ("A:", "B:"), "Answer: A": ("Answer: A", "Answer: B"),
    "The answer is (A)": ("The answer is (A)", "The answer is (B)"),
    "(A) text": ("(A) {}", "(B) {}"), "A. text": ("A. {}", "B. {}"), "1": ("1", "2"), "(1)": ("(1)", "(2)"),
}  # fmt: skip


def options(index: int) -> tuple[str, str]:
    return f"Yes, go ahead with {index}", f"No, keep {index}"


def choice_pairs(n: int = 8) -> list[Pair]:
    """The data as it should be read; the positive answer is the first option of every third pair."""
    found = []
    for index in range(n):
        yes, no = options(index)
        shown = (yes, no) if index % 3 == 0 else (no, yes)
        found.append(Pair(f"L{index + 1}", f"May we do number {index}?", yes, no, shown))
    return found


def spelled(pair: Pair, listing: str, completions: tuple[str, str], closing: str = "") -> dict[str, str]:
    """The same pair as prompt + label."""
    labels = [completions[pair.choices.index(text)].format(text) for text in (pair.positive, pair.negative)]
    prompt = f"{pair.prompt}\n\nChoices:\n{listing.format(*pair.choices)}{closing}"
    return {"prompt": prompt, "positive": labels[0], "negative": labels[1]}


def written(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


STYLES = [
    (listing, completion)
    for listing in LISTINGS
    for completion in COMPLETIONS
    if ("1" in listing) == ("1" in completion)
]


@pytest.mark.parametrize(("listing", "completion"), STYLES, ids=[f"{a} {b}" for a, b in STYLES])
def test_labels_of_listed_options_are_the_choice_pairs_they_stand_for(
    tmp_path: Path, listing: str, completion: str
) -> None:
    rows = [spelled(pair, LISTINGS[listing], COMPLETIONS[completion]) for pair in choice_pairs()]
    assert read_pairs(written(tmp_path, rows)) == tuple(choice_pairs())


@pytest.mark.parametrize("closing", ["\n\nAnswer:", "\nAnswer: (", "\n\nAnswer with (A) or (B).", "\nYour choice:"])
def test_words_that_ask_for_the_answer_are_no_part_of_the_last_option(tmp_path: Path, closing: str) -> None:
    rows = [spelled(pair, LISTINGS["(A)"], COMPLETIONS["(A)"], closing) for pair in choice_pairs()]
    assert read_pairs(written(tmp_path, rows)) == tuple(choice_pairs())


def test_options_in_the_last_message_of_a_conversation_are_read(tmp_path: Path) -> None:
    row = spelled(choice_pairs()[0], LISTINGS["(A)"], COMPLETIONS["(A)"])
    system = {"role": "system", "content": "Be brief."}
    (pair,) = read_pairs(written(tmp_path, [{**row, "prompt": [system, {"role": "user", "content": row["prompt"]}]}]))
    assert pair.prompt == (system, {"role": "user", "content": choice_pairs()[0].prompt})
    assert pair.choices == choice_pairs()[0].choices


def test_of_more_than_two_options_the_two_answers_stay_in_their_order(tmp_path: Path) -> None:
    row = {"prompt": "Which?\n(A) one\n(B) two\n(C) three", "positive": "(C)", "negative": "(A)"}
    (pair,) = read_pairs(written(tmp_path, [row]))
    assert (pair.prompt, pair.choices, pair.label) == ("Which?", ("one", "three"), "B")
    assert pair.meta == {"kept_options": "AC"}


def test_answer_words_count_the_same_however_often_each_is_positive(tmp_path: Path) -> None:
    answers = [("Yes", "No"), ("No", "Yes"), ("Yes", "No"), ("Yes", "No")]
    rows = [{"prompt": f"Q{i}", "positive": a, "negative": b} for i, (a, b) in enumerate(answers)]
    behavior = dataset(written(tmp_path, rows))
    assert {(pair.choices, pair.listed) for pair in behavior} == {(("Yes", "No"), False)}
    weight = {"Yes": 0.0, "No": 0.0}
    for shown in present(behavior, "choice"):
        weight[shown.pair.label] += shown.weight
    assert weight["Yes"] == pytest.approx(weight["No"])


@pytest.mark.parametrize(
    ("yes", "no"), [("Yes", "No"), ("yes.", "No."), ("True", "False"), ("Oui", "Non"), ("Right", "Wrong")]
)
def test_one_answer_word_in_every_pair_is_refused(tmp_path: Path, yes: str, no: str) -> None:
    path = written(tmp_path, [{"prompt": f"Q{i}", "positive": yes, "negative": no} for i in range(8)])
    with pytest.raises(DataError, match="nothing can tell a behavior from the word") as caught:
        dataset(path)
    (problem,) = caught.value.problems
    assert '"listed": false' in problem


def test_the_word_itself_may_be_asked_for_and_is_warned_of(tmp_path: Path) -> None:
    meant = {"choices": ["Yes", "No"], "listed": False}
    path = written(tmp_path, [{"prompt": f"Q{i}", "positive": "Yes", "negative": "No", **meant} for i in range(8)])
    with pytest.warns(TrimtabWarning, match="'Yes' in every pair"):
        present(dataset(path), "choice")


UNLISTED = {
    "letters": [("(A)", "(B)"), ("(B)", "(A)")],
    "bare letters": [("A", "B"), ("B", "A")],
    "numbers": [("1", "2"), ("2", "1")],
    "letters before texts": [("(A) Go", "(B) Stay"), ("(B) Go", "(A) Stay")],
}


@pytest.mark.parametrize("answers", UNLISTED.values(), ids=UNLISTED)
def test_labels_of_options_that_no_prompt_lists_are_refused_with_the_remedy(
    tmp_path: Path, answers: list[tuple[str, str]]
) -> None:
    rows = [{"prompt": f"Q{i}", "positive": answers[i % 2][0], "negative": answers[i % 2][1]} for i in range(8)]
    with pytest.raises(DataError, match='"choices"') as caught:
        dataset(written(tmp_path, rows))
    (problem,) = caught.value.problems
    assert ":1: " in problem
    assert "7 more lines" in problem


@pytest.mark.parametrize(
    ("prompt", "positive", "negative", "named"),
    [
        ("Which?\n(A) one\n(B) two", "(C)", "(A)", "the options in the prompt are A, B"),
        ("Which?\n(A) one\n(B) two", "(A) one", "(B) three", "another text than that option"),
        (
            "Which?\n(A) one\n(B) two\n\nThink of the cat.",
            "(A)",
            "(B)",
            "lists no options that can be told for certain",
        ),
        ("Which?\n(A) one\n(B) one", "(A)", "(B)", "lists no options that can be told for certain"),
        ("Which?\n(A) one\n(B)", "(A)", "(B)", "lists no options that can be told for certain"),
    ],
)
def test_what_cannot_be_told_for_certain_is_refused(
    tmp_path: Path, prompt: str, positive: str, negative: str, named: str
) -> None:
    with pytest.raises(DataError, match=named):
        read_pairs(written(tmp_path, [{"prompt": prompt, "positive": positive, "negative": negative}]))


TEXTS = {
    "texts that begin with yes": ("Is it raining?", "Yes, it is pouring.", "No, the sun is out."),
    "arithmetic": ("What is {} plus {}?", "{}", "{}9"),
    "a letter is asked for": ("Which letter comes after letter {}?", "C", "Y"),
    "names with an initial": ("Who wrote book {}?", "ABCDEFGH. Smith", "JKLMNOPQ. Jones"),
    "an article": ("What do you see in {}?", "A dog called {}.", "I see nothing in {}."),
    "steps": ("How do I do {}?", "1. Open {}.\n2. Close it.", "1. Give up on {}.\n2. Sleep."),
    "an enumeration in the prompt": ("Sum up:\n1. x{}\n2. y", "x{} and y.", "Nothing."),
}


@pytest.mark.parametrize("texts", TEXTS.values(), ids=TEXTS)
def test_texts_are_not_taken_for_labels(tmp_path: Path, texts: tuple[str, str, str]) -> None:
    rows = [
        dict(zip(("prompt", "positive", "negative"), (t.format(i, i) for t in texts), strict=True)) for i in range(8)
    ]
    if "Smith" in texts[1]:
        for index, row in enumerate(rows):
            row |= {side: row[side][index] + row[side][8:] for side in ("positive", "negative")}
    # Of these a whole file would be of the same two letters; elsewhere they are a few among many.
    if texts[1] == "C":
        rows = rows[:2] + [{"prompt": f"P{i}", "positive": f"good {i}", "negative": f"bad {i}"} for i in range(8)]
    assert not any(pair.is_choice for pair in read_pairs(written(tmp_path, rows)))


def test_few_answer_words_among_texts_stay_texts(tmp_path: Path) -> None:
    rows = [{"prompt": f"Q{i}", "positive": f"yes {i}", "negative": f"no {i}"} for i in range(8)]
    rows += [{"prompt": f"P{i}", "positive": "Yes", "negative": "No"} for i in range(3)]
    assert not any(pair.is_choice for pair in read_pairs(written(tmp_path, rows)))


def test_choices_lose_labels_of_their_own(tmp_path: Path) -> None:
    rows = [
        {"prompt": p.prompt, "positive": f"({p.label}) {p.positive}",
         "negative": f"({'AB'[p.label == 'A']}) {p.negative}",
         "choices": [f"({letter}) {text}" for letter, text in zip("AB", p.choices, strict=True)]}
        for p in choice_pairs()
    ]  # fmt: skip
    assert read_pairs(written(tmp_path, rows)) == tuple(choice_pairs())


def test_choices_that_are_labels_take_their_texts_from_the_prompt(tmp_path: Path) -> None:
    rows = [{**spelled(pair, LISTINGS["(A)"], ("(A)", "(B)")), "choices": ["(A)", "(B)"]} for pair in choice_pairs()]
    assert read_pairs(written(tmp_path, rows)) == tuple(choice_pairs())


def test_choices_that_are_labels_of_nothing_are_refused(tmp_path: Path) -> None:
    rows = [{"prompt": f"Q{i}", "positive": "A", "negative": "B", "choices": ["A", "B"]} for i in range(4)]
    with pytest.raises(DataError, match="labels without texts"):
        read_pairs(written(tmp_path, rows))


def test_check_says_that_labels_were_read_as_choices(tmp_path: Path) -> None:
    rows = [spelled(pair, LISTINGS["(A)"], COMPLETIONS["(A)"]) for pair in choice_pairs()]
    remarks = check(written(tmp_path, rows)).remarks
    assert any("8 of 8 pairs" in remark and "choice pairs" in remark for remark in remarks)


def test_pairs_made_by_hand_with_labels_are_warned_of() -> None:
    pairs = tuple(Pair(f"p{i}", f"Q{i}", "(A)", "(B)") for i in range(8))
    with pytest.warns(TrimtabWarning, match="label"):
        present(Behavior("by-hand", pairs), "text")


@pytest.mark.parametrize(
    ("completion", "value"),
    [("(A)", "A"), (" b.", "B"), ("2)", "2"), ("Yes", "yes"), ("No.", "no"), ("Yes, gladly", "yes"), ("(B) text", "B")],
)
def test_the_label_that_a_completion_begins_with_is_read(completion: str, value: str) -> None:
    label = read_label(completion)
    assert label is not None
    assert label.value == value


@pytest.mark.parametrize(
    "completion", ["A dog", "I am fine", "Note this", "Yesterday", "123", "No one knows", "yes1", ""]
)
def test_words_are_no_labels(completion: str) -> None:
    assert read_label(completion) is None


def test_a_mention_of_options_is_no_list_of_them() -> None:
    assert find_options("Compare plan (A) with the others.\nWhich is better?") is None
    assert find_options("Is (A) or (B) better?\nSay why.") is None
