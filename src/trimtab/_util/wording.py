"""Counts and lists in words, for every message and sentence."""

from __future__ import annotations

from collections.abc import Sequence

_SINGULAR = {"are": "is", "have": "has", "were": "was", "do": "does"}


def plural(n: float, noun: str, many: str | None = None) -> str:
    """Count something: 1 prompt, 2 prompts; `many` where the plural is not the noun with an s."""
    return f"{int(n):,} {noun_for(n, noun, many)}"


def noun_for(n: float, noun: str, many: str | None = None) -> str:
    """Return the noun, or its plural, for a count that is written elsewhere."""
    return noun if int(n) == 1 else many or f"{noun}s"


def verb_for(n: float, verb: str) -> str:
    """Return the verb for a count of subjects: 1 pair stands, 2 pairs stand."""
    return _SINGULAR.get(verb, f"{verb}s") if int(n) == 1 else verb


def listed(names: Sequence[str], most: int | None = None) -> str:
    """Join names: a, b and c; beyond `most` of them only their number is given."""
    if most is not None and len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
