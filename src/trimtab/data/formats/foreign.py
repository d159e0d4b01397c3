"""Files that are no pairs: what they seem to be, and what can be done with them.

Each kind is reported in one sentence for the whole file, not once for each of its lines.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HEAD_BYTES = 8192
MAX_OBJECT_BYTES = 2**20
"""A larger file that is one object is not looked into."""

_TARGET = '{"prompt": …, "positive": …, "negative": …}'
_NOT_YET = "which trimtab does not read yet"

_MAGIC = (
    (b"\x1f\x8b", "the file is compressed; unpack it first (gunzip)"),
    (b"\x28\xb5\x2f\xfd", "the file is compressed; unpack it first (zstd -d)"),
    (b"PAR1", "this is a Parquet table; write it as JSON lines (pandas: to_json(…, orient='records', lines=True))"),
    (b"GGUF", "this is a GGUF model or vector, not pairs"),
    (b"\x93NUMPY", "this is a NumPy array, not pairs"),
    (b"SQLite format 3", "this is an SQLite database; write one object for each pair to a .jsonl file"),
    (b"PK\x03\x04", "this is a zip archive, as spreadsheets and PyTorch files are; pairs are text, one object a line"),
)  # fmt: skip


def not_jsonl(path: Path, start: bytes) -> str:
    """What kind of other file begins like this, and what to do; empty if it may be JSONL."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "the text is in UTF-16; save it as UTF-8"
    for magic, told in _MAGIC:
        if start.startswith(magic):
            return told
    if b"\0" in start:
        return "this is a binary file; pairs are text, one JSON object on each line"
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    if re.match(rb'\[\s*([{"\[\]]|$)', text):
        return "the file begins with a JSON list; write one object on each line instead (jq -c '.[]' does it)"
    if text.split(b"\n", 1)[0].strip() == b"{":
        return _one_object(path)
    return _text_without_objects(path, text)


def _one_object(path: Path) -> str:
    """An object over several lines: pairs laid out for reading, or a file of another kind."""
    with path.open("rb") as file:
        content = file.read(MAX_OBJECT_BYTES + 1)
    try:
        value = json.loads(content.decode("utf-8-sig")) if len(content) <= MAX_OBJECT_BYTES else None
    except (ValueError, RecursionError):
        value = None  # several objects, one after the other, or broken ones
    if isinstance(value, dict) and (other := other_format([value])):
        return other
    return "an object is spread over several lines; write each object on one line (jq -c . does it)"


def _text_without_objects(path: Path, text: bytes) -> str:
    """What a text is of which no line is an object; empty if one is."""
    lines = [line.strip() for line in text.decode(errors="replace").splitlines() if line.strip()]
    if not lines or any(line[0] in "{[" or _is_json(line) for line in lines):
        return ""
    if separator := _table_separator(path, lines):
        columns = next(csv.reader(lines[:1], delimiter=separator))
        named = ", ".join(column.strip() for column in columns[:8]) + (", …" if len(columns) > 8 else "")
        return (
            f"this is a table (CSV) with the columns {named}, {_NOT_YET}: write each row as an object, {_TARGET}, on a "
            "line of its own (pandas: read_csv, rename, to_json(…, orient='records', lines=True))"
        )
    return (
        f"this is plain text, not JSON, {_NOT_YET}: write an object for each pair, {_TARGET}, each on a line of its own"
    )


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _table_separator(path: Path, lines: Sequence[str]) -> str:
    """The separator of a table; "" if this is none. The header and the rows of a table have as many fields."""
    for separator in (",", "\t", ";"):
        fields = [len(row) for row in csv.reader(lines[:5], delimiter=separator)]
        named = path.suffix.lower() in (".csv", ".tsv")
        if fields[0] > 1 and (named or (len(fields) > 1 and set(fields[:-1]) == {fields[0]})):
            return separator
    return ""


def other_format(rows: Sequence[dict[str, Any]]) -> str:
    """What rows of another known format are, and what to do with them; empty if most are of none."""
    told = [sentence for row in rows if (sentence := _kind(row))]
    if not told or 2 * len(told) <= len(rows):
        return ""
    return max(dict.fromkeys(told), key=told.count)


def _kind(row: dict[str, Any]) -> str:
    """What kind of known row this is; "" if it is none, or may be a pair."""
    keys = {key.casefold() for key in row}
    if {"positive", "negative", "prompt"} <= keys or "answer_matching_behavior" in keys:
        return ""
    for kind in (_preference, _conversation, _contrast_of_prompts, _question_and_answers, _texts):
        if sentence := kind(row, keys):
            return sentence
    return ""


def _preference(row: dict[str, Any], keys: set[str]) -> str:
    if not {"chosen", "rejected"} <= keys:
        return ""
    if isinstance(row.get("chosen"), list):
        return (
            f"these are preferences between two conversations (chosen, rejected: lists of messages), {_NOT_YET}: write "
            'the messages they share as "prompt" and the last one\'s text as "positive" and "negative"'
        )
    if "prompt" in keys or "question" in keys:
        return (
            f"these are preferences (chosen, rejected), {_NOT_YET}: rename the keys (jq -c '{{prompt, positive: "
            ".chosen, negative: .rejected}' does it)"
        )
    return (
        f"these are preferences between two dialogues (chosen, rejected: Human: and Assistant:), {_NOT_YET}: "
        'write what both begin with as "prompt" and the two last answers as "positive" and "negative"'
    )


def _conversation(row: dict[str, Any], keys: set[str]) -> str:
    only_messages = "messages" in keys and keys <= {"messages", "id", "tools", "source"}
    if only_messages or keys & {"conversations", "conversation"}:
        return (
            f"these are conversations with one reply each; a pair needs two: write {_TARGET} with the messages before "
            'the reply as "prompt" ({"role": …, "content": …} each)'
        )
    return ""


def _contrast_of_prompts(row: dict[str, Any], keys: set[str]) -> str:
    sides = [{key for key in keys if key.startswith(side)} for side in ("positive", "negative", "pos_", "neg_")]
    prompts = [key for side in sides for key in side if re.search(r"prompt|system|instruction|messages|persona", key)]
    trait = isinstance(row.get("instruction"), list) and "questions" in keys
    if len(prompts) > 1 or trait:
        return (
            f"this is a contrast between two prompts (or system prompts), with the same or no reply, {_NOT_YET}: a "
            "pair has one prompt and two completions that differ"
        )
    return ""


def _question_and_answers(row: dict[str, Any], keys: set[str]) -> str:
    if {"question", "correct_answers"} <= keys or {"mc1_targets"} <= keys or {"question", "incorrect_answers"} <= keys:
        return (
            f"these are questions with right and wrong answers, {_NOT_YET}: write one right and one wrong as {_TARGET}"
        )
    if {"instruction", "output"} <= keys:
        return f"these are instructions with one output each; a pair needs two completions: write {_TARGET}"
    return ""


def _texts(row: dict[str, Any], keys: set[str]) -> str:
    sides = {"positive", "negative"} if "positive" in keys else {"pos", "neg"}
    if sides <= keys <= sides | {"id", "meta", "label"}:
        return f'these are texts without a prompt, {_NOT_YET}: give each pair the "prompt" that both answer'
    return ""
