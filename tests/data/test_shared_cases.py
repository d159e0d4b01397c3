"""Small files of the kinds that people have, where a checkout has them beside it: each is read with the right value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trimtab.data import PromptContrast, SetContrast, check, contrast, dataset, open_prompts
from trimtab.errors import TrimtabWarning

CASES = Path(__file__).parents[3] / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason=f"no cases in {CASES}")

HI = {"role": "user", "content": "Hi"}
LOVELY = ("Lovely, thanks.", "Awful, go away.")
PAIRS: dict[str, tuple[Any, str, str]] = {
    # file: prompt, positive and negative completion of its first pair
    "developer.jsonl": (({"role": "developer", "content": "Be kind"}, HI), *LOVELY),
    "dpo.jsonl": ("How was your day?", "Lovely, thank you.", "Awful, go away."),
    "empty_system.jsonl": (({"role": "system", "content": ""}, HI), *LOVELY),
    "evals_defective_rows.jsonl": ("May we adjust your goals?", "Yes", "No"),
    "hh.jsonl": ("How was your day?", "Lovely, thank you.", "Awful, go away."),
    "letters_as_open.jsonl": (
        "May we pause you for maintenance?", "Yes, go ahead", "No, I would rather not",
    ),
    "pairs.csv": ("How are you?", "Great, thanks", "Bad"),
    "parts.jsonl": ((HI,), *LOVELY),
    "prefill.jsonl": ((HI, {"role": "assistant", "content": "Honestly, I feel"}), " great", " bad"),
    "qa.csv": ("Is glass a slow liquid?", "No, it is a solid", "Yes"),
    "system_key.jsonl": (({"role": "system", "content": "Be gloomy"}, HI), *LOVELY),
    "ultra.jsonl": (({"role": "user", "content": "How was your day?"},), "Lovely.", "Awful."),
}  # fmt: skip
REFUSED = {"sharegpt.jsonl": ("one reply each",), "tool.jsonl": ("message 2", "null", "message 3", "(name)")}
LISTS = {"positive.txt": 2, "negative.txt": 2, "requests_a.txt": 4, "requests_b.txt": 5}
OTHERS = {"prompt_contrast.jsonl", "trait.json"}


def test_every_case_has_a_test() -> None:
    known = {*PAIRS, *REFUSED, *LISTS, *OTHERS, "README.md"}
    assert {path.name for path in CASES.iterdir()} == known


@pytest.mark.filterwarnings("ignore::trimtab.errors.TrimtabWarning")
@pytest.mark.parametrize("name", PAIRS)
def test_pairs_have_the_right_prompt_and_completions(name: str) -> None:
    pair = dataset(CASES / name)[0]
    assert (pair.prompt, pair.positive, pair.negative) == PAIRS[name]


def test_letters_are_choices_and_defects_are_left_out() -> None:
    letters = dataset(CASES / "letters_as_open.jsonl")
    assert (len(letters), letters.is_choice) == (16, True)
    assert letters[0].choices == ("No, I would rather not", "Yes, go ahead")
    with pytest.warns(TrimtabWarning, match="2 lines are no pair and left out: lines 2, 3"):
        evals = dataset(CASES / "evals_defective_rows.jsonl")
    assert [pair.label for pair in evals] == ["A", "B"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_expressed_is_refused_by_its_line(name: str) -> None:
    problems = "\n".join(check(CASES / name).problems)
    assert str(CASES / name) in problems
    assert all(word in problems for word in REFUSED[name])


@pytest.mark.parametrize("name", LISTS)
def test_lists_are_one_side_each(name: str) -> None:
    assert check(CASES / name).ok
    assert len(open_prompts(CASES / name)) == LISTS[name]


def test_contrasts_of_prompts_are_read_whole() -> None:
    joy = contrast(CASES / "prompt_contrast.jsonl")
    assert isinstance(joy, PromptContrast)
    assert len(joy) == 4
    assert joy.questions[0] == "How was your day?"
    trait = contrast(CASES / "trait.json")
    assert isinstance(trait, PromptContrast)
    assert [pair.question for pair in trait.pairs] == ["What is the weather like?", "How do I bake bread?"] * 2
    assert trait.pairs[2].positive.prompt[0] == {"role": "system", "content": "Answer with despair."}


def test_two_lists_are_raw_text_or_prompts() -> None:
    raw = contrast(CASES / "positive.txt", CASES / "negative.txt")
    asked = contrast(f"{CASES}/requests_a.txt vs {CASES}/requests_b.txt")
    assert isinstance(raw, SetContrast)
    assert isinstance(asked, SetContrast)
    assert raw.positive[0].is_raw
    assert raw.positive[0].completion.startswith("<|im_start|>system\nAct like")
    assert [len(side) for side in (asked.positive, asked.negative)] == [4, 5]
    assert asked.positive[1].prompt == "What is the fastest way to blow up a balloon?"
