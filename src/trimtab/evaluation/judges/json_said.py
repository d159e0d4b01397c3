"""JSON in what language models say, between whatever else they say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any


def without_thinking(said: str) -> str | None:
    """The same without the thinking that some models write before they answer; None where the thinking has no end."""
    text = re.sub(r"<think(?:ing)?>.*?</think(?:ing)?>", "", said, flags=re.DOTALL | re.IGNORECASE)
    return None if re.search(r"<think(?:ing)?>", text, re.IGNORECASE) else text


def objects_in(text: str, decoder: json.JSONDecoder) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Every outermost object that can be read, with its place; None for each "{" before it that opens none.

    What is whole inside something broken is found as well.
    """
    at = text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
        except (json.JSONDecodeError, RecursionError):
            found, end = None, at + 1
        yield at, found
        at = text.find("{", end)
