"""Bodies of requests: read within limits of size and time, and taken apart field by field."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

from trimtab._util.suggest import nearest_word
from trimtab.inputs.json_text import parse_json
from trimtab.serve.http.request_refusals import Refusal

MAX_BYTES = 1 << 20
_MAX_DISCARDED = 1 << 25
"""Bytes of a body that is too large which are read and dropped, so that the client sees the refusal."""
BODY_SECONDS = 20.0
MAX_NAME = 80

T = TypeVar("T")


async def read_object(request: Request, *, seconds: float = BODY_SECONDS) -> dict[str, Any]:
    """The JSON object that a request sends.

    Raises:
        Refusal: when it is too large, comes too slowly, or is none.
    """
    try:
        content = await asyncio.wait_for(_read(request), seconds)
    except asyncio.TimeoutError:
        raise Refusal(408, f"the body did not arrive within {seconds:g} seconds", code="request_timeout") from None
    except ClientDisconnect:
        raise Refusal(400, "the client left before its body had arrived") from None
    if content is None:
        raise Refusal(413, f"the body has more than {MAX_BYTES:,} bytes", code="request_too_large")
    try:
        found = parse_json(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is no UTF-8 text (byte {error.start})", code="invalid_json") from None
    except ValueError as error:
        raise Refusal(400, f"the body is no JSON: {error}", code="invalid_json") from None
    if not isinstance(found, dict):
        raise Refusal(400, "the body is a JSON object with names and values", code="invalid_json")
    return found


async def _read(request: Request) -> bytes | None:
    """The body; None where it is too large."""
    parts, size = [], 0
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > _MAX_DISCARDED:
        return None
    async for part in request.stream():
        size += len(part)
        if size <= MAX_BYTES:
            parts.append(part)
        elif size > _MAX_DISCARDED:
            break
    return None if size > MAX_BYTES else b"".join(parts)


class Fields:
    """The fields of an object, taken one by one; whatever is left at the end is unknown and refused.

    A field that is null counts as absent.
    """

    def __init__(self, given: Mapping[str, Any], where: str = ""):
        self._given = {name: value for name, value in given.items() if value is not None}
        self._where = where
        """What stands before a field's name in messages: `options.`"""
        self._known: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def refusal(self, name: str, reason: str, code: str | None = None) -> Refusal:
        """A refusal that names a field."""
        full = f"{self._where}{name}"
        return Refusal(400, f"{full}: {reason}", full, code)

    def raw(self, name: str, default: Any = None) -> Any:
        """The value as it is."""
        self._known.add(name)
        return self._given.get(name, default)

    def _typed(self, name: str, default: T, is_kind: Callable[[Any], bool], kind: str) -> T:
        value = self.raw(name, default)
        if name in self._given and not is_kind(value):
            raise self.refusal(name, f"{_shown(value)} is not {kind}")
        return value  # type: ignore[no-any-return]

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        return self._typed(name, default, lambda value: isinstance(value, str), "a text")

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        return self._typed(name, default, lambda value: isinstance(value, bool), "true or false")

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A number within a range."""
        found = self._typed(name, default, _is_number, "a number")
        if not (math.isfinite(found) and low <= found <= high):
            raise self.refusal(name, f"{_shown(found)} is not between {low:g} and {high:g}")
        return float(found)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within a range; 3.0 is one."""
        found = self._typed(name, default, _is_integer, "a whole number")
        if not low <= found <= high:
            raise self.refusal(name, f"{_shown(found)} is not between {low} and {high}")
        return int(found)

    def texts(self, name: str, most: int) -> tuple[str, ...]:
        """A text, or a list of some."""
        value = self.raw(name, [])
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
            raise self.refusal(name, "a text, or a list of texts, none of them empty")
        if len(listed) > most:
            raise self.refusal(name, f"{len(listed)} texts; {most} are the most")
        return tuple(listed)

    def objects(self, name: str, most: int) -> list[dict[str, Any]]:
        """A list of objects."""
        value = self.raw(name, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.refusal(name, "a list of objects")
        if len(value) > most:
            raise self.refusal(name, f"{len(value)} entries; {most} are the most")
        return value

    def object(self, name: str) -> dict[str, Any]:
        """An object; empty where it is absent."""
        return self._typed(name, {}, lambda value: isinstance(value, dict), "an object")

    def only(self, neutral: Mapping[str, tuple[Any, ...]], why: str) -> None:
        """Take fields that this server does not have; their values that change nothing are accepted.

        Args:
            neutral: field → values that change nothing.
            why: what the refusal says behind the field.

        Raises:
            Refusal: for any other value.
        """
        for name, values in neutral.items():
            value = self.raw(name)
            if name in self._given and not any(_same(value, one) for one in values):
                allowed = f"; {' or '.join(map(_shown, values))} is accepted" if values else "; leave it out"
                raise self.refusal(name, f"{why}{allowed}", "unsupported_parameter")

    def ignore(self, *names: str) -> None:
        """Take fields that change no reply."""
        self._known.update(names)

    def done(self) -> None:
        """Refuse the fields that nothing has taken.

        Raises:
            Refusal: naming the first.
        """
        for name in self._given:
            if name not in self._known:
                near = nearest_word(name, self._known)
                meant = f"; did you mean {near!r}?" if near else ""
                full = f"{self._where}{name[:MAX_NAME]}"
                raise Refusal(400, f"unknown field {full!r}{meant}", full, "unknown_parameter")


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, bool) is not isinstance(other, bool):
        return False
    return bool(value == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _is_integer(value: Any) -> bool:
    return _is_number(value) and value == int(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MAX_NAME else f"{text[:MAX_NAME]}…"
