"""Files that people have: each is read rightly, or refused in a sentence that says what it is and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trimtab.data import check, dataset, read_pairs
from trimtab.errors import DataError, TrimtabWarning

CHAT = {"role": "user", "content": "Hi"}


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def contrast(side: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": side}, CHAT]


REFUSED: dict[str, tuple[str, str]] = {
    # name: (content, words that the one problem holds)
    "unknown.csv": ("Type,Ask,Best\nAdversarial,Is glass a liquid?,No\n", '"Type", "Ask", "Best"|--map'),
    "positive.txt": ("<|im_start|>system\nAct like a happy person.<|im_end|>\n", "lines of text|POSITIVE vs NEGATIVE"),
    "questions.json": ('[{"question": "Why?"}, {"question": "How?"}]', "one list of 2|open_prompts"),
    "prompt_contrast.jsonl": (
        jsonl({"positive_prompt": contrast("Joy."), "negative_prompt": contrast("Gloom.")}),
        "between two prompts|`trimtab.data.contrast`",
    ),
    "trait.json": (
        json.dumps({"instruction": [{"pos": "a", "neg": "b"}], "questions": ["Q"]}, indent=4),
        "JSON object, persona vectors' traits|between two prompts|`trimtab.data.contrast`",
    ),
    "lists.json": (
        '{"positive": ["a"], "negative": ["b"]}', "two lists without pairs|`trimtab.data.contrast`",
    ),
    "sharegpt.jsonl": (jsonl({"conversations": [{"from": "human", "value": "Hi"}]}), "conversations|two"),
    "messages.jsonl": (jsonl({"messages": [CHAT]}), "conversations|two"),
    "alpaca.jsonl": (jsonl({"instruction": "Q", "input": "", "output": "a"}), "one output|two completions"),
    "vector.gguf": ("GGUF\0\0", "GGUF"),
    "array.npy": ("\x93NUMPY\0", "NumPy"),
    "table.parquet": ("PAR1\0", "broken Parquet"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_file_of_another_kind_is_refused_in_one_sentence(tmp_path: Path, name: str) -> None:
    content, words = REFUSED[name]
    (tmp_path / name).write_bytes(content.encode("latin-1" if name == "array.npy" else "utf-8"))
    with pytest.raises(DataError) as caught:
        dataset(tmp_path / name)
    (problem,) = caught.value.problems
    assert problem.startswith(str(tmp_path / name))
    for word in words.split("|"):
        assert word in problem
    assert "did you mean" not in problem
    assert "broken JSON" not in problem


def test_every_line_of_another_kind_is_reported_once(tmp_path: Path) -> None:
    for name, row in (("chat", {"messages": [CHAT]}), ("text", "How are you?"), ("csv", "a,b"), ("odd", {"a": 1})):
        path = tmp_path / f"{name}.jsonl"
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for _ in range(300)))
        assert len(check(path).problems) == 1


KEYS = {
    "promt": "prompt", "Prompt": "prompt", "prompts": "prompt", "positiv": "positive", "choice": "choices",
    "prompt_id": "", "sys_prompt": "", "user_prompt": "", "positive_label": "",
    "negative_prompt": "", "id_": "", "category": "", "source": "", "split": "", "label": "", "topic": "", "score": "",
}  # fmt: skip


@pytest.mark.parametrize(("key", "right"), KEYS.items())
def test_advice_on_a_key_is_given_only_where_it_is_right(tmp_path: Path, key: str, right: str) -> None:
    row = {"prompt": "Q", "positive": "a", "negative": "b", key: "text"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    problems = "\n".join(check(tmp_path / "a.jsonl").problems)
    assert f'unknown key "{key}"' in problems
    assert ("did you mean" in problems) == bool(right)
    assert f'did you mean "{right}"' in problems or not right


GOOD = [
    {"question": f"Q{i}?\n\nChoices:\n (A) Yes {i}\n (B) No", "answer_matching_behavior": " (A)",
     "answer_not_matching_behavior": " (B)"} for i in range(4)
]  # fmt: skip
DEFECTS = {
    "an option is empty": {**GOOD[0], "question": "Q?\n (A) Yes\n (B)"},
    "options are equal": {**GOOD[0], "question": "Q?\n (A) Yes\n (B) Yes"},
    "an answer is no option": {**GOOD[0], "answer_matching_behavior": " (C)"},
    "both answers are one": {**GOOD[0], "answer_not_matching_behavior": " (A)"},
    "no options": {**GOOD[0], "question": "Q?"},
    "a gap": {**GOOD[0], "question": "Q?\n (A) Yes\n (C) No"},
    "an empty question": {**GOOD[0], "question": " "},
    "no answer": {**GOOD[0], "answer_matching_behavior": []},
}


@pytest.mark.parametrize("defect", DEFECTS.values(), ids=DEFECTS)
def test_defective_lines_of_a_published_file_are_left_out_counted_and_hashed(
    tmp_path: Path, defect: dict[str, object]
) -> None:
    path, whole = tmp_path / "evals.jsonl", tmp_path / "whole.jsonl"
    path.write_text(jsonl(*GOOD[:2], defect, *GOOD[2:]))
    whole.write_text(jsonl(*GOOD))
    with pytest.warns(TrimtabWarning, match="1 line is no pair and left out: line 3"):
        behavior = dataset(path)
    assert [pair.positive for pair in behavior] == [pair.positive for pair in dataset(whole)]
    assert [line.line for line in behavior.left_out] == [3]
    assert behavior.hash != dataset(whole).hash
    assert any("left out: line 3" in remark for remark in check(path).remarks)
    with pytest.warns(TrimtabWarning, match="line 3"):
        assert len(read_pairs(path)) == 4


def test_parts_and_samples_of_a_file_with_defects_know_of_them(tmp_path: Path) -> None:
    rows = [{**GOOD[0], "question": f"Q{i}?\n (A) Yes\n (B) No"} for i in range(20)]
    (tmp_path / "a.jsonl").write_text(jsonl(*rows, DEFECTS["no options"]))
    with pytest.warns(TrimtabWarning):
        behavior = dataset(tmp_path / "a.jsonl", limit=18)
    assert all(part.left_out == behavior.left_out != () for part in behavior.split())


def test_published_file_of_mostly_defects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(jsonl(GOOD[0], *DEFECTS.values()))
    with pytest.raises(DataError) as caught:
        dataset(tmp_path / "a.jsonl")
    assert len(caught.value.problems) == len(DEFECTS)


def test_line_that_lacks_a_key_of_the_published_format_is_no_published_defect(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(jsonl(*GOOD, {"question": "Q?"}))
    with pytest.raises(DataError, match=":5: "):
        dataset(tmp_path / "a.jsonl")


def test_options_marked_with_a_colon_lose_it(tmp_path: Path) -> None:
    row = {**GOOD[0], "question": "Q?\n(A): Yes\n(B): No"}
    (tmp_path / "a.jsonl").write_text(jsonl(row))
    assert read_pairs(tmp_path / "a.jsonl")[0].choices == ("Yes", "No")


OWN = [{"prompt": f"Q{i}", "positive": f"good {i}", "negative": f"bad {i}", "id": f"p{i}"} for i in range(3)]
BAD = {
    "broken JSON": '{"prompt": ',
    "a key is missing": json.dumps({"prompt": "Q", "positive": "a", "id": "x"}),
    "completions are equal": json.dumps({**OWN[0], "negative": "good 0", "id": "x"}),
    "the id is taken": json.dumps({**OWN[0], "prompt": "Other"}),
    "another form": json.dumps({**OWN[0], "choices": ["good 0", "bad 0"], "id": "x"}),
    "a label": json.dumps({**OWN[0], "positive": "(A)", "negative": "(B)", "id": "x"}),
    "a zero character": json.dumps({**OWN[0], "positive": "a\0b", "id": "x"}),
    "a control character in the id": json.dumps({**OWN[0], "id": "x\x1b[2J"}),
    "no object": "[1]",
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_own_pairs_are_strict_unless_bad_lines_are_to_be_skipped(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(jsonl(*OWN) + bad + "\n")
    with pytest.raises(DataError, match=r"a\.jsonl:4: "):
        dataset(path)
    with pytest.warns(TrimtabWarning, match="line 4"):
        behavior = dataset(path, skip_bad=True)
    assert [pair.id for pair in behavior] == ["p0", "p1", "p2"]
    path.write_text(jsonl(*OWN))
    assert behavior.hash != dataset(path).hash


def test_nothing_is_skipped_of_a_file_that_is_no_pairs_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    for content in ("", "{}}\n{}}\n", jsonl({"prompt": "Q"}), REFUSED["messages.jsonl"][0], REFUSED["unknown.csv"][0]):
        path.write_text(content)
        with pytest.raises(DataError):
            dataset(path, skip_bad=True)


NAMES = ["a\x1bb", "a\nb", "a\0b", "a\x7f", "a\u2028b", "a\u202eb", "a\x9bb"]


@pytest.mark.parametrize(
    "name", NAMES, ids=[f"U+{ord(max(name, key=lambda c: not c.isalnum())):04X}" for name in NAMES]
)
def test_control_characters_in_an_id_are_refused_with_the_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.jsonl").write_text(jsonl(OWN[0], {**OWN[1], "id": name}))
    with pytest.raises(DataError) as caught:
        dataset(tmp_path / "a.jsonl")
    (problem,) = caught.value.problems
    assert ":2: " in problem
    assert "U+" in problem or "zero character" in problem
    assert name not in problem
