"""Taking pairs out of a file that a person struck out on its review page."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from trimtab.data import Pair, read_pairs, write_pairs
from trimtab.data.seeded import content_key
from trimtab.errors import DataError
from trimtab.generation.alone import alone
from trimtab.generation.notes import Notes
from trimtab.generation.wanted import draft_of

MOST_BYTES = 100 * 2**20


@dataclass(frozen=True)
class Struck:
    """What came of striking pairs out."""

    removed: int
    left: int
    unknown: int
    """Decisions about pairs that are not in the file any more."""


def pair_key(pair: Pair) -> str:
    """What a review page calls a pair: its content, so that a decision holds whatever line the pair has moved to."""
    return hashlib.sha256(content_key(pair).encode("utf-8")).hexdigest()[:16]


def read_decisions(path: Path) -> frozenset[str]:
    """The keys of struck pairs in a file that a review page saved.

    Raises:
        DataError: when it is none.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError("it is too large")
        found = json.loads(path.read_text(encoding="utf-8"))
        return frozenset(str(entry["key"]) for entry in found["struck"])
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; save decisions on the review page first") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path}: no decisions from a review page ({type(error).__name__}: {error}); save them there again"
        ) from error


def strike(pairs: Path, keys: Collection[str]) -> Struck:
    """Remove pairs from a file. Where `generate` wrote it, they are noted, so that their prompts do not come back.

    Raises:
        DataError: when the file cannot be read, or nothing would be left.
        RunError: when its notes are damaged.
    """
    if not pairs.exists():
        read_pairs(pairs)  # says so, and names a near one
    with alone(pairs):
        every = read_pairs(pairs)
        kept = [pair for pair in every if pair_key(pair) not in keys]
        gone = [pair for pair in every if pair_key(pair) in keys]
        unknown = len(set(keys) - {pair_key(pair) for pair in gone})
        if not kept:
            raise DataError(f"{pairs}: every pair is struck out; delete the file instead")
        if gone:
            if notes := Notes.read(pairs):
                notes.strike(draft_of(pair).prompt for pair in gone)
                notes.save()
            write_pairs(pairs, kept)
    return Struck(len(gone), len(kept), unknown)
