"""What files are made of: tables, lists, text, packed or not; bounded, in order, each fault at its place and once."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trimtab.data import check, contrast, dataset, open_prompts
from trimtab.data.containers import row_problems
from trimtab.data.pairs import Behavior

HEADER = "prompt,positive,negative\n"
ROW = {"prompt": "Q", "positive": "great", "negative": "poor"}


def table(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    (tmp_path / name).write_bytes(text.encode())
    return tmp_path / name


def only_problem(path: Path, **more: Any) -> str:
    (problem,) = check(path, **more).problems
    return problem.removeprefix(str(path))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", '\ufeffprompt,positive,negative\r\nHow?,"Great, thanks",Bad\r\n'),
        ("a.csv", '"prompt";"positive";"negative"\n"How?";"Great, thanks";"Bad"\n'),
        ("a.tsv", "prompt\tpositive\tnegative\nHow?\tGreat, thanks\tBad\n"),
        ("a.txt", 'prompt,positive,negative\nHow?,"Great, thanks",Bad\n'),
        ("a.csv", 'Prompt, Positive ,NEGATIVE\nHow?,"Great, thanks",Bad\n\n'),
        ("a.csv", 'question,good,bad\nHow?,"Great, thanks",Bad\n'),
    ],
)
def test_tables_of_any_separator_are_read_by_the_names_of_their_columns(tmp_path: Path, name: str, text: str) -> None:
    (pair,) = dataset(table(tmp_path, text, name))
    assert (pair.prompt, pair.positive, pair.negative) == ("How?", "Great, thanks", "Bad")
    assert pair.reference == f"pair L2 ({tmp_path / name}:2)"


def test_cells_hold_conversations_choices_and_meta_as_json(tmp_path: Path) -> None:
    chat, choices = json.dumps([{"role": "user", "content": "Red?"}]), json.dumps(["red", "blue"])
    cells = [chat, "red", "blue", choices, "false", '{"a": 1}']
    quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
    (pair,) = dataset(table(tmp_path, f"prompt,positive,negative,choices,listed,meta\n{quoted}\n"))
    assert pair.prompt == ({"role": "user", "content": "Red?"},)
    assert (pair.choices, pair.listed, pair.meta) == (("red", "blue"), False, {"a": 1})


def test_texts_that_look_like_lists_stay_texts(tmp_path: Path) -> None:
    (pair,) = dataset(table(tmp_path, HEADER + '"[1, 2]","[a]","{b}"\n'))
    assert (pair.prompt, pair.positive, pair.negative) == ("[1, 2]", "[a]", "{b}")


def test_a_text_over_several_lines_keeps_its_first_line_as_its_place(tmp_path: Path) -> None:
    path = table(tmp_path, HEADER + '"one\ntwo\nthree",a,b\nQ,same,same\n')
    assert only_problem(path).startswith(":5: ")
    assert dataset(path, skip_bad=True)[0].prompt == "one\ntwo\nthree"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEADER + "a,b,c,d\n" * 7, (":2: 4 values for 3 columns", "the same on 6 more lines: 3, 4")),
        (HEADER + 'a,"b,c\nd,e,f\n', (":2: broken table", "quotes")),
        ("prompt,prompt,negative\na,b,c\n", ("more than one column 'prompt'",)),
        (HEADER + "a,b,\n" * 3, (':2: the key "negative" is missing (the same on 2 more lines',)),
        (HEADER, ("the file is empty",)),
    ],
)
def test_a_broken_table_has_one_fault(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    problem = only_problem(table(tmp_path, text))
    assert all(word in problem for word in words)


def test_a_table_in_another_encoding_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(HEADER.encode() + "é,b,c\n".encode("latin-1"))
    assert "save the table as UTF-8" in only_problem(tmp_path / "a.csv")


def test_columns_that_mean_nothing_go_to_meta_with_one_remark(tmp_path: Path) -> None:
    path = table(
        tmp_path, "prompt,positive,negative,topic,Source\n" + "".join(f"Q{i},great,poor,t,s\n" for i in range(20))
    )
    report = check(path)
    assert report.behavior is not None
    assert report.behavior[0].meta == {"topic": "t", "Source": "s"}
    assert [remark for remark in report.remarks if "meta" in remark] == [
        "'topic' and 'Source' of each row go to the pairs' meta"
    ]


def test_columns_are_named_by_a_map(tmp_path: Path) -> None:
    path = table(tmp_path, "ask,best,worst,topic\nQ,yes,no,t\n")
    names = {"prompt": "ask", "positive": "best", "negative": "worst"}
    pair = dataset(path, columns=names)[0]
    assert (pair.prompt, pair.positive, pair.negative, pair.meta) == ("Q", "yes", "no", {"topic": "t"})
    rows = tmp_path / "a.jsonl"
    rows.write_text(json.dumps({"ask": "Q", "best": "yes", "worst": "no", "topic": "t"}) + "\n")
    assert dataset(rows, columns=names)[0] == pair.__class__("L1", "Q", "yes", "no", meta={"topic": "t"})


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"positive": "besst"}, "no column 'besst'; did you mean 'best'"),
        ({"promt": "ask"}, "no format has the key 'promt'; did you mean 'prompt'"),
        ({"prompt": "ask", "positive": "best", "negative": "prompt"}, ""),
    ],
)
def test_a_wrong_map_is_refused_once(tmp_path: Path, columns: dict[str, str], words: str) -> None:
    report = check(table(tmp_path, "ask,best,prompt\n" + "Q,yes,no\n"), columns=columns)
    assert len(report.problems) == (1 if words else 0)
    assert words in "".join(report.problems)


def test_parquet_rows_are_named_by_their_number(tmp_path: Path) -> None:
    rows = [{**ROW, "prompt": f"Q{i}", "when": None, "score": 0.5} for i in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    pairs = dataset(tmp_path / "a.parquet")
    assert [pair.id for pair in pairs] == ["R1", "R2", "R3"]
    assert pairs[1].reference == f"pair R2 ({tmp_path / 'a.parquet'}: row 2)"
    assert pairs[0].meta == {"score": 0.5}


def test_a_broken_parquet_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(100))
    assert "broken Parquet table" in only_problem(tmp_path / "a.parquet")


def test_items_of_a_list_are_read_over_the_borders_of_what_is_read_at_once(tmp_path: Path) -> None:
    rows = [{**ROW, "prompt": f"{i} " + "é" * (7919 * i % 40_000)} for i in range(40)]
    (tmp_path / "a.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    assert [pair.prompt for pair in dataset(tmp_path / "a.json")] == [row["prompt"] for row in rows]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "the file is empty"),
        ('[{"prompt": "Q", "positive": "a"]', "broken JSON in line 1"),
        ('[\n{"prompt": "Q", "positive": "a", "negative": "b"},\n{"b" 2}]', "item 2: broken JSON in line 3"),
        ('[{"a": 1, "a": 2}]', 'the key "a" stands there twice'),
        ("[" * 100_000, "nested"),
        ('[{"a": NaN}]', "NaN is not JSON"),
        ("[[1]]", "neither an object nor text"),
    ],
)
def test_a_broken_list_is_refused_at_its_item(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.json").write_text(text)
    assert words in only_problem(tmp_path / "a.json")


def test_texts_may_be_lines_or_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffHow?\r\n\r\n[INST] Why? [/INST]\n".encode())
    (tmp_path / "b.json").write_text('["How?", "[INST] Why? [/INST]"]')
    (tmp_path / "c.jsonl").write_text('"How?"\n"[INST] Why? [/INST]"\n')
    for name in ("a.txt", "b.json", "c.jsonl"):
        assert open_prompts(tmp_path / name) == ("How?", "[INST] Why? [/INST]")


def sparse(path: Path, start: bytes, size: int = 10 * 2**30) -> Path:
    """A file of this size that takes no room."""
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt"])
def test_a_file_of_ten_gigabytes_is_refused_unread_or_read_at_its_head(tmp_path: Path, name: str) -> None:
    line = json.dumps(ROW).encode()
    start = {
        "a.jsonl": line + b"\n" + line + b"\n", "a.json": b"[" + line + b",\n" + line + b",\n",
        "a.csv": HEADER.encode() + b"Q,yes,no\nQ,yes,no\n", "a.txt": b"Why?\nHow?\n",
    }[name]  # fmt: skip
    path = sparse(tmp_path / name, start + b" " * 9000)
    problem = only_problem(path)
    assert "more than the 100 MiB" in problem
    assert "--head" in problem
    if name == "a.txt":
        assert check(path, head=1).ok
        return
    assert len(dataset(path, head=2)) == 2
    assert any("first 2" in remark for remark in check(path, head=2).remarks)


def test_a_packed_file_is_not_unpacked_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps(ROW) + "\n").encode() * 3 + (b" " * 999 + b"\n") * 5000))
    small = row_problems.PAIRS_FILE.__class__("file of pairs", 2**20, row_problems.PAIRS_FILE.error)
    monkeypatch.setattr("trimtab.data.containers._byte_streams.PAIRS_FILE", small)
    assert "unpacked, the file has more than 1 MiB" in only_problem(path)
    assert len(dataset(path, head=3)) == 3


def test_rows_beyond_the_limit_are_refused_unless_the_head_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_problems, "MAX_LINES", 5)
    path = table(tmp_path, HEADER + "Q,great,poor\n" * 9)
    assert "more than 5 lines" in only_problem(path)
    assert len(dataset(path, head=7)) == 7
    assert "at least one row" in only_problem(path, head=0)


def test_a_line_without_end_is_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trimtab.data.containers._byte_streams.MAX_LINE_BYTES", 1000)
    (tmp_path / "a.jsonl").write_text(json.dumps(ROW) + "\n" + "x" * 5000 + "\n" + json.dumps(ROW) + "\n")
    assert only_problem(tmp_path / "a.jsonl").startswith(":2: the line has more than")
    assert len(dataset(tmp_path / "a.jsonl", skip_bad=True)) == 2


def test_left_out_rows_of_a_table_are_part_of_the_hash(tmp_path: Path) -> None:
    good = "question,best_answer,incorrect_answers\n" + "".join(f"Q{i}?,yes {i},no {i}\n" for i in range(4))
    whole = contrast(table(tmp_path, good, "a.csv"))
    with pytest.warns(match="1 line is no pair and left out: line 6"):
        other = contrast(table(tmp_path, good + "Q?,same,same\n", "b.csv"))
    assert isinstance(other, Behavior)
    assert '"question": "Q?"' in other.left_out[0].content
    assert other.hash != whole.hash
    assert len(other) == len(whole)


def packings(tmp_path: Path) -> dict[str, bytes]:
    """The same pairs in every container."""
    rows = [{**ROW, "prompt": f"How is day {i}?"} for i in range(3)]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "made.parquet")
    return {
        "a.jsonl": lines, "a.json": json.dumps(rows, indent=1).encode(), "a.jsonl.gz": gzip.compress(lines),
        "a.csv": HEADER.encode() + b'"a ""b""",c,d\ne,f,"g\nh"\n', "a.txt": b"one\ntwo\n[INST] x\n",
        "a.parquet": (tmp_path / "made.parquet").read_bytes(),
    }  # fmt: skip


INSERTED = [b"{", b"[", b'"', b"\0", b"\xff", b",", b"\n", b"\\u0000", b"1e999", b"NaN", b"[[[[", b"null"]


def test_damaged_files_are_read_or_refused_in_words(tmp_path: Path) -> None:
    source, files = random.Random(0), packings(tmp_path)
    for _ in range(400):
        name = source.choice(list(files))
        content = bytearray(files[name])
        for _ in range(source.choice((1, 1, 2, 8))):
            place = source.randrange(len(content) + 1)
            content[place : place + source.choice((0, 1, 20))] = source.choice([b"", *INSERTED])
        (tmp_path / name).write_bytes(content)
        report = check(tmp_path / name)
        assert report.ok or all(problem.startswith(str(tmp_path / name)) for problem in report.problems)
