"""Parsing the verdict of a language model: its numbers, or the reason why there are none; never a guess."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from trimtab.judges.base import MAX_SCORE
from trimtab.llm import objects_in, without_thinking

_MAX_CHARACTERS = 20_000
_MAX_QUOTED_CHARACTERS = 80
_REPLIES = ("reply_1", "reply_2")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)


@dataclass(frozen=True)
class Scores:
    """The scores of one reply, 0 to 10."""

    behavior: float
    coherence: float


@dataclass(frozen=True)
class Verdict:
    """The scores of the two replies, in the order shown."""

    first: Scores
    second: Scores


class UnreadableError(ValueError):
    """No verdict can be parsed; the message says why and quotes the beginning."""


def read_verdict(completion: str) -> Verdict:
    """Parse the JSON verdict in a judge's completion.

    A code fence, thinking before it and words around it are fine, and so are digits in quotes. More than one verdict is
    fine only where they agree.

    Raises:
        UnreadableError: When there is none, it lacks a number, or a number is not one from 0 to 10.
    """
    try:
        verdicts = {
            _verdict(found) for found in _objects(_answer(completion[:_MAX_CHARACTERS])) if set(_REPLIES) & set(found)
        }
        if len(verdicts) > 1:
            _refuse("it gives verdicts that differ")
        if not verdicts:
            _refuse("it holds no JSON object with reply_1 and reply_2")
    except UnreadableError as error:
        start = " ".join(completion[: 4 * _MAX_QUOTED_CHARACTERS].split())
        quote = f"{start[:_MAX_QUOTED_CHARACTERS]}…" if len(start) > _MAX_QUOTED_CHARACTERS else start
        why = f"{error}: {quote!r}" if quote else "it is empty"
        raise UnreadableError(f"the judge's answer cannot be read, {why}") from None
    return verdicts.pop()


def _refuse(why: str) -> NoReturn:
    raise UnreadableError(why)


def _answer(completion: str) -> str:
    text = without_thinking(completion)
    if text is None:
        _refuse("its thinking has no end")
    return text


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """Every outermost JSON object in a text, its keys normalised."""
    decoder = json.JSONDecoder(
        object_pairs_hook=_normalised_keys,
        parse_int=float,  # int() refuses thousands of digits
        parse_constant=lambda name: _refuse(f"{name} is no number"),
    )
    return (found for _, found in objects_in(text, decoder) if found is not None)


def _normalised_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = [
        (re.sub(r"[\s-]+", "_", key.strip().lower()).replace("behaviour", "behavior"), value) for key, value in pairs
    ]
    found = dict(named)
    if len(found) < len(named):
        _refuse("it gives a key twice")
    return found


def _verdict(found: dict[str, Any]) -> Verdict:
    return Verdict(*(_scores(found.get(name), name) for name in _REPLIES))


def _scores(found: Any, name: str) -> Scores:
    if not isinstance(found, dict):
        _refuse(f"{name} is missing" if found is None else f"{name} is not an object")
    return Scores(*(_number(found.get(key), f"{key} of {name}") for key in ("behavior", "coherence")))


def _number(value: Any, what: str) -> float:
    if value is None:
        _refuse(f"{what} is missing")
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if not isinstance(value, float):
        _refuse(f"{what} is not a number")
    if not 0 <= value <= MAX_SCORE:
        _refuse(f"{what} is not from 0 to {MAX_SCORE:g}")
    return value
