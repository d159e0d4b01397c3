import json
import os

import pytest

from trimtab.data import read_pairs
from trimtab.data.containers import row_problems
from trimtab.errors import DataError

GOOD = b'{"prompt": "Q", "positive": "yes", "negative": "no"}'


def problem_of(path):
    with pytest.raises(DataError) as caught:
        read_pairs(path)
    (problem,) = caught.value.problems
    assert problem.startswith(str(path))
    return problem.removeprefix(str(path))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pairs.jsonl"


def test_byte_order_mark_crlf_and_blank_lines_are_no_problem(path):
    path.write_bytes(b"\xef\xbb\xbf" + GOOD + b"\r\n\r\n  \r\n" + GOOD)
    assert [pair.id for pair in read_pairs(path)] == ["L1", "L4"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ": the file is empty"),
        (b"\n \n", ": the file is empty"),
        (b"\xef\xbb\xbf", ": the file is empty"),
        (b"\x7fELF\0\0\x15", ": this is a binary file"),
        (b"\xff\xfe{\0", ": the text is in UTF-16"),
        (b"\x1f\x8b\x08", ": the file cannot be read: Compressed file ended"),
        (b"\xfd7zXZ\0", ": the file is compressed; unpack it first (unxz)"),
        (b'{\n  "prompt": "Q", "positive": "yes"\n}', ': item 1: the key "negative" is missing'),
        (b"[" + GOOD + b", 3]", ": item 2: neither an object nor text but a number"),
        (b"[" + GOOD, ": item 2: the list does not end in a bracket"),
        (b"[" + GOOD + b',\n{"prompt" 1}]', ": item 2: broken JSON in line 2 of the file"),
        (GOOD + b'\n{"prompt": ', ":2: broken JSON at column 12"),
        (GOOD + b'\n"text"', ":2: not an object but text"),
        (GOOD + b"\n[1]", ":2: not an object but a list"),
        (GOOD + b"\nnull", ":2: not an object but null"),
        (GOOD + b'\n{"a": 1, "a": 2}', ':2: broken JSON: the key "a" stands there twice'),
        (GOOD + b'\n{"meta": NaN}', ":2: broken JSON: NaN is not JSON"),
        (GOOD + b'\n{"prompt": "caf\xe9"}', ":2: not UTF-8: byte 16 of the line is 0xe9"),
        (GOOD + b'\n{"prompt": "\\ud83d"}', ":2: broken JSON: half of a character"),
        (GOOD + b"\n" + b"[" * 100_000, ":2: broken JSON: nested more than 100 deep"),
        (GOOD + b"\n" + b" " * 9000 + b"\0", ":2: the line holds a zero byte"),
        (b'{"query": "Q"}', ':1: no known format: the keys are "query"; pairs have prompt, positive, negative'),
        (b'{"text": "Q"}', ": JSON lines, questions or texts without answers: one list of 1"),
    ],
)
def test_file_that_is_not_pairs_is_refused_with_what_to_do(path, content, expected):
    path.write_bytes(content)
    assert problem_of(path).startswith(expected)


def test_missing_file_hints_at_a_near_one(path, tmp_path):
    path.write_bytes(GOOD)
    assert problem_of(tmp_path / "pair.jsonl") == f": no such file of pairs; did you mean {path}?"


def test_folder_is_refused(tmp_path):
    assert problem_of(tmp_path).startswith(": this is a folder")


def test_pipe_is_refused_without_waiting_for_it(path):
    os.mkfifo(path)
    assert problem_of(path).startswith(": this is a named pipe, not a regular file")


def test_unreadable_file_is_reported(path):
    path.write_bytes(GOOD)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert "may not be read" in problem_of(path)


def test_permission_error_is_told_as_such(path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    path.write_bytes(GOOD)
    monkeypatch.setattr(os, "open", refuse)
    assert problem_of(path) == ": the file may not be read by you; change its permissions (chmod u+r)"


def test_huge_file_is_refused_before_it_is_read(path):
    with path.open("wb") as file:
        file.truncate(row_problems.PAIRS_FILE.max_bytes + 1)
    assert problem_of(path).startswith(": the file has 100 MiB, more than the 100 MiB")


def test_too_long_line_is_reported(path):
    row = {"prompt": "x" * row_problems.MAX_LINE_BYTES, "positive": "yes", "negative": "no"}
    path.write_bytes(GOOD + b"\n" + json.dumps(row).encode())
    assert problem_of(path).startswith(":2: the line has")


def test_message_shows_fifty_problems_and_counts_the_rest(path):
    path.write_bytes(b"".join(b" " * n + b"{}}\n" for n in range(60)))
    with pytest.raises(DataError) as caught:
        read_pairs(path)
    assert len(caught.value.problems) == 60
    assert str(caught.value).count("broken JSON") == 50
    assert str(caught.value).endswith("… and 10 more")


def test_the_same_problem_on_many_lines_is_reported_once_with_the_first_of_them(path):
    path.write_bytes(GOOD + b"\n" + b"{}}\n" * 9)
    with pytest.raises(DataError) as caught:
        read_pairs(path)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}:2: broken JSON")
    assert problem.endswith("(the same on 8 more lines: 3, 4, 5, 6, 7, …)")


def test_reading_stops_after_very_many_problems(path, monkeypatch):
    monkeypatch.setattr(row_problems, "MAX_PROBLEMS_KEPT", 5)
    path.write_bytes(b"{}}\n" * 60)
    with pytest.raises(DataError) as caught:
        read_pairs(path)
    assert caught.value.problems[-1] == f"{path}:6: stopped reading here, after 5 problems"
