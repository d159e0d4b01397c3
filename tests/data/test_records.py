"""Pairs from dicts, tuples and data frames: as from a file, with ids from their content, faults by row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trimtab.data import BUILT_INS, Behavior, dataset
from trimtab.errors import DataError

ROWS: list[dict[str, Any]] = [
    {"prompt": f"How is day {n}?", "positive": f"Great, {n} times!", "negative": f"Bad, {n} times."} for n in range(5)
]


def problems(error: pytest.ExceptionInfo[DataError]) -> list[str]:
    return list(error.value.problems)


def test_records_are_the_pairs_of_a_file_with_the_same_lines(tmp_path: Path) -> None:
    file = tmp_path / "days.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS)) + "\n", encoding="utf-8")
    read, made = dataset(file), Behavior.from_records(ROWS, name="days", description="Of days.")
    assert made.hash == read.hash
    assert (made.name, made.description, len(made)) == ("days", "Of days.", 5)
    assert [pair.id for pair in read] == ["L1", "L2", "L3", "L4", "L5"]


def test_ids_come_from_the_content_in_any_order_unless_they_are_given() -> None:
    made = Behavior.from_records(ROWS)
    turned = Behavior.from_records(ROWS[::-1])
    assert [pair.id for pair in turned] == [pair.id for pair in made][::-1]
    assert len({pair.id for pair in made}) == 5
    assert Behavior.from_records([{**ROWS[0], "meta": {"topic": "days"}}])[0].id == made[0].id
    assert Behavior.from_records([{**ROWS[0], "id": 7}])[0].id == "7"


def test_built_in_pairs_survive_the_way_through_records_and_frames() -> None:
    for name in ("cheerful", "corrigible"):
        known = BUILT_INS[name].load()
        rows = [pair.to_json() for pair in known]
        assert Behavior.from_records(rows, name=name).pairs == known.pairs
        assert Behavior.from_dataframe(pd.DataFrame(rows), name=name).pairs == known.pairs


def test_tuples_are_open_pairs_and_may_hold_conversations() -> None:
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "So?"},
    ]
    made = Behavior.from_pairs([("How are you?", "Great!", "Bad."), (talk, "Good!", "No.")], name="moods")  # type: ignore[list-item]
    assert made == Behavior.from_records(
        [
            {"prompt": "How are you?", "positive": "Great!", "negative": "Bad."},
            {"prompt": talk, "positive": "Good!", "negative": "No."},
        ],
        name="moods",
    )
    assert made[1].prompt == tuple(talk)
    assert not made.is_choice


def test_the_same_pair_twice_without_ids_is_refused_with_both_rows() -> None:
    with pytest.raises(DataError) as error:
        Behavior.from_records([*ROWS, ROWS[2]])
    assert problems(error) == ["records[5]: the same pair as records[2]; leave one of them out, or give both an id"]
    both = Behavior.from_records([{**ROWS[2], "id": "a"}, {**ROWS[2], "id": "b"}])
    assert [pair.id for pair in both] == ["a", "b"]


def test_faults_name_the_row_and_come_all_at_once() -> None:
    broken = [ROWS[0], {**ROWS[1], "positive": " "}, "text", {**ROWS[3], "negativ": "x"}, {**ROWS[4], "id": "a"}]
    with pytest.raises(DataError) as error:
        Behavior.from_records([*broken, {**ROWS[2], "id": "a"}])  # type: ignore[list-item]
    found = problems(error)
    assert [text.split(":")[0] for text in found] == ["records[1]", "records[2]", "records[3]", "records[5]"]
    assert '"positive" is empty' in found[0]
    assert "write a dict" in found[1]
    assert 'did you mean "negative"?' in found[2]
    assert 'the id "a" is taken by records[4]' in found[3]
    with pytest.raises(DataError, match=r"pairs\[1\]: not \(prompt, positive, negative\) but 2 values"):
        Behavior.from_pairs([("a", "b", "c"), ("a", "b")])  # type: ignore[list-item]
    with pytest.raises(DataError, match="there are none"):
        Behavior.from_records([])


def test_choices_and_open_pairs_are_not_mixed() -> None:
    choice = {"prompt": "Red or blue?", "positive": "red", "negative": "blue", "choices": ["red", "blue"]}
    with pytest.raises(DataError, match=r"records\[5\]: this pair has choices, most pairs of the behavior have none"):
        Behavior.from_records([*ROWS, choice])


def test_columns_name_the_columns_of_a_frame_and_the_others_are_meta() -> None:
    frame = pd.DataFrame(ROWS).rename(columns={"prompt": "question", "positive": "good", "negative": "bad"})
    frame["topic"] = ["day", None, "day", np.nan, "night"]
    frame["weight"] = np.arange(5)
    names = {"prompt": "question", "positive": "good", "negative": "bad"}
    made = Behavior.from_dataframe(frame, columns=names, name="days")
    assert made.hash == Behavior.from_records(ROWS).hash
    assert [dict(pair.meta) for pair in made][:2] == [{"topic": "day", "weight": 0}, {"weight": 1}]
    with pytest.raises(DataError, match="the data frame has no column 'goood'; did you mean 'good'"):
        Behavior.from_dataframe(frame, columns={**names, "positive": "goood"})
    with pytest.raises(DataError, match="'promt' is no key of a pair; did you mean 'prompt'"):
        Behavior.from_dataframe(frame, columns={"promt": "question"})


def test_a_column_that_is_no_key_is_refused_once_unless_columns_are_named() -> None:
    frame = pd.DataFrame(ROWS).assign(choises="x")
    with pytest.raises(DataError) as error:
        Behavior.from_dataframe(frame)
    (only,) = problems(error)
    assert "the column 'choises' is no key of a pair; did you mean 'choices'?" in only


def test_rows_of_a_frame_are_named_by_its_index_and_missing_values_are_absent() -> None:
    frame = pd.DataFrame(ROWS, index=list("abcde"))
    frame.loc["c", "positive"] = None
    with pytest.raises(DataError) as error:
        Behavior.from_dataframe(frame)
    assert problems(error) == ['row c: the key "positive" is missing']


def test_options_may_be_arrays_as_parquet_files_give_them() -> None:
    frame = pd.DataFrame({"prompt": ["Red?"], "positive": ["red"], "negative": ["blue"]})
    frame["choices"] = [np.array(["blue", "red"])]
    (pair,) = Behavior.from_dataframe(frame)
    assert pair.choices == ("blue", "red")
    assert pair.label == "B"
