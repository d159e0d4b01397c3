"""Rows of JSON: an object on each line, a list of objects, or an object over several lines."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from trimtab.data.containers._byte_streams import numbered_lines
from trimtab.data.containers._row_limits import Broken, RowCollector, parse_object, parse_value
from trimtab.data.containers.row_problems import MAX_LINE_BYTES, Problems, Row, json_kind

CHUNK = 2**16
TEXT = "text"
"""The key of a row that is no more than a text."""


def json_lines(file: BinaryIO, problems: Problems, head: int | None) -> list[Row]:
    """The objects of a file with one on each line."""
    found = RowCollector(problems, head)
    for number, raw in numbered_lines(file):
        if found.is_full(number):
            break
        if raw is None:
            problems.add(number, f"the line has more than {MAX_LINE_BYTES:,} bytes; shorten the pair")
            continue
        text = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        if not text.strip():
            continue
        parsed = _object_on(text)
        if isinstance(parsed, str):
            problems.add(number, parsed)
        elif not found.add(number, parsed):
            break
    return found.rows


def decoded_line(raw: bytes) -> tuple[str, str]:
    """The text of a line and "", or "" and what is wrong with it."""
    if b"\0" in raw:
        return "", "the line holds a zero byte; the file is damaged or not text"
    try:
        return raw.decode(), ""
    except UnicodeDecodeError as error:
        return "", f"not UTF-8: byte {error.start + 1} of the line is {raw[error.start]:#04x}; save it as UTF-8"


def _object_on(raw: bytes) -> dict[str, Any] | str:
    text, fault = decoded_line(raw)
    return fault or parse_object(text)


def json_items(file: BinaryIO, problems: Problems, head: int | None, *, is_list: bool) -> list[Row]:
    """The objects of a list, or those that follow one another without one; texts are rows with the key `text`."""
    problems.unit = "item"
    found = RowCollector(problems, head)
    for number, text in enumerate(_value_texts(file, is_list), start=1):
        if isinstance(text, Broken):
            problems.add(number, f"{text.reason}; what follows is not read")
            problems.stopped = True
            break
        if found.is_full(number):
            break
        value = parse_value(text)
        if isinstance(value, Broken):
            problems.add(number, value.reason)
        elif not isinstance(value, (dict, str)):
            problems.add(number, f"neither an object nor text but {json_kind(value)}; write {{…}} with its keys")
        elif not found.add(number, value if isinstance(value, dict) else {TEXT: value}):
            break
    return found.rows


def _value_texts(file: BinaryIO, is_list: bool) -> Iterator[str | Broken]:
    """The text of each value, read bit by bit; a `Broken` ends them."""
    stream = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    window = _Window(stream)
    try:
        if is_list:
            window.skip_spaces()
            window.at += 1  # the bracket
        while True:
            window.skip_spaces(also="," if is_list else "")
            here = window.peek()
            if not here or (is_list and here == "]"):
                if is_list and not here:
                    yield Broken("the list does not end in a bracket: the file is cut off")
                return
            found = window.take_value()
            yield found
            if isinstance(found, Broken):
                return
    except UnicodeDecodeError as error:
        yield Broken(f"not UTF-8 (the byte {error.object[error.start]:#04x}); save the file as UTF-8")
    finally:
        stream.detach()  # the file is closed by whoever opened it


class _Window:
    """The part of a text that is being looked at."""

    def __init__(self, stream: io.TextIOWrapper):
        self._stream, self._text, self.at, self._line = stream, "", 0, 1
        self._decoder = json.JSONDecoder()

    def _more(self) -> bool:
        if self.at > CHUNK:
            self._line += self._text.count("\n", 0, self.at)
            self._text, self.at = self._text[self.at :], 0
        # As much again as there is: a long value is tried a few times, not once for each chunk.
        added = self._stream.read(max(CHUNK, len(self._text) - self.at))
        self._text += added
        return bool(added)

    def peek(self) -> str:
        if self.at >= len(self._text) and not self._more():
            return ""
        return self._text[self.at]

    def skip_spaces(self, also: str = "") -> None:
        while (here := self.peek()) and (here.isspace() or here in also):
            self.at += 1

    def take_value(self) -> str | Broken:
        while True:
            try:
                _, end = self._decoder.raw_decode(self._text, self.at)
            except RecursionError:
                return Broken("broken JSON: nested too deeply")
            except json.JSONDecodeError as error:
                if len(self._text) - self.at <= MAX_LINE_BYTES and self._more():
                    continue
                if len(self._text) - self.at > MAX_LINE_BYTES:
                    return Broken(f"the item is broken, or has more than {MAX_LINE_BYTES:,} characters; shorten it")
                return Broken(f"broken JSON in line {self._line + error.lineno - 1} of the file: {error.msg}")
            if end == len(self._text) and self._more():  # a number may go on
                continue
            text, self.at = self._text[self.at : end], end
            return text
