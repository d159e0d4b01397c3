"""Rows that are no contrast: what they seem to be, and what can be done with them.

Each kind is reported in one sentence for the whole file, not once for each of its lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_TARGET = '{"prompt": …, "positive": …, "negative": …}'


def other_format(rows: Sequence[dict[str, Any]]) -> str:
    """What rows of another known kind are, and what to do with them; empty if most are of none."""
    reasons = [sentence for row in rows if (sentence := _kind(row))]
    if not reasons or 2 * len(reasons) <= len(rows):
        return ""
    return max(dict.fromkeys(reasons), key=reasons.count)


def _kind(row: dict[str, Any]) -> str:
    """What kind of known row this is; "" if it is none, or may be a pair."""
    keys = {key.casefold() for key in row}
    if {"positive", "negative", "prompt"} <= keys or "answer_matching_behavior" in keys:
        return ""
    only_messages = "messages" in keys and keys <= {"messages", "id", "tools", "source"}
    if only_messages or keys & {"conversations", "conversation"}:
        return (
            f"these are conversations with one reply each; a pair needs two: write {_TARGET} with the messages before "
            'the reply as "prompt" ({"role": …, "content": …} each)'
        )
    if {"instruction", "output"} <= keys:
        return f"these are instructions with one output each; a pair needs two completions: write {_TARGET}"
    return ""
