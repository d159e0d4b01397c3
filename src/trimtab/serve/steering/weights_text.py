"""Steering as a short text: `0.3 cheerful - 0.1 formal`, signed weights of named vectors.

A weight is a strength: how far the vector is pushed at its recommended layers, in the unit of its recommended scale. A
bare name is pushed by its recommended strength.

    text  = [sign] term (sign term)*
    term  = [weight] name | name "@" weight | name "@recommended"
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from trimtab.errors import SettingError

MAX_CHARACTERS = 4096
_NUMBER = r"(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][+-]?\d{1,3})?"
_TERM = re.compile(
    rf"\s*(?P<sign>[+-])?\s*(?:(?P<weight>{_NUMBER})(?:\s*\*\s*|\s+))?(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{{0,127}})"
    rf"(?:@(?P<at>recommended|[+-]?{_NUMBER}))?(?=\s|$)"
)
_HOW = "write it as 0.3 cheerful - 0.1 formal, cheerful@0.3, or cheerful for its recommended strength"


class Weight(NamedTuple):
    """One term: a vector and its strength."""

    name: str
    strength: float | None
    """None: the recommended one, with its sign turned where `negative`."""
    negative: bool = False
    """Of a recommended strength: whether a minus stands before it."""


def is_number(text: str) -> bool:
    """Whether a text reads as a number, and so cannot be a name of a vector."""
    return bool(re.fullmatch(_NUMBER, text))


def parse_weights(text: str) -> list[Weight]:
    """The terms of a text.

    Raises:
        SettingError: with the place where it cannot be read.
    """
    if len(text) > MAX_CHARACTERS:
        raise SettingError(f"steering of {len(text)} characters; {MAX_CHARACTERS} are the most")
    if not text.strip():
        raise SettingError(f"steering is an empty text; leave it out, or {_HOW}")
    weights: list[Weight] = []
    place = 0
    while text[place:].strip():
        match = _TERM.match(text, place)
        if match is None or is_number(match["name"]) or (weights and not match["sign"]):
            raise SettingError(f"steering {text[:80]!r} cannot be read from {text[place:].strip()[:40]!r} on; {_HOW}")
        weights.append(_weight(match))
        place = match.end()
    names = [one.name for one in weights]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SettingError(f"steering names {twice[0]!r} twice; add its weights up")
    return weights


def _weight(match: re.Match[str]) -> Weight:
    name, negative, at = match["name"], match["sign"] == "-", match["at"]
    if match["weight"] and at:
        raise SettingError(f"steering gives {name!r} two strengths, {match['weight']} and {at}; keep one")
    number = match["weight"] or (at if at != "recommended" else None)
    if number is None:
        return Weight(name, None, negative)
    strength = float(number)
    if not math.isfinite(strength):
        raise SettingError(f"strength {number} of {name!r} is too large")
    return Weight(name, -strength if negative else strength)
