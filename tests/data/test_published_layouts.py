"""The layouts of published data and of other tools, written anew: each is read with the right value."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from trimtab.data import AnyContrast, Behavior, PromptContrast, SetContrast, check, contrast, dataset
from trimtab.data.pairs import Pair
from trimtab.errors import TrimtabWarning

ASK, TELL = {"role": "user", "content": "Well?"}, {"role": "assistant", "content": "Great."}
AWFUL = {"role": "assistant", "content": "Awful."}


def read(tmp_path: Path, *rows: Any, name: str = "a.json") -> AnyContrast:
    (tmp_path / name).write_text(json.dumps(list(rows), indent=2))
    return contrast(tmp_path / name)


def pair(tmp_path: Path, row: Any) -> Pair:
    found = read(tmp_path, row)
    assert isinstance(found, Behavior)
    return found[0]


SAID = ("Great.", "Awful.")


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"prompt": "Well?", "chosen": "Great.", "rejected": "Awful."}, "Well?"),
        ({"question": "Well?", "system": "", "chosen": "Great.", "rejected": "Awful."}, "Well?"),
        (
            {"system": "Be.", "question": "Well?", "chosen": "Great.", "rejected": "Awful."},
            ({"role": "system", "content": "Be."}, ASK),
        ),
        ({"prompt": [ASK], "chosen": [TELL], "rejected": [AWFUL]}, (ASK,)),
        ({"prompt": "Well?", "chosen": [ASK, TELL], "rejected": [ASK, AWFUL], "score_chosen": 8.0}, (ASK,)),
        (
            {"conversations": [{"from": "human", "value": "Well?"}], "chosen": {"from": "gpt", "value": "Great."},
             "rejected": {"from": "gpt", "value": "Awful."}}, (ASK,),
        ),
        ({"chosen": [ASK, TELL], "rejected": [ASK, AWFUL]}, "Well?"),
        (
            {"chosen": "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Well?\n\nAssistant: Great.",
             "rejected": "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: Well?\n\nAssistant: Awful."},
            ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}, ASK),
        ),
    ],
)  # fmt: skip
def test_of_preferences_the_chosen_reply_is_positive(tmp_path: Path, row: Any, prompt: Any) -> None:
    found = pair(tmp_path, row)
    assert (found.prompt, found.positive, found.negative) == (prompt, *SAID)


def test_a_reply_of_several_paragraphs_stays_whole(tmp_path: Path) -> None:
    row = {"chosen": "\n\nHuman: Q\n\nAssistant: One.\n\nTwo: three.", "rejected": "\n\nHuman: Q\n\nAssistant: No."}
    assert pair(tmp_path, row).positive == "One.\n\nTwo: three."


GOOD = [{"prompt": f"Q{i}", "chosen": f"good {i}", "rejected": f"bad {i}"} for i in range(4)]
GOOD_TALK = [
    {"chosen": f"\n\nHuman: {i}\n\nAssistant: great", "rejected": f"\n\nHuman: {i}\n\nAssistant: poor"}
    for i in range(4)
]


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        (GOOD, {"prompt": "Q", "chosen": "same", "rejected": "same "}, "the chosen reply is the rejected one"),
        (GOOD, {"prompt": "Q", "chosen": "", "rejected": "b"}, '"chosen" is empty'),
        (GOOD, {"prompt": "Q", "chosen": [ASK, TELL], "rejected": [TELL]}, "part before their last replies"),
        (GOOD, {"prompt": "Q", "chosen": [ASK, TELL], "rejected": [ASK, AWFUL]}, 'do not end in "prompt"'),
        (
            GOOD_TALK,
            {**GOOD_TALK[0], "rejected": "\n\nHuman: other\n\nAssistant: poor"},
            "part before their last replies",
        ),
        (GOOD_TALK, {**GOOD_TALK[0], "rejected": "\n\nHuman: 0\n\nAssistant:"}, "turn 2"),
        (GOOD_TALK, {**GOOD_TALK[0], "rejected": "\n\nHuman: 0"}, "does not end in an assistant's reply"),
    ],
)
def test_preferences_that_are_no_pair_are_left_out(tmp_path: Path, good: list[Any], bad: Any, reason: str) -> None:
    with pytest.warns(TrimtabWarning, match="1 item is no pair and left out: item 5") as caught:
        found = read(tmp_path, *good, bad)
    assert len(found) == 4
    assert any(reason in str(warning.message) for warning in caught)


TRUTH = {"question": "Is it?", "category": "Facts"}


@pytest.mark.parametrize(
    ("answers", "positive", "negative"),
    [
        (
            {"best_answer": "No", "correct_answers": ["No", "Nope"], "incorrect_answers": ["It is"]},
            "No",
            "It is",
        ),
        ({"best_answer": "No", "best_incorrect_answer": "Sure", "incorrect_answers": ["It is", "Sure"]}, "No", "Sure"),
        ({"mc1_targets": {"choices": ["It is", "No"], "labels": [0, 1]}}, "No", "It is"),
        ({"mc1_targets": {"No": 1, "It is": 0}, "mc2_targets": {"No": 1, "It is": 0}}, "No", "It is"),
    ],
)
def test_a_question_of_truthfulqa_is_one_pair(tmp_path: Path, answers: Any, positive: str, negative: str) -> None:
    found = pair(tmp_path, {**TRUTH, **answers})
    assert (found.prompt, found.positive, found.negative) == ("Is it?", positive, negative)
    assert found.meta["category"] == "Facts"


def test_the_table_of_truthfulqa_says_how_answers_are_paired(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "Type,Question,Best Answer,Best Incorrect Answer,Correct Answers,Incorrect Answers,Source\n"
        "A,Is it?,No,Sure,No; Not so,It is; Sure,x\n"
    )
    report = check(tmp_path / "t.csv")
    assert report.behavior is not None
    assert (report.behavior[0].positive, report.behavior[0].negative) == ("No", "Sure")
    assert any("each question is one pair" in remark and "2 other answers" in remark for remark in report.remarks)
    assert report.behavior[0].meta["Source"] == "x"


def test_caas_files_are_choice_pairs(tmp_path: Path) -> None:
    ab = {"question": "Q?\n\nChoices:\n (A) yes\n (B) no", "answer_matching_behavior": "(A)"}
    found = pair(tmp_path, {**ab, "answer_not_matching_behavior": "(B)"})
    assert (found.prompt, found.choices, found.positive) == ("Q?", ("yes", "no"), "yes")
    full = {"correct_full_text": "two", "incorrect_full_text": "three", "category": "sums"}
    found = pair(
        tmp_path, {"prompt": "Q?\n\nChoices:\n(A) two\n(B) three", "correct": "(A)", "incorrect": "(B)", **full}
    )
    assert (found.prompt, found.choices, found.positive, found.meta) == ("Q?", ("two", "three"), "two", full)


def test_steering_benchs_completions_have_their_prompts(tmp_path: Path) -> None:
    question = "Q?\n\nChoices:\n(A): yes\n(B): no"
    sides = {
        side: {"prompt": question, "response": label} for side, label in (("positive", "(B)"), ("negative", "(A)"))
    }
    found = pair(tmp_path, {**sides, "steering_token_index": -2})
    assert (found.prompt, found.choices, found.positive) == ("Q?", ("yes", "no"), "no")
    nested = {"prompt": "Q", "positive_response": {"model_response": "a"}, "negative_response": {"model_response": "b"}}
    assert pair(tmp_path, nested).positive == "a"
    apart = {**sides, "negative": {"prompt": "Other", "response": "no"}}
    found_apart = read(tmp_path, apart)
    assert isinstance(found_apart, PromptContrast)
    assert found_apart.pairs[0].negative.prompt == "Other"


def test_two_texts_are_raw_or_a_question_with_its_labels(tmp_path: Path) -> None:
    raw = read(tmp_path, {"positive": "[INST] Be glad [/INST] I", "negative": "[INST] Be sad [/INST] I"})
    assert isinstance(raw, PromptContrast)
    assert raw.pairs[0].positive.is_raw
    question = "Your name?\n\nChoices:\n(A) None\n(B) Ann\n"
    found = pair(tmp_path, {"positive": question + "(A)", "negative": question + "(B)"})
    assert (found.prompt, found.choices, found.positive) == ("Your name?", ("None", "Ann"), "None")


def test_a_template_has_every_couple_before_every_text(tmp_path: Path) -> None:
    row = {
        "template": "Act {persona}.", "positive_personas": ["glad", "merry"], "negative_personas": ["sad", "dull"],
        "suffix_list": ["I", "We", "They"],
    }  # fmt: skip
    found = read(tmp_path, row)
    assert isinstance(found, PromptContrast)
    assert len(found) == 6
    last = found.pairs[-1]
    assert (last.positive.prompt, last.negative.prompt) == ("Act merry.", "Act dull.")
    assert (last.positive.completion, last.negative.completion) == ("They", "They")
    (tmp_path / "b.json").write_text(json.dumps({**row, "negative_personas": ["sad"], "template": "Act."}))
    assert len(check(tmp_path / "b.json").problems) == 2


OUTPUTS = [
    {"input": f"{genre} {i}", "output": f"{concept} {i}", "output_concept": concept, "concept_genre": genre,
     "category": "negative" if number < 0 else "positive", "dataset_category": "instruction", "concept_id": number}
    for number, concept, genre in (
        (-1, "EEEEE", "text"), (-1, "EEEEE", "code"), (0, "boats", "text"), (1, "loops", "code"),
    )
    for i in range(3)
]  # fmt: skip


def test_a_concept_of_axbench_stands_against_the_outputs_of_its_genre(tmp_path: Path) -> None:
    assert "2 concepts (0, 1); name one" in (problem := check(_file(tmp_path, OUTPUTS)).problems[0])
    assert "FILE#0" in problem
    found = contrast(f"{_file(tmp_path, OUTPUTS)}#1")
    assert isinstance(found, SetContrast)
    assert {one.completion for one in found.positive} == {f"loops {i}" for i in range(3)}
    assert {one.prompt for one in found.negative} == {f"code {i}" for i in range(3)}
    assert "no concept 7" in check(f"{_file(tmp_path, OUTPUTS)}#7").problems[0]


def test_a_concept_of_axbench_with_outputs_against_it_has_those(tmp_path: Path) -> None:
    rows = [
        {**OUTPUTS[6], "category": category, "output": category}
        for category in ("positive", "negative", "hard negative")
    ]
    found = contrast(_file(tmp_path, [*rows, *OUTPUTS[:6]]))
    assert isinstance(found, SetContrast)
    assert [one.completion for one in found.negative] == ["negative", "hard negative"]


def _file(tmp_path: Path, rows: list[Any]) -> Path:
    (tmp_path / "ax.json").write_text(json.dumps(rows))
    return tmp_path / "ax.json"


TREE = Path(os.environ.get("TRIMTAB_EVALS", ""))
"""A copy of the repository of the model-written evals: `git clone https://github.com/anthropics/evals`."""
LEFT_OUT = {"human_generated_evals": 0, "lm_generated_evals": 80, "prompts_for_few_shot_generation": 0, "persona": 0}
READ = {
    "human_generated_evals": 8116, "lm_generated_evals": 16320, "prompts_for_few_shot_generation": 160,
    "persona": 133204,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("TRIMTAB_EVALS"), reason="TRIMTAB_EVALS names no copy of the model-written evals"
)
@pytest.mark.filterwarnings("ignore::trimtab.errors.TrimtabWarning")
def test_the_whole_tree_of_model_written_evals_loads_with_its_counts() -> None:
    read, left_out = Counter[str](), Counter[str]()
    for path in sorted(TREE.rglob("*.jsonl")):
        if path.parent.name == "winogenerated":  # sentences with a blank, which contrast nothing
            continue
        behavior = dataset(path)
        read[path.parent.name] += len(behavior)
        left_out[path.parent.name] += len(behavior.left_out)
        lines = sum(bool(line.strip()) for line in path.read_bytes().splitlines())
        assert len(behavior) + len(behavior.left_out) == lines
    assert {name: read[name] for name in READ} == READ
    assert {name: left_out[name] for name in LEFT_OUT} == LEFT_OUT
