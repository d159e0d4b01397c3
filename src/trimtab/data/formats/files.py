"""Contrasts to and from files, in the formats of `PAIR_FORMATS`; the content of a file decides which it is."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab._util.atomic_files import write_whole
from trimtab._util.wording import noun_for
from trimtab.data.containers import Rows, read_container
from trimtab.data.containers.parts import PartProblems, TablePart, read_parts
from trimtab.data.containers.row_problems import PAIRS_FILE, Problems, zero_faults
from trimtab.data.contrasts import AnyContrast, PromptContrast, PromptPair, SetContrast
from trimtab.data.formats import PAIR_FORMATS, PairFormat
from trimtab.data.formats._items import parse_rows
from trimtab.data.formats.base import Item, SideExample
from trimtab.data.formats.column_mapping import known_columns, named_rows
from trimtab.data.formats.completion_labels import read_labels
from trimtab.data.pairs import Behavior, LeftOut, Pair
from trimtab.errors import DataError, TrimtabWarning
from trimtab.inputs.bounded_files import open_bounded

JSON_LINES = "JSON lines"


@dataclass(frozen=True)
class Reading:
    """How to read a file."""

    skip_bad: bool = False
    """Leave out every row that is no item, whatever the format."""
    columns: Mapping[str, str] | None = None
    """The file's own names of columns by key: `{"prompt": "question"}`."""
    head: int | None = None
    """Read this many rows only, of a file of any size."""
    part: str = ""
    """Which part of the file: the concept of an AxBench table, or the list of an object that holds several."""


@dataclass(frozen=True)
class FileContent:
    """What is in a file."""

    container: str
    """What it is made of: "JSON lines"; "" where it could not be read."""
    kind: PairFormat | None
    """The format of its rows; None where it is not known."""
    numbered: tuple[tuple[int, Item], ...]
    """Number of the line, row or item; and what stands there."""
    left_out: tuple[LeftOut, ...]
    """Rows that are no items and may be left out."""
    problems: Problems
    notes: tuple[str, ...] = ()
    """What was done with the rows as written."""

    @property
    def items(self) -> tuple[Item, ...]:
        """The items alone."""
        return tuple(item for _, item in self.numbered)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The items that are pairs of completions."""
        return tuple(item for _, item in self.numbered if isinstance(item, Pair))

    @property
    def numbered_pairs(self) -> list[tuple[int, Pair]]:
        """The pairs of completions with their numbers."""
        return [(number, item) for number, item in self.numbered if isinstance(item, Pair)]


def read_pairs(path: str | os.PathLike[str]) -> tuple[Pair, ...]:
    """The pairs of a file. A pair without an id is named after its line: "L12".

    Pairs that are answered by the label of an option in their prompt come as choice pairs. Lines of a published format
    that are no pairs are left out with a warning.

    Raises:
        DataError: with every problem of the file, each as `path:line: what is wrong and what to do`; and where the file
            holds another kind of contrast.
    """
    found = parse_file(path)
    found.problems.raise_if_any()
    require_pairs(found)
    for remark in left_out_remark(found.left_out, found.problems.unit):
        warnings.warn(f"{found.problems.path}: {remark}", TrimtabWarning, stacklevel=2)
    return found.pairs


def parse_file(path: str | os.PathLike[str], reading: Reading | None = None) -> FileContent:
    """What is in a file that can be read, with line numbers, and what is wrong with the rest."""
    reading = reading or Reading()
    problems = Problems(path)
    if reading.head is not None and reading.head < 1:
        problems.add(0, f"head {reading.head}: read at least one row")
        return FileContent("", None, (), (), problems)
    rows = read_container(Path(path), problems, reading.head, known_columns(), reading.part)
    return _parsed(rows, reading, problems)


def parse_parts(name: str, parts: Iterable[TablePart], reading: Reading) -> FileContent:
    """What is in a table that is stored in several files, read in their order as one.

    A part is fetched when the rows before it are read, so that with a `head` no more are than it takes. The limits of a
    file are those of all parts together.

    Args:
        name: what messages call the whole.
        parts: the files.
        reading: how to read them.
    """
    problems = PartProblems(name)
    if reading.head is not None and reading.head < 1:
        problems.add(0, f"head {reading.head}: read at least one row")
        return FileContent("", None, (), (), problems)
    return _parsed(read_parts(parts, problems, reading.head, known_columns()), reading, problems)


def _parsed(rows: Rows, reading: Reading, problems: Problems) -> FileContent:
    """The items of the rows of a file."""
    found_rows, notes = named_rows(rows, reading.columns or {}, problems)
    if problems and not found_rows:
        return FileContent(rows.container, None, (), (), problems)
    lenient = rows.kind == "table" or bool(reading.columns)
    part = "" if rows.part else reading.part
    found = parse_rows(found_rows, problems, problems.default_id, lenient=lenient, part=part)
    numbered, defects = found.numbered, found.defects
    if reading.skip_bad and numbered:
        defects += problems.take_lines()
        bad = {line for line, _ in defects}
        numbered = [(line, item) for line, item in numbered if line not in bad]
        if not numbered and not problems:
            problems.add(0, f"no {problems.unit} is left that is a pair")
    if reading.head is not None and len(rows.rows) == reading.head:
        notes.append(f"the first {reading.head:,} {noun_for(reading.head, problems.unit)} only")
    return FileContent(
        rows.container,
        found.kind,
        tuple(numbered),
        _left_out(problems, rows, defects),
        problems,
        (*notes, *found.notes),
    )


def require_pairs(found: FileContent) -> None:
    """Refuse a file that holds another kind of contrast, and say which.

    Raises:
        DataError: if it does.
    """
    if not found.items or found.pairs:
        return
    if found.kind is None or found.kind.shape == "questions":
        make_contrast("", found)  # raises, as one list is none
    what = "two lists without pairs" if isinstance(found.items[0], SideExample) else "a contrast between two prompts"
    raise DataError(
        f"{found.problems.path}: {describe(found)}: {what}, no pairs of completions; `trimtab.data.contrast` reads it"
    )


def describe(found: FileContent) -> str:
    """What a file is: "a JSON list of persona vectors' traits"."""
    return ", ".join(part for part in (found.container, found.kind.title if found.kind else "") if part)


def _left_out(problems: Problems, rows: Rows, defects: list[tuple[int, str]]) -> tuple[LeftOut, ...]:
    """Rows that are left out, with what stands there."""
    if not defects:
        return ()
    wanted, path = dict(sorted(defects)), problems.path
    if rows.container != JSON_LINES or path.endswith(".gz") or isinstance(problems, PartProblems):
        content = {number: json.dumps(row, sort_keys=True, ensure_ascii=False) for number, row in rows.rows}
        return tuple(LeftOut(number, reason, content.get(number, "")) for number, reason in wanted.items())
    with open_bounded(path, PAIRS_FILE) as file:  # as it stands there, as it may be no JSON
        return tuple(
            LeftOut(line, wanted[line], raw.strip().decode(errors="backslashreplace"))
            for line, raw in enumerate(file, start=1)
            if line in wanted
        )


def left_out_remark(left_out: Sequence[LeftOut], unit: str = "line") -> tuple[str, ...]:
    """How many lines were left out, which, and why the first of them; empty if none was."""
    if not left_out:
        return ()
    count = f"{len(left_out)} {unit} is" if len(left_out) == 1 else f"{len(left_out)} {unit}s are"
    first = left_out[0]
    named = lines_named([line.line for line in left_out], unit)
    return (f"{count} no pair and left out: {named} ({unit} {first.line}: {first.reason})",)


def lines_named(lines: Sequence[int], unit: str = "line") -> str:
    """Lines as messages name them: "lines 3, 5, 8"."""
    shown = ", ".join(map(str, lines[:10])) + (", …" if len(lines) > 10 else "")
    return f"{noun_for(len(lines), unit)} {shown}"


def write_pairs(path: str | os.PathLike[str], pairs: Iterable[Pair], *, format: str = "pairs") -> None:
    """Write pairs to a file, which appears whole or not at all.

    Args:
        path: the file.
        pairs: what to write.
        format: a name of `PAIR_FORMATS`.

    Raises:
        DataError: if the pairs are such that they could not be read again, or the file cannot be written.
        SettingError: for a format that is not there, or in which no pairs are written.
    """
    _write_items(path, list(pairs), PAIR_FORMATS.get(format))


def write_contrast(path: str | os.PathLike[str], contrast: AnyContrast) -> None:
    """Write a contrast of any shape to a file of trimtab's own, from which `trimtab.data.contrast` reads it again.

    Raises:
        DataError: if it is such that it could not be read again, or the file cannot be written.
    """
    name, items = _items_of(contrast)
    _write_items(path, items, PAIR_FORMATS.get(name))


def contrast_rows(contrast: AnyContrast) -> list[dict[str, Any]]:
    """The objects that stand for a contrast in a file of trimtab's own, one for each line."""
    name, items = _items_of(contrast)
    kind = PAIR_FORMATS.get(name)
    return [kind.dump(item) for item in items]


def _items_of(contrast: AnyContrast) -> tuple[str, list[Item]]:
    """The name of trimtab's own format of a contrast's shape, and what it is made of."""
    if isinstance(contrast, Behavior):
        return "pairs", list(contrast.pairs)
    if isinstance(contrast, PromptContrast):
        return "prompts", list(contrast.pairs)
    positive: list[Item] = [SideExample("positive", example) for example in contrast.positive]
    return "sides", [*positive, *(SideExample("negative", example) for example in contrast.negative)]


def _write_items(path: str | os.PathLike[str], items: Sequence[Item], kind: PairFormat) -> None:
    rows = [kind.dump(item) for item in items]
    _require_readable(list(items), rows, kind)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_whole(Path(path), text, what="the pairs", error=DataError)


def _require_readable(items: list[Item], rows: list[dict[str, Any]], kind: PairFormat) -> None:
    faults = [
        f"pair {number} ({item.id!r}): {fault}"
        for number, (item, row) in enumerate(zip(items, rows, strict=True), start=1)
        for fault in _row_faults(row, kind)
    ]
    pairs = [item for item in items if isinstance(item, Pair)]
    read = read_labels(pairs)
    faults += [
        f"pair {index + 1} ({pairs[index].id!r}): {fault}" if index >= 0 else fault
        for index, fault in read.faults.items()
    ]
    faults += [
        f"pair {index + 1} ({pairs[index].id!r}): it is answered by a label and would be read as a choice pair; give "
        "its `choices`"
        for index in read.pairs
    ]
    counts = Counter((getattr(item, "side", ""), item.id) for item in items)
    faults += [f"the id {name!r} is taken {n} times; ids must differ" for (_, name), n in counts.items() if n > 1]
    if len({pair.is_choice for pair in pairs}) > 1:
        faults.append("some pairs have choices and some have none; write two files")
    if not items:
        faults.append("no pairs to write")
    if faults:
        raise DataError(faults)


def _row_faults(row: dict[str, Any], kind: PairFormat) -> list[str]:
    parsed = zero_faults(row) or kind.parse(row, "")
    return parsed if isinstance(parsed, list) else []


def make_contrast(name: str, found: FileContent) -> AnyContrast:
    """The contrast that a file holds.

    Raises:
        DataError: where it holds none: an empty list, or one list of questions only.
    """
    if found.pairs:
        return Behavior(name, found.pairs, left_out=found.left_out)
    items = found.items
    if items and isinstance(items[0], SideExample):
        sides = [
            tuple(item.example for item in items if isinstance(item, SideExample) and item.side == side)
            for side in ("positive", "negative")
        ]
        return SetContrast(name, sides[0], sides[1], left_out=found.left_out)
    prompts = tuple(item for item in items if isinstance(item, PromptPair))
    if prompts:
        return PromptContrast(name, prompts, left_out=found.left_out)
    raise DataError(
        f"{found.problems.path}: {describe(found)}: one list of {len(items)}, and a contrast needs two; name the other "
        'as well, "POSITIVE vs NEGATIVE"; to reply to them, `trimtab.data.open_prompts` reads them'
    )
