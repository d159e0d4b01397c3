"""Pairs to and from files, in the formats of `PAIR_FORMATS`; the keys of a file decide which it is."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trimtab._util.atomic_files import write_whole
from trimtab._util.wording import noun_for
from trimtab.data._jsonl import PAIRS_FILE, Problems, read_rows, zero_faults
from trimtab.data.formats import PAIR_FORMATS, PairFormat
from trimtab.data.formats._rows import pairs_of
from trimtab.data.formats.completion_labels import read_labels
from trimtab.data.pairs import LeftOut, Pair
from trimtab.errors import DataError, TrimtabWarning
from trimtab.inputs.bounded_files import open_bounded


@dataclass(frozen=True)
class PairsFile:
    """What is in a file of pairs."""

    numbered: tuple[tuple[int, Pair], ...]
    """Line number and pair."""
    left_out: tuple[LeftOut, ...]
    """Lines that are no pairs and may be left out."""
    problems: Problems
    notes: tuple[str, ...] = ()
    """What was done with the pairs as written."""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs alone."""
        return tuple(pair for _, pair in self.numbered)


def read_pairs(path: str | os.PathLike[str]) -> tuple[Pair, ...]:
    """The pairs of a file. A pair without an id is named after its line: "L12".

    Pairs that are answered by the label of an option in their prompt come as choice pairs. Lines of a published format
    that are no pairs are left out with a warning.

    Raises:
        DataError: with every problem of the file, each as `path:line: what is wrong and what to do`.
    """
    found = parse_file(path)
    found.problems.raise_if_any()
    for remark in left_out_remark(found.left_out):
        warnings.warn(f"{found.problems.path}: {remark}", TrimtabWarning, stacklevel=2)
    return found.pairs


def parse_file(path: str | os.PathLike[str], *, skip_bad: bool = False) -> PairsFile:
    """The pairs of a file that can be read, with their line numbers, and what is wrong with the rest.

    Args:
        path: the file.
        skip_bad: leave out every line that is no pair, whatever the format.
    """
    problems = Problems(path)
    rows = read_rows(Path(path), problems)
    numbered, defects, notes = pairs_of(rows, problems, lambda line: f"L{line}")
    if skip_bad and numbered:
        defects += problems.take_lines()
        bad = {line for line, _ in defects}
        numbered = [(line, pair) for line, pair in numbered if line not in bad]
        if not numbered and not problems:
            problems.add(0, "no line is left that is a pair")
    return PairsFile(tuple(numbered), _left_out(problems.path, defects), problems, notes)


def _left_out(path: str, defects: list[tuple[int, str]]) -> tuple[LeftOut, ...]:
    """Lines that are left out, with what stands on them."""
    if not defects:
        return ()
    wanted = dict(defects)
    with open_bounded(path, PAIRS_FILE) as file:
        return tuple(
            LeftOut(line, wanted[line], raw.strip().decode(errors="backslashreplace"))
            for line, raw in enumerate(file, start=1)
            if line in wanted
        )


def left_out_remark(left_out: Sequence[LeftOut]) -> tuple[str, ...]:
    """How many lines were left out, which, and why the first of them; empty if none was."""
    if not left_out:
        return ()
    count = f"{len(left_out)} line is" if len(left_out) == 1 else f"{len(left_out)} lines are"
    first = left_out[0]
    named = lines_named([line.line for line in left_out])
    return (f"{count} no pair and left out: {named} (line {first.line}: {first.reason})",)


def lines_named(lines: Sequence[int]) -> str:
    """Lines as messages name them: "lines 3, 5, 8"."""
    shown = ", ".join(map(str, lines[:10])) + (", …" if len(lines) > 10 else "")
    return f"{noun_for(len(lines), 'line')} {shown}"


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
    written, kind = list(pairs), PAIR_FORMATS.get(format)
    rows = [kind.dump(pair) for pair in written]
    _require_readable(written, rows, kind)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_whole(Path(path), text, what="the pairs", error=DataError)


def _require_readable(pairs: list[Pair], rows: list[dict[str, Any]], kind: PairFormat) -> None:
    faults = [
        f"pair {number} ({pair.id!r}): {fault}"
        for number, (pair, row) in enumerate(zip(pairs, rows, strict=True), start=1)
        for fault in _row_faults(row, kind)
    ]
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
    counts = Counter(pair.id for pair in pairs)
    faults += [f"the id {name!r} is taken {n} times; ids must differ" for name, n in counts.items() if n > 1]
    if len({pair.is_choice for pair in pairs}) > 1:
        faults.append("some pairs have choices and some have none; write two files")
    if not pairs:
        faults.append("no pairs to write")
    if faults:
        raise DataError(faults)


def _row_faults(row: dict[str, Any], kind: PairFormat) -> list[str]:
    parsed = zero_faults(row) or kind.parse(row, "")
    return [] if isinstance(parsed, Pair) else parsed
