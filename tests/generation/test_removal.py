"""Taking out what was struck on a review page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trimtab.data import BUILT_INS, read_pairs, write_pairs
from trimtab.errors import DataError
from trimtab.generation import pair_key, read_decisions, remove_pairs

PAIRS = BUILT_INS["cheerful"].load().pairs[:6]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_pairs(tmp_path / "glad.jsonl", PAIRS)
    return tmp_path / "glad.jsonl"


def decisions(folder: Path, *places: int) -> Path:
    path = folder / "struck.json"
    struck = [{"key": pair_key(PAIRS[place]), "id": PAIRS[place].id} for place in places]
    path.write_text(json.dumps({"file": "glad.jsonl", "struck": struck}), encoding="utf-8")
    return path


def test_struck_pairs_are_removed_and_the_rest_stays_as_it_was(file: Path) -> None:
    done = remove_pairs(file, read_decisions(decisions(file.parent, 1, 4)))
    assert (done.removed, done.left, done.unknown) == (2, 4, 0)
    assert read_pairs(file) == tuple(PAIRS[i] for i in (0, 2, 3, 5))


def test_decisions_hold_whatever_line_a_pair_has_moved_to(file: Path) -> None:
    made = decisions(file.parent, 4)
    write_pairs(file, PAIRS[::-1])
    remove_pairs(file, read_decisions(made))
    assert read_pairs(file) == tuple(PAIRS[i] for i in (5, 3, 2, 1, 0))


def test_striking_twice_removes_nothing_more_and_says_so(file: Path) -> None:
    made = read_decisions(decisions(file.parent, 0))
    remove_pairs(file, made)
    before = file.read_bytes()
    done = remove_pairs(file, made)
    assert (done.removed, done.left, done.unknown) == (0, 5, 1)
    assert file.read_bytes() == before


def test_pairs_without_ids_keep_the_names_of_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "plain.jsonl"
    rows = [{"prompt": f"Question {i}?", "positive": "yes", "negative": "no"} for i in range(3)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    remove_pairs(file, {pair_key(read_pairs(file)[0])})
    assert [pair.id for pair in read_pairs(file)] == ["L2", "L3"]


def test_a_file_is_not_emptied(file: Path) -> None:
    with pytest.raises(DataError, match="every pair is struck out; delete the file"):
        remove_pairs(file, read_decisions(decisions(file.parent, *range(6))))
    assert len(read_pairs(file)) == 6


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"struck": 3}', '{"struck": [{}]}', "\x00", "[" * 5000])
def test_what_is_no_file_of_decisions_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "struck.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"struck\.json(:1)?: .*save it on the review page again"):
        read_decisions(path)


def test_missing_files_are_named(file: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: no such file of decisions"):
        read_decisions(file.parent / "none.json")
    with pytest.raises(DataError, match=r"glda\.jsonl: no such file of pairs; did you mean"):
        remove_pairs(file.with_name("glda.jsonl"), {"x"})
