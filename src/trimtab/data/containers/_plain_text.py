"""Lines of text, each of which is one item."""

from __future__ import annotations

import codecs
from typing import BinaryIO

from trimtab.data.containers._byte_streams import numbered_lines
from trimtab.data.containers._json_rows import TEXT, decoded_line
from trimtab.data.containers._row_limits import RowCollector
from trimtab.data.containers.row_problems import MAX_LINE_BYTES, Problems, Row
from trimtab.inputs.json_text import parse_json


def text_lines(file: BinaryIO, problems: Problems, head: int | None) -> list[Row]:
    """The lines of a file without the empty ones; a line that is a text in JSON's quotes comes without them."""
    found = RowCollector(problems, head)
    for number, raw in numbered_lines(file):
        if found.is_full(number):
            break
        if raw is None:
            problems.add(number, f"the line has more than {MAX_LINE_BYTES:,} bytes; shorten it")
            continue
        text, fault = decoded_line(raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw)
        if fault:
            problems.add(number, fault)
        elif text.strip() and not found.add(number, {TEXT: _unquoted(text.strip())}):
            break
    return found.rows


def _unquoted(line: str) -> str:
    if not line.startswith('"'):
        return line
    try:
        value = parse_json(line)
    except ValueError:
        return line
    return value if isinstance(value, str) else line
