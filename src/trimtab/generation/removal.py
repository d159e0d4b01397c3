"""Removal of pairs that a reviewer struck out on the review page."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from trimtab.data import Pair, read_pairs, write_pairs
from trimtab.data.hash_order import content_key
from trimtab.errors import DataError
from trimtab.generation._lock import exclusive_access
from trimtab.generation.record import PairRecord
from trimtab.generation.request import draft_of
from trimtab.inputs.bounded_files import MIB, FileKind
from trimtab.inputs.json_text import read_json

_DECISIONS = FileKind("file of decisions", 100 * MIB, DataError, "save it on the review page again")


@dataclass(frozen=True)
class Removal:
    """The outcome of removing pairs."""

    removed: int
    left: int
    unknown: int
    """Decisions about pairs that are not in the file any more."""


def pair_key(pair: Pair) -> str:
    """The key of a pair on review pages: a hash of its content, so that decisions survive changes of order."""
    return hashlib.sha256(content_key(pair).encode("utf-8")).hexdigest()[:16]


def read_decisions(path: Path) -> frozenset[str]:
    """The keys of struck pairs in a file that a review page saved.

    Raises:
        DataError: when it is none.
    """
    found = read_json(path, _DECISIONS)
    struck = found.get("struck") if isinstance(found, dict) else None
    if not isinstance(struck, list):
        raise _DECISIONS.fault(path, 'no decisions from a review page: a list "struck" is missing')
    for number, entry in enumerate(struck, start=1):
        if not isinstance(entry, dict) or not isinstance(entry.get("key"), str):
            raise _DECISIONS.fault(path, f'no decisions from a review page: number {number} has no "key" that is text')
    return frozenset(entry["key"] for entry in struck)


def remove_pairs(pairs: Path, keys: Collection[str]) -> Removal:
    """Remove pairs from a file. Where `generate` wrote it, their prompts are recorded and not generated again.

    Raises:
        DataError: when the file cannot be read, or nothing would be left.
        RunError: when its notes are damaged.
    """
    if not pairs.exists():
        read_pairs(pairs)  # says so, and names a near one
    with exclusive_access(pairs):
        every = read_pairs(pairs)
        remaining = [pair for pair in every if pair_key(pair) not in keys]
        removed = [pair for pair in every if pair_key(pair) in keys]
        unknown = len(set(keys) - {pair_key(pair) for pair in removed})
        if not remaining:
            raise DataError(f"{pairs}: every pair is struck out; delete the file instead")
        if removed:
            if record := PairRecord.read(pairs):
                record.exclude(draft_of(pair).prompt for pair in removed)
                record.save()
            write_pairs(pairs, remaining)
    return Removal(len(removed), len(remaining), unknown)
