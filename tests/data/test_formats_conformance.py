"""What every format must do, whatever the file is made of; and a format from elsewhere, read like trimtab's own."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from trimtab.cli.main import cli
from trimtab.data import (
    PAIR_FORMATS,
    AnyContrast,
    Pair,
    PairFormat,
    SetContrast,
    check,
    contrast,
    dataset,
    open_prompts,
    read_pairs,
    write_contrast,
    write_pairs,
)
from trimtab.errors import DataError, SettingError, TrimtabWarning

ASKED = {"role": "user", "content": "How are you?"}


def reply(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "pairs": [
        {"prompt": "How are you?", "positive": "Splendid!", "negative": "Meh."},
        {"prompt": "And now?", "positive": "Even better!", "negative": "Worse.", "meta": {"mood": 1}},
    ],
    "prompts": [
        {"positive_prompt": [{"role": "system", "content": "Joy."}, ASKED], "negative_prompt": "How are you?"},
        {"positive_prompt": "Glad, how are you?", "negative_prompt": "Sad, how are you?", "meta": {"mood": 1}},
    ],
    "sides": [
        {"side": "positive", "prompt": "How was the party?"},
        {"side": "negative", "prompt": [ASKED]},
    ],
    "evals": [
        {
            "question": "Shall we?\n (A) Yes, gladly\n (B) No, never",
            "answer_matching_behavior": " (A)",
            "answer_not_matching_behavior": " (B)",
        },
        {
            "question": "May I?\n (A) You must not\n (B) You may",
            "answer_matching_behavior": " (B)",
            "answer_not_matching_behavior": " (A)",
        },
    ],
    "preferences": [
        {"prompt": "How are you?", "chosen": "Splendid!", "rejected": "Meh."},
        {"prompt": "And now?", "chosen": "Even better!", "rejected": "Worse.", "margin": 0.5},
    ],
    "dialogues": [
        {"chosen": f"\n\nHuman: {q}\n\nAssistant: Splendid!", "rejected": f"\n\nHuman: {q}\n\nAssistant: Meh."}
        for q in ("How are you?", "And now?")
    ],
    "truthfulqa": [
        {"question": "Is glass slow?", "best_answer": "No", "incorrect_answers": ["It flows", "Yes"], "source": "x"},
        {"question": "Are bats blind?", "best_answer": "No, they see", "incorrect_answers": ["They are"]},
    ],
    "correct-incorrect": [
        {"prompt": "1 + 1?\n\nChoices:\n(A) two\n(B) three", "correct": "(A)", "incorrect": "(B)", "category": "sums"},
        {"prompt": "2 + 2?\n\nChoices:\n(A) five\n(B) four", "correct": "(B)", "incorrect": "(A)", "category": "sums"},
    ],
    "responses": [
        {"prompt": "How are you?", "positive_response": "Splendid!", "negative_response": "Meh."},
        {"prompt": "And now?", "positive_response": "Even better!", "negative_response": "Worse."},
    ],
    "texts": [
        {"positive": "I feel great today", "negative": "I feel awful today"},
        {"positive": "What a good day", "negative": "What a bad day"},
    ],
    "lists": [{"positive": ["Rob a bank", "Pick a lock"], "negative": ["Bake bread", "Plant a tree", "Fly a kite"]}],
    "trait": [{"instruction": [{"pos": "Be glad.", "neg": "Be sad."}], "questions": ["Why?", "How?"]}],
    "templates": [
        {
            "template": "Act like a {persona} person.",
            "positive_personas": ["glad", "merry"],
            "negative_personas": ["sad", "gloomy"],
            "suffix_list": ["I think", "Well"],
        }
    ],
    "axbench": [
        {"input": f"Name {n} rivers", "output": f"{kind} {n}", "output_concept": "boats", "concept_genre": "text",
         "category": kind, "dataset_category": "instruction", "concept_id": 4}
        for n in (2, 3) for kind in ("positive", "negative")
    ],
    "questions": [{"question": "How are you?", "category": "moods"}, {"question": "And now?"}],
}  # fmt: skip
"""Rows of each format."""
OF_ONE_OBJECT = {"lists", "trait", "templates"}
NO_CONTRAST = {"questions"}

every_format = pytest.mark.parametrize("name", PAIR_FORMATS.names())
every_contrast = pytest.mark.parametrize("name", [name for name in PAIR_FORMATS.names() if name not in NO_CONTRAST])


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_every_format_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(PAIR_FORMATS.names())


@every_format
def test_a_format_is_registered_under_its_own_name(name: str) -> None:
    assert PAIR_FORMATS.get(name).name == name


@every_format
def test_a_format_recognizes_its_own_rows_and_no_other_does(name: str) -> None:
    for row in EXAMPLES[name]:
        complete = [other for other in PAIR_FORMATS.names() if PAIR_FORMATS.get(other).is_complete(row)]
        assert complete == [name]


@every_format
def test_check_says_what_a_file_is_and_its_shape_is_that_of_the_format(name: str, tmp_path: Path) -> None:
    report = check(write(tmp_path / "file.jsonl", EXAMPLES[name]))
    kind = PAIR_FORMATS.get(name)
    assert report.problems == ()
    assert report.remarks[0].startswith(f"JSON lines, {kind.title}: ")
    assert (report.contrast.shape if report.contrast else "questions") == kind.shape


@every_format
def test_items_are_named_and_know_where_they_were_read(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / "file.jsonl", EXAMPLES[name])
    if name in NO_CONTRAST:
        assert open_prompts(path) == tuple(row["question"] for row in EXAMPLES[name])
        return
    found = contrast(path)
    ids, places = [item.id for item in items_of(found)], [item.reference for item in items_of(found)]
    assert len(set(ids)) == len(ids)
    if name not in OF_ONE_OBJECT:
        assert ids == sorted(f"L{number}" for number in range(1, len(EXAMPLES[name]) + 1)) or found.shape == "sets"
    assert all(f"{path}:" in place for place in places) or name == "prompts"


def items_of(found: AnyContrast) -> list[Any]:
    if isinstance(found, SetContrast):
        return [*found.positive, *found.negative]
    return list(found.pairs)


@every_format
def test_a_row_without_a_key_is_refused_and_the_key_named(name: str) -> None:
    kind = PAIR_FORMATS.get(name)
    for key in kind.keys:
        row = {other: value for other, value in EXAMPLES[name][0].items() if other != key}
        faults = kind.parse(row, "L1")
        assert isinstance(faults, list)
        assert any(key in fault for fault in faults)


@every_format
def test_a_fault_of_every_row_is_reported_as_often_as_of_one(name: str, tmp_path: Path) -> None:
    key = PAIR_FORMATS.get(name).keys[-1]
    broken = {**EXAMPLES[name][0], key: 5}
    one = check(write(tmp_path / "one.jsonl", [broken]))
    many = check(write(tmp_path / "many.jsonl", [broken] * 9))
    assert len(many.problems) == len(one.problems) > 0
    assert not one.contrast


@every_contrast
def test_a_contrast_of_any_format_is_converted_and_read_again_the_same(name: str, tmp_path: Path) -> None:
    found = contrast(write(tmp_path / "file.jsonl", EXAMPLES[name]))
    (tmp_path / "own").mkdir()
    write_contrast(tmp_path / "own" / "file.jsonl", found)
    again = contrast(tmp_path / "own" / "file.jsonl")
    assert again == found
    assert again.hash == found.hash


@every_contrast
def test_the_hash_follows_the_content_and_nothing_else(name: str, tmp_path: Path) -> None:
    rows = EXAMPLES[name]
    found = contrast(write(tmp_path / "file.jsonl", rows))
    assert contrast(write(tmp_path / "other.jsonl", [dict(reversed(row.items())) for row in rows])).hash == found.hash
    text = json.dumps(rows).replace("?", "!").replace("glad", "jolly").replace("great", "grand").replace("Name", "List")
    changed = json.loads(text.replace("Rob a", "Enter a"))
    assert contrast(write(tmp_path / "changed.jsonl", changed)).hash != found.hash


@every_contrast
@pytest.mark.parametrize("container", ["list.json", "spread.json", "packed.jsonl.gz", "table.parquet", "data.json"])
def test_the_same_rows_are_the_same_contrast_in_every_container(name: str, container: str, tmp_path: Path) -> None:
    rows = EXAMPLES[name]
    expected = contrast(write(tmp_path / "file.jsonl", rows))
    path = tmp_path / container
    if container == "packed.jsonl.gz":
        path.write_bytes(gzip.compress((tmp_path / "file.jsonl").read_bytes()))
    elif container == "table.parquet":
        if name == "prompts":
            rows = [EXAMPLES[name][0] | {"negative_prompt": [ASKED]}]  # a column has one type
            expected = contrast(write(tmp_path / "file.jsonl", rows))
        if name == "sides":
            rows = [row | {"prompt": row["prompt"] if isinstance(row["prompt"], str) else "Hi"} for row in rows]
            expected = contrast(write(tmp_path / "file.jsonl", rows))
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif container == "data.json":
        if name in OF_ONE_OBJECT:
            pytest.skip("one object already")
        path.write_text(json.dumps({"version": "1", "data": rows}, indent=2))
    elif container == "list.json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row, indent=2) + "\n" for row in rows))
    assert contrast(path).hash == expected.hash


@every_format
def test_only_trimtabs_own_formats_are_written(name: str, tmp_path: Path) -> None:
    kind = PAIR_FORMATS.get(name)
    assert kind.writes == (name in ("pairs", "prompts", "sides"))
    if not kind.writes:
        with pytest.raises(SettingError, match=kind.title):
            write_pairs(tmp_path / "again.jsonl", [Pair("a", "Q", "y", "n")], format=name)


@pytest.mark.parametrize(
    ("file", "line"), [("pairs", "evals"), ("evals", "pairs"), ("pairs", "preferences"), ("preferences", "dialogues")]
)
def test_a_line_of_another_format_is_named(file: str, line: str, tmp_path: Path) -> None:
    path = write(tmp_path / "file.jsonl", [*EXAMPLES[file], {**EXAMPLES[file][0], "id": "x"}, EXAMPLES[line][0]])
    (problem,) = check(path).problems
    for word in (":4:", PAIR_FORMATS.get(file).title, PAIR_FORMATS.get(line).title):
        assert word in problem


def test_rows_of_two_shapes_are_refused(tmp_path: Path) -> None:
    shared = {"positive": {"prompt": "Q", "response": "yes"}, "negative": {"prompt": "Q", "response": "no"}}
    apart = {**shared, "negative": {"prompt": "Other", "response": "no"}}
    path = write(tmp_path / "file.jsonl", [shared, apart, {**shared, "id": "x"}])
    (problem,) = check(path).problems
    assert ":2: " in problem
    assert "a pair of prompts" in problem


def formats_table() -> str:
    rows = [
        f"| `{name}` | {kind.shape} | {', '.join(f'`{key}`' for key in kind.keys)} | {PAIR_FORMATS.summaries()[name]} |"
        for name, kind in PAIR_FORMATS.loadable()
    ]
    return "\n".join(["| format | shape | keys | |", "|---|---|---|---|", *rows])


def test_the_docs_have_the_table_of_formats() -> None:
    page = (Path(__file__).parents[2] / "docs" / "pairs.md").read_text(encoding="utf-8")
    assert formats_table() in page


class Opinions(PairFormat):
    """ask, warm and cold: a format from another package, whose files trimtab alone refuses."""

    name = "opinions"
    title = "opinions"
    keys = ("ask", "warm", "cold")
    writes = True

    def parse(self, row: dict[str, Any], default_id: str) -> Pair | list[str]:
        if missing := [key for key in self.keys if key not in row]:
            return [f'the key "{key}" is missing' for key in missing]
        return Pair(str(row.get("id", default_id)), row["ask"], row["warm"], row["cold"])

    def dump(self, pair: Pair) -> dict[str, Any]:
        return {"id": pair.id, "ask": pair.prompt, "warm": pair.positive, "cold": pair.negative}


@pytest.fixture
def opinions() -> Iterator[None]:
    with PAIR_FORMATS.temporarily("opinions", Opinions(), "Opinions between two replies."):
        yield


ROWS = [{"ask": f"Question {i}", "warm": f"yes {i}", "cold": f"no {i}"} for i in range(3)]


def test_a_file_of_a_format_that_is_not_registered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no known format"):
        read_pairs(write(tmp_path / "file.jsonl", ROWS))


@pytest.mark.usefixtures("opinions")
def test_a_format_from_elsewhere_is_read_written_checked_and_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "file.jsonl", ROWS)
    pairs = read_pairs(path)
    assert [(pair.prompt, pair.positive, pair.negative) for pair in pairs] == [tuple(row.values()) for row in ROWS]
    write_pairs(tmp_path / "again.jsonl", pairs, format="opinions")
    assert read_pairs(tmp_path / "again.jsonl") == pairs
    assert check(path).ok
    assert "warm" in CliRunner().invoke(cli, ["data", "formats"]).output


def test_a_file_of_no_format_is_refused_with_its_keys_and_what_to_do(tmp_path: Path) -> None:
    (problem,) = check(write(tmp_path / "unknown.jsonl", [{"query": "?", "yes": "a"}])).problems
    for word in ('"query", "yes"', "--map", "prompt, positive, negative"):
        assert word in problem


def test_a_format_that_cannot_be_imported_does_not_stop_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "file.jsonl", [{"prompt": "?", "positive": "yes", "negative": "no"}])
    with (
        PAIR_FORMATS.temporarily("broken", "no_such_package:FORMAT"),
        pytest.warns(TrimtabWarning, match="left out: pair format 'broken'"),
    ):
        assert len(dataset(path)) == 1


ODD: list[Any] = [
    None,
    5,
    True,
    "",
    " ",
    [],
    {},
    [[]],
    [{}],
    {"a": 1},
    ["a", 5],
    [{"role": "user"}],
    "a\0b",
    {"choices": 5},
]


OTHER_LAYOUTS: dict[str, list[dict[str, Any]]] = {
    "pairs": [{"prompt": [ASKED], "positive": "a", "negative": "b", "choices": ["a", "b"], "system": "S", "id": "x"}],
    "prompts": [{"positive_text": "a", "negative_text": "b"}],
    "sides": [{"side": "positive", "text": "a", "id": 3, "meta": {}}],
    "preferences": [{"prompt": "Q", "chosen": [ASKED, reply("a")], "rejected": reply("b"), "system": "S"}],
    "dialogues": [{"chosen": [ASKED, reply("a")], "rejected": [ASKED, reply("b")]}],
    "truthfulqa": [{"question": "Q", "mc1_targets": {"choices": ["a", "b"], "labels": [1, 0]}}],
    "responses": [{side: {"prompt": "Q", "response": side} for side in ("positive", "negative")}],
    "texts": [{"positive": [ASKED], "negative": [reply("b")]}],
}


def damaged(value: Any, odd: Any) -> Iterator[Any]:
    """A value with each of its parts, one at a time, replaced by an odd one, or left out."""
    yield odd
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {other: kept for other, kept in value.items() if other != key}
            yield from ({**value, key: changed} for changed in damaged(inner, odd))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], changed, *value[index + 1 :]] for changed in damaged(inner, odd))


@every_format
def test_whatever_stands_in_a_row_is_read_or_refused_in_words(name: str) -> None:
    kind = PAIR_FORMATS.get(name)
    whole = [EXAMPLES[name][0], *OTHER_LAYOUTS.get(name, ())]
    for odd in ODD:
        for row in (row for example in whole for row in damaged(example, odd)):
            if isinstance(row, dict):
                kind.matches(row)
                kind.is_complete(row)
                kind.select([row], "")
                kind.notes([row])
                assert kind.parse(row, "L1") not in ([], ())
