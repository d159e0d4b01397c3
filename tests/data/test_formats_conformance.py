"""What every pair format must do; and a format from elsewhere, read like trimtab's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from trimtab.cli.main import cli
from trimtab.data import PAIR_FORMATS, Pair, PairFormat, check, read_pairs, write_pairs
from trimtab.errors import DataError, SettingError, TrimtabWarning

EXAMPLES: dict[str, list[dict[str, Any]]] = {
    "pairs": [
        {"prompt": "How are you?", "positive": "Splendid!", "negative": "Meh."},
        {"prompt": "And now?", "positive": "Even better!", "negative": "Worse.", "meta": {"mood": 1}},
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
}
"""Rows of each format."""

every_format = pytest.mark.parametrize("name", PAIR_FORMATS.names())


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
def test_rows_become_pairs_named_after_their_lines(name: str, tmp_path: Path) -> None:
    pairs = read_pairs(write(tmp_path / "file.jsonl", EXAMPLES[name]))
    assert [pair.id for pair in pairs] == ["L1", "L2"]
    assert all(pair.positive != pair.negative for pair in pairs)


@every_format
def test_a_row_without_a_key_is_refused_and_the_key_named(name: str) -> None:
    kind = PAIR_FORMATS.get(name)
    for key in kind.keys:
        row = {other: value for other, value in EXAMPLES[name][0].items() if other != key}
        faults = kind.parse(row, "L1")
        assert isinstance(faults, list)
        assert any(key in fault for fault in faults)


@every_format
def test_pairs_are_read_again_as_they_were_written(name: str, tmp_path: Path) -> None:
    kind = PAIR_FORMATS.get(name)
    pairs = read_pairs(write(tmp_path / "file.jsonl", EXAMPLES[name]))
    if not kind.writes:
        with pytest.raises(SettingError, match=kind.title):
            write_pairs(tmp_path / "again.jsonl", pairs, format=name)
        return
    write_pairs(tmp_path / "again.jsonl", pairs, format=name)
    assert read_pairs(tmp_path / "again.jsonl") == pairs


@pytest.mark.parametrize(("file", "line"), [("pairs", "evals"), ("evals", "pairs")])
def test_a_line_of_another_format_is_named(file: str, line: str, tmp_path: Path) -> None:
    path = write(tmp_path / "file.jsonl", [*EXAMPLES[file], *EXAMPLES[file], EXAMPLES[line][0]])
    (problem,) = check(path).problems
    for word in (":5:", PAIR_FORMATS.get(file).title, PAIR_FORMATS.get(line).title):
        assert word in problem


def test_the_docs_have_a_row_for_every_format_with_its_keys() -> None:
    page = (Path(__file__).parents[2] / "docs" / "pairs.md").read_text(encoding="utf-8")
    for name in PAIR_FORMATS.names():
        keys = ", ".join(f"`{key}`" for key in PAIR_FORMATS.get(name).keys)
        assert f"| `{name}` | {keys} |" in page


class Preferences(PairFormat):
    """chosen and rejected: a format from another package, whose files trimtab alone refuses."""

    name = "preferences"
    title = "preferences"
    keys = ("prompt", "chosen", "rejected")
    writes = True

    def parse(self, row: dict[str, Any], default_id: str) -> Pair | list[str]:
        if missing := [key for key in self.keys if key not in row]:
            return [f'the key "{key}" is missing' for key in missing]
        return Pair(str(row.get("id", default_id)), row["prompt"], row["chosen"], row["rejected"])

    def dump(self, pair: Pair) -> dict[str, Any]:
        return {"id": pair.id, "prompt": pair.prompt, "chosen": pair.positive, "rejected": pair.negative}


@pytest.fixture
def preferences() -> Iterator[None]:
    with PAIR_FORMATS.temporarily("preferences", Preferences(), "Preferences between two replies."):
        yield


ROWS = [{"prompt": f"Question {i}", "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(3)]


def test_a_file_of_a_format_that_is_not_registered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="preferences"):
        read_pairs(write(tmp_path / "file.jsonl", ROWS))


@pytest.mark.usefixtures("preferences")
def test_a_format_from_elsewhere_is_read_written_checked_and_listed(tmp_path: Path) -> None:
    path = write(tmp_path / "file.jsonl", ROWS)
    pairs = read_pairs(path)
    assert [(pair.prompt, pair.positive, pair.negative) for pair in pairs] == [tuple(row.values()) for row in ROWS]
    write_pairs(tmp_path / "again.jsonl", pairs, format="preferences")
    assert read_pairs(tmp_path / "again.jsonl") == pairs
    assert check(path).ok
    assert "chosen" in CliRunner().invoke(cli, ["data", "formats"]).output


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    return write(tmp_path / "unknown.jsonl", [{"query": "?"}])


def test_a_file_of_no_format_names_the_keys_of_each_format(unknown: Path) -> None:
    (problem,) = check(unknown).problems
    assert "answer_matching_behavior" in problem
    assert "chosen" not in problem


@pytest.mark.usefixtures("preferences")
def test_the_keys_of_a_format_from_elsewhere_are_among_them(unknown: Path) -> None:
    assert "chosen" in check(unknown).problems[0]


def test_a_format_that_cannot_be_imported_does_not_stop_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "file.jsonl", [{"prompt": "?", "positive": "yes", "negative": "no"}])
    with (
        PAIR_FORMATS.temporarily("broken", "no_such_package:FORMAT"),
        pytest.warns(TrimtabWarning, match="left out: pair format 'broken'"),
    ):
        assert len(read_pairs(path)) == 1
