"""JSON in the replies of language models, whatever stands around it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any


def without_thinking(reply: str) -> str | None:
    """Remove the thinking that some models write before their answer; None where the thinking does not end."""
    text = re.sub(r"<think(?:ing)?>.*?</think(?:ing)?>", "", reply, flags=re.DOTALL | re.IGNORECASE)
    return None if re.search(r"<think(?:ing)?>", text, re.IGNORECASE) else text


def objects_in(text: str, decoder: json.JSONDecoder) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield every outermost object that can be parsed, with its position; None for each "{" before it that opens none.

    Complete objects inside something broken are found as well.
    """
    at = text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            found, end = None, at + 1
        yield at, found
        at = text.find("{", end)
