"""From rows to items, wherever the rows come from: the keys decide about the format, every fault is collected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trimtab._util.wording import listed
from trimtab.data.containers.row_problems import Problems, Row, zero_faults
from trimtab.data.formats import PAIR_FORMATS, PairFormat
from trimtab.data.formats._foreign import other_format
from trimtab.data.formats.base import Item, with_origin
from trimtab.data.formats.completion_labels import read_labels
from trimtab.data.formats.native import REQUIRED
from trimtab.data.pairs import Pair

MAX_LEFT_OUT = 0.5
"""Share of the rows of a published file that may be no items; with more of them it is another kind of file."""
MAX_KEYS_NAMED = 8

Numbered = list[tuple[int, Item]]


@dataclass
class ParsedRows:
    """What rows are."""

    kind: PairFormat | None = None
    """Their format; None if it is not known."""
    numbered: Numbered = field(default_factory=list)
    """Numbers of rows, and items."""
    defects: list[tuple[int, str]] = field(default_factory=list)
    """Numbers of rows that are no items and may be left out, each with the reason."""
    notes: list[str] = field(default_factory=list)
    """What was done with the rows as written."""


def parse_rows(
    rows: Sequence[Row],
    problems: Problems,
    default_id: Callable[[int], str],
    *,
    lenient: bool = False,
    part: str = "",
) -> ParsedRows:
    """The items of rows, of whichever format they are.

    Args:
        rows: numbers from 1, and objects.
        problems: where everything that is wrong is noted.
        default_id: makes the id of an item whose row has none, from the number of the row; "" leaves it for later.
        lenient: whether keys that mean nothing go to meta in every format, as of tables.
        part: which part of the rows is wanted, of formats that have parts.
    """
    if not _is_known(rows) and (other := other_format([row for _, row in rows])):
        problems.clear()
        problems.add(0, other)
        return ParsedRows()
    kind = _detect(rows)
    if kind is None:
        if rows:
            number, row = rows[0]
            problems.add(number, _unknown_format(row))
        return ParsedRows()
    chosen = kind.select([row for _, row in rows], part)
    if isinstance(chosen, str):
        problems.add(0, chosen)
        return ParsedRows(kind)
    rows = [rows[index] for index in chosen]
    found = ParsedRows(kind, notes=kind.notes([row for _, row in rows]))
    if lenient and kind.strict:
        rows = [(number, _with_meta(row, kind)) for number, row in rows]
    for number, row in rows:
        _parse_into(found, number, row, kind, default_id(number), problems)
    found.notes += _unknown_note(rows, kind, lenient)
    _refuse_too_many_defects(found, problems)
    _read_labels(found, problems)
    _note_repeated_ids(found.numbered, problems)
    _note_mixed_shapes(found.numbered, problems)
    _note_mixed_forms(found.numbered, problems)
    return found


def _formats() -> list[PairFormat]:
    return [kind for _, kind in PAIR_FORMATS.loadable()]


def _is_known(rows: Sequence[Row]) -> bool:
    """Whether most rows are complete in some format; then the file is of no other kind."""
    formats = _formats()
    complete = sum(any(kind.is_complete(row) for kind in formats) for _, row in rows)
    return 2 * complete > len(rows)


def _detect(rows: Sequence[Row]) -> PairFormat | None:
    """The format of which most lines have keys; of several, the one of which most lines have every key."""
    found = [
        (sum(kind.matches(row) for _, row in rows), sum(kind.is_complete(row) for _, row in rows), kind)
        for kind in _formats()
    ]
    # Formats share keys such as `prompt`: where one has most lines complete, what the others match says nothing.
    whole = [entry for entry in found if 2 * entry[1] > len(rows)]
    matching, _, best = max(whole, key=lambda entry: entry[1]) if whole else max(found, key=lambda entry: entry[:2])
    return best if matching else None


def _unknown_format(row: dict[str, Any]) -> str:
    keys = ", ".join(f'"{key}"' for key in list(row)[:MAX_KEYS_NAMED]) or "none"
    return (
        f"no known format: the keys are {keys}; pairs have {', '.join(REQUIRED)}: name what stands for them (--map "
        "prompt=KEY,positive=KEY,negative=KEY), or see `trimtab data formats` for the others"
    )


def _parse_into(
    found: ParsedRows, number: int, row: dict[str, Any], kind: PairFormat, default_id: str, problems: Problems
) -> None:
    if not kind.is_complete(row) and (other := _other_format(row, kind)):
        here = f"this {problems.unit} is in the format {other.title}"
        problems.add(number, f"{here}, the {problems.whole} in {kind.title}; use two {problems.whole}s")
        return
    parsed = zero_faults(row) or kind.parse(row, default_id)
    if not isinstance(parsed, list):
        place = problems.place(number)
        items = parsed if isinstance(parsed, tuple) else (parsed,)
        found.numbered += [(number, with_origin(item, place)) for item in items]
    elif kind.skips_defects and kind.is_complete(row):
        found.defects.append((number, "; ".join(parsed)))
    else:
        problems.add_all(number, parsed)


def _other_format(row: dict[str, Any], kind: PairFormat) -> PairFormat | None:
    return next((other for other in _formats() if other is not kind and other.is_complete(row)), None)


def _with_meta(row: dict[str, Any], kind: PairFormat) -> dict[str, Any]:
    """A row whose keys that mean nothing are under its meta."""
    known = kind.known_keys()
    rest = {key: value for key, value in row.items() if key not in known}
    if not rest:
        return row
    own = row.get("meta")
    kept = {key: value for key, value in row.items() if key in known}
    return {**kept, "meta": {**rest, **(own if isinstance(own, dict) else {})}}


def _unknown_note(rows: Sequence[Row], kind: PairFormat, lenient: bool) -> list[str]:
    if kind.strict:
        meta = [row.get("meta") for _, row in rows] if lenient else []
        unknown = dict.fromkeys(key for one in meta if isinstance(one, dict) for key in one)
    else:
        known = {*kind.known_keys(), "meta"}
        unknown = dict.fromkeys(key for _, row in rows for key in row if key not in known)
    if not unknown:
        return []
    return [f"{listed(list(map(repr, unknown)), MAX_KEYS_NAMED)} of each row go to the pairs' meta"]


def _refuse_too_many_defects(found: ParsedRows, problems: Problems) -> None:
    if len(found.defects) > MAX_LEFT_OUT * (len(found.numbered) + len(found.defects)):
        for number, reason in found.defects:
            problems.add(number, reason)
        found.defects = []


def _read_labels(found: ParsedRows, problems: Problems) -> None:
    """Make pairs answered by a label choice pairs; those that cannot be are noted as problems."""
    places = [index for index, (_, item) in enumerate(found.numbered) if isinstance(item, Pair)]
    read = read_labels([item for _, item in found.numbered if isinstance(item, Pair)])
    refused = set()
    for index, fault in read.faults.items():
        problems.add(found.numbered[places[index]][0] if index >= 0 else 0, fault)
        refused.add(places[index] if index >= 0 else -1)
    for index, pair in read.pairs.items():
        found.numbered[places[index]] = (found.numbered[places[index]][0], pair)
    found.numbered = [entry for index, entry in enumerate(found.numbered) if index not in refused]
    found.notes += read.notes


def _note_repeated_ids(numbered: Numbered, problems: Problems) -> None:
    first: dict[tuple[str, str], int] = {}
    for number, item in numbered:
        key = (getattr(item, "side", ""), item.id)  # the two lists of a contrast have ids of their own
        if item.id and key in first:
            problems.add(number, f'the id "{item.id}" is taken by {problems.name(first[key])}; ids must differ')
        first.setdefault(key, number)


_SHAPES = {"Pair": "a pair of completions", "PromptPair": "a pair of prompts"}


def _note_mixed_shapes(numbered: Numbered, problems: Problems) -> None:
    """Rows of a shape that few have; one contrast has one shape."""
    shapes = [type(item).__name__ for _, item in numbered]
    if len(set(shapes)) < 2:
        return
    most = max(dict.fromkeys(shapes), key=shapes.count)
    for (number, _), shape in zip(numbered, shapes, strict=True):
        if shape != most:
            here, there = _SHAPES.get(shape, "no pair"), _SHAPES.get(most, "none")
            problems.add(number, f"this is {here}, most of the {problems.whole} are {there}; use two {problems.whole}s")


def _note_mixed_forms(numbered: Numbered, problems: Problems) -> None:
    choice = [number for number, item in numbered if isinstance(item, Pair) and item.is_choice]
    open_ = [number for number, item in numbered if isinstance(item, Pair) and not item.is_choice]
    if choice and open_:
        few, here, there = (
            (open_, "no choices", "choices") if len(open_) <= len(choice) else (choice, "choices", "none")
        )
        for number in few:
            problems.add(
                number,
                f"this pair has {here}, most pairs of the {problems.whole} have {there}; use two {problems.whole}s",
            )
