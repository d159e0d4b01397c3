"""Containers of rows: what a file is made of, whatever its rows mean.

JSON lines, a JSON list, a JSON object, tables in text (CSV, TSV) and in Parquet, and lines of text; compressed with
gzip or not. The content decides, and the ending of the name only where the content does not. Files are read bit by
bit, within limits, and each row keeps its place.
"""

from __future__ import annotations

import codecs
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from trimtab.data.containers._byte_streams import open_stream, read_head
from trimtab.data.containers._delimited import column_names, separator_of, table_rows
from trimtab.data.containers._json_rows import TEXT, json_items, json_lines
from trimtab.data.containers._parquet_rows import parquet_rows
from trimtab.data.containers._plain_text import text_lines
from trimtab.data.containers.row_problems import Problems, Row
from trimtab.inputs.bounded_files import Unusable
from trimtab.inputs.json_text import parse_json

Kind = Literal["objects", "table", "texts"]

_MAGIC = (
    (b"\x28\xb5\x2f\xfd", "the file is compressed; unpack it first (zstd -d)"),
    (b"BZh", "the file is compressed; unpack it first (bunzip2)"),
    (b"\xfd7zXZ", "the file is compressed; unpack it first (unxz)"),
    (b"GGUF", "this is a GGUF model or vector, not pairs"),
    (b"\x93NUMPY", "this is a NumPy array, not pairs"),
    (b"SQLite format 3", "this is an SQLite database; write one object for each pair to a .jsonl file"),
    (b"PK\x03\x04", "this is a zip archive, as spreadsheets and PyTorch files are; save a spreadsheet as CSV"),
)  # fmt: skip
_PARQUET = b"PAR1"
_JSON_LIKE = re.compile(r'\{\s*(["}]|$)|\[\s*([{"\[\]\d]|$)')
"""How objects and lists begin; texts may begin with a bracket, too."""
_TABLE_ENDINGS = (".csv", ".tsv", ".tab")


@dataclass(frozen=True)
class Rows:
    """What a file holds."""

    container: str
    """What messages call the file: "JSON lines"."""
    kind: Kind
    """Objects with keys, rows of a table with columns, or texts."""
    rows: list[Row]
    """Numbers and objects; a text is an object with the key `text`."""
    part: str = ""
    """The list of an object that these are, of those that were asked for."""

    @property
    def columns(self) -> list[str]:
        """Every key, in the order in which they appear."""
        return list(dict.fromkeys(key for _, row in self.rows for key in row))


def read_container(
    path: Path, problems: Problems, head: int | None = None, known: frozenset[str] = frozenset(), part: str = ""
) -> Rows:
    """The rows of a file; what cannot be read is noted in `problems`.

    Args:
        path: the file.
        problems: where everything that is wrong is noted; its unit becomes that of the file.
        head: read this many rows only, of a file of any size.
        known: keys of formats, by which a table is distinguished from lines of text with commas.
        part: of a file that is one object, the list to read where it holds several.
    """
    nothing = Rows("", "objects", [])
    try:
        start = read_head(path, whole=head is None)
        if refusal := _no_rows(start):
            problems.add(0, refusal)
            return nothing
        with open_stream(path, whole=head is None) as file:
            found = _read(path, file, start, problems, head, known)
    except Unusable as reason:
        problems.add(0, str(reason))
        return nothing
    except (OSError, EOFError, zlib.error) as error:  # gzip: a file that is cut off or damaged
        problems.add(0, f"the file cannot be read: {getattr(error, 'strerror', None) or error}")
        return nothing
    if not found.rows and not problems:
        problems.add(0, "the file is empty; write one pair on each line")
    return _unwrapped(found, problems, part, known) if len(found.rows) == 1 and found.kind == "objects" else found


def _no_rows(start: bytes) -> str:
    """What kind of other file begins like this; "" if it may hold rows."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "the text is in UTF-16; save it as UTF-8"
    for magic, reason in _MAGIC:
        if start.startswith(magic):
            return reason
    is_binary = b"\0" in start and not start.startswith(_PARQUET)
    return "this is a binary file; pairs are text, or a Parquet table" if is_binary else ""


def _read(
    path: Path, file: BinaryIO, start: bytes, problems: Problems, head: int | None, known: frozenset[str]
) -> Rows:
    if start.startswith(_PARQUET):
        return Rows("Parquet table", "table", parquet_rows(file, problems, head))
    text = start.decode("utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    if (separator := _table_separator(path, lines, known)) is not None:
        name = "TSV" if separator == "\t" else "CSV"
        return Rows(f"table ({name})", "table", table_rows(file, problems, head, separator))
    begins = text.lstrip()
    if re.match(r'\[\s*([{"\[\]]|$)', begins):
        return _items("JSON list", file, problems, head, is_list=True)
    if begins.startswith("{") and _is_spread(path, lines[0]):
        return _items("JSON object", file, problems, head, is_list=False)
    if lines and not _is_json_lines(path, lines):
        return Rows("lines of text", "texts", text_lines(file, problems, head))
    return Rows("JSON lines", "objects", json_lines(file, problems, head))


def _is_json_lines(path: Path, lines: list[str]) -> bool:
    """Whether lines are objects, broken ones too; a file that is named so has texts only in JSON's quotes."""
    if path.name.removesuffix(".gz").endswith((".jsonl", ".ndjson")):
        return not all(line.lstrip().startswith('"') for line in lines)
    return any(_JSON_LIKE.match(line.lstrip()) or _is_json(line) for line in lines)


def _items(container: str, file: BinaryIO, problems: Problems, head: int | None, *, is_list: bool) -> Rows:
    rows = json_items(file, problems, head, is_list=is_list)
    texts = bool(rows) and all(row.keys() == {TEXT} for _, row in rows)
    return Rows(container, "texts" if texts else "objects", rows)


def _unwrapped(found: Rows, problems: Problems, part: str, known: frozenset[str]) -> Rows:
    """The rows of the list that one object holds, as {"data": […]}; other objects are rows themselves."""
    ((_, row),) = found.rows
    lists = {key: value for key, value in row.items() if isinstance(value, list) and _are_objects(value)}
    if part in lists:
        key = part
    elif len(lists) == 1 and not any(isinstance(value, list | dict) for key, value in row.items() if key not in lists):
        key = next(iter(lists))
        if key in known:  # such as the messages of a prompt
            return found
    else:
        return found
    problems.unit = "item"
    rows = list(enumerate(lists[key], start=1))
    return Rows(f'JSON object with the list "{key}"', "objects", rows, part if key == part else "")


def is_conversation(value: Any) -> bool:
    """Whether a value is a list of what look like messages."""
    return isinstance(value, list) and bool(value) and all(_looks_like_message(item) for item in value)


def _looks_like_message(value: Any) -> bool:
    return isinstance(value, dict) and ({"role", "content"} <= set(value) or {"from", "value"} <= set(value))


def _are_objects(value: list[Any]) -> bool:
    return bool(value) and all(isinstance(item, dict) for item in value)


def _is_spread(path: Path, first: str) -> bool:
    """Whether an object continues behind the line on which it begins."""
    if first.strip() == "{":
        return True
    return path.name.removesuffix(".gz").endswith(".json") and not _is_json(first)


def _is_json(line: str) -> bool:
    try:
        parse_json(line)
    except ValueError:
        return False
    return not line.strip().startswith('"')


def _table_separator(path: Path, lines: list[str], known: frozenset[str]) -> str | None:
    """The separator of a table, "" where it has one column; None if this is none.

    A file that is not named as a table is one if its first line names two columns or more that a format knows.
    """
    if not lines:
        return None
    separator = separator_of(lines)
    if path.name.removesuffix(".gz").lower().endswith(_TABLE_ENDINGS):
        return separator
    names = column_names(lines, separator) if separator and lines[0].lstrip()[0] not in "{[" else []
    return separator if len({name.casefold().replace(" ", "_") for name in names} & known) > 1 else None
