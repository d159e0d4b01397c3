"""From rows to pairs, wherever the rows come from: the keys decide about the format, every fault is collected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from trimtab.data._jsonl import Problems, Row, zero_faults
from trimtab.data.formats import PAIR_FORMATS, PairFormat
from trimtab.data.formats.completion_labels import read_labels
from trimtab.data.formats.foreign import other_format
from trimtab.data.pairs import Pair

MAX_LEFT_OUT = 0.5
"""Share of the rows of a published file that may be no pairs; with more of them it is another kind of file."""

Numbered = list[tuple[int, Pair]]


def pairs_of(
    rows: Sequence[Row], problems: Problems, default_id: Callable[[int], str]
) -> tuple[Numbered, list[tuple[int, str]], tuple[str, ...]]:
    """The pairs of rows, of whichever format they are.

    Args:
        rows: numbers from 1, and objects.
        problems: where everything that is wrong is noted.
        default_id: makes the id of a pair whose row has none, from the number of the row; "" leaves it for later.

    Returns:
        Numbers and pairs; numbers of rows that are no pairs and may be left out, each with the reason; and what was
        done with the pairs as written.
    """
    if not _is_known(rows) and (other := other_format([row for _, row in rows])):
        problems.clear()
        problems.add(0, other)
        return [], [], ()
    found = _detect(rows)
    if found is None:
        if rows:
            number, row = rows[0]
            problems.add(number, _unknown_format(row))
        return [], [], ()
    numbered: Numbered = []
    defects: list[tuple[int, str]] = []
    for number, row in rows:
        parsed = _parse(row, default_id(number), found, problems)
        if isinstance(parsed, Pair):
            numbered.append((number, replace(parsed, origin=problems.place(number))))
        elif found.skips_defects and found.is_complete(row):
            defects.append((number, "; ".join(parsed)))
        else:
            problems.add_all(number, parsed)
    if len(defects) > MAX_LEFT_OUT * (len(numbered) + len(defects)):
        for number, reason in defects:
            problems.add(number, reason)
        defects = []
    numbered, notes = _with_labels_read(numbered, problems)
    _note_repeated_ids(numbered, problems)
    _note_mixed_forms(numbered, problems)
    return numbered, defects, notes


def _formats() -> list[PairFormat]:
    return [kind for _, kind in PAIR_FORMATS.loadable()]


def _is_known(rows: Sequence[Row]) -> bool:
    """Whether most rows are complete in some format; then the file is of no other kind."""
    complete = sum(any(kind.is_complete(row) for kind in _formats()) for _, row in rows)
    return 2 * complete > len(rows)


def _detect(rows: Sequence[Row]) -> PairFormat | None:
    """The format of which most lines have keys; of several, the one of which most lines have every key."""
    found = [
        (sum(kind.matches(row) for _, row in rows), sum(kind.is_complete(row) for _, row in rows), kind)
        for kind in _formats()
    ]
    matching, _, best = max(found, key=lambda entry: entry[:2])
    return best if matching else None


def _unknown_format(row: dict[str, Any]) -> str:
    keys = ", ".join(f'"{key}"' for key in list(row)[:8]) or "none"
    needed = " or ".join(f"{', '.join(kind.keys)} ({kind.title})" for kind in _formats())
    return f"no known format: the keys are {keys}; needed are {needed}"


def _parse(row: dict[str, Any], default_id: str, found: PairFormat, problems: Problems) -> Pair | list[str]:
    for other in _formats():
        if other is not found and other.is_complete(row) and not found.matches(row):
            here = f"this {problems.unit} is in the format {other.title}"
            return [f"{here}, the {problems.whole} in {found.title}; use two {problems.whole}s"]
    return zero_faults(row) or found.parse(row, default_id)


def _with_labels_read(numbered: Numbered, problems: Problems) -> tuple[Numbered, tuple[str, ...]]:
    """Pairs answered by a label as choice pairs; those that cannot be are noted as problems."""
    read = read_labels([pair for _, pair in numbered])
    lines: dict[str, list[int]] = {}
    for index, fault in read.faults.items():
        lines.setdefault(fault, []).append(numbered[index][0] if index >= 0 else 0)
    for fault, at in lines.items():
        more = f" (the same on {len(at) - 1} more {problems.unit}s)" if len(at) > 1 else ""
        problems.add(at[0], fault + more, also=at[1:])
    kept = [(line, read.pairs.get(i, pair)) for i, (line, pair) in enumerate(numbered) if i not in read.faults]
    return kept, read.notes


def _note_repeated_ids(numbered: Numbered, problems: Problems) -> None:
    first: dict[str, int] = {}
    for number, pair in numbered:
        if pair.id and pair.id in first:
            problems.add(number, f'the id "{pair.id}" is taken by {problems.name(first[pair.id])}; ids must differ')
        first.setdefault(pair.id, number)


def _note_mixed_forms(numbered: Numbered, problems: Problems) -> None:
    choice = [number for number, pair in numbered if pair.is_choice]
    open_ = [number for number, pair in numbered if not pair.is_choice]
    if choice and open_:
        few, here, there = (
            (open_, "no choices", "choices") if len(open_) <= len(choice) else (choice, "choices", "none")
        )
        for number in few:
            problems.add(
                number,
                f"this pair has {here}, most pairs of the {problems.whole} have {there}; use two {problems.whole}s",
            )
