"""Parsing pairs from a completion, item by item: sound items become drafts, broken ones are counted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from trimtab.data.formats.native import parse_pair
from trimtab.generation.request import Draft
from trimtab.llm import objects_in, without_thinking

MAX_CHARACTERS = 400_000
"""Of one completion; the rest is not parsed."""
MAX_BROKEN = 200
"""Broken items after which the rest of a completion is not parsed."""
MAX_PROMPT, MAX_COMPLETION = 2_000, 4_000
"""Characters."""
_KEYS = ("prompt", "positive", "negative")
_ITEM = re.compile(r"""\{\s*["'“]?(?:prompt|positive|negative)\b""", re.IGNORECASE)
_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029\v\f]")
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad]")
# Controls, halves of characters, and marks that turn the direction of writing: text that is not what it looks like.
_FORBIDDEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufff0-\uffff]")
_PLACEHOLDER = re.compile(r"(?:\.{2,}|…|<[^<>]{1,60}>|\[[^\[\]]{1,60}\])")


def read_drafts(completion: str) -> tuple[list[Draft], list[str]]:
    """Parse the pairs in a completion, and the reason for each item that is none.

    A code fence, words around the JSON, thinking before it, an object around the list and an end that is missing are
    fine. An answer without any item counts as one.
    """
    text = without_thinking(completion[:MAX_CHARACTERS])
    if text is None:
        return [], ["no pair in an answer whose thinking has no end"]
    drafts: list[Draft] = []
    faults: list[str] = []
    for item in _items(text):
        read = "broken JSON" if item is None else _draft(item)
        if isinstance(read, Draft):
            drafts.append(read)
        else:
            faults.append(read)
        if len(faults) >= MAX_BROKEN:
            break
    return drafts, faults or ([] if drafts else ["no pair in an answer"])


def _items(text: str) -> Iterator[dict[str, Any] | None]:
    """Everything that is or should have been a pair; None where it cannot be read."""
    decoder = json.JSONDecoder(parse_int=float, strict=False)  # int() refuses thousands of digits
    failed = 0
    for at, found in objects_in(text, decoder):
        if found is not None:
            yield from _inside(found)
            continue
        failed += 1
        if _ITEM.match(text, at):
            yield None
        if failed >= MAX_BROKEN:
            return


def _inside(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The object itself where it is an item, else the items of its lists."""
    item = {key.strip().lower(): value for key, value in found.items()}
    if set(_KEYS) & set(item):
        yield item
        return
    for value in found.values():
        if isinstance(value, list):
            yield from (entry for entry in value if isinstance(entry, dict))


def _draft(item: dict[str, Any]) -> Draft | str:
    texts = {key: _clean(item[key]) for key in _KEYS if key in item}
    if isinstance(texts.get("prompt"), list):
        return "the prompt is a conversation"
    parsed = parse_pair(texts, "")
    if isinstance(parsed, list):
        return "; ".join(parsed).replace('"', "")
    draft = Draft(texts["prompt"], parsed.positive, parsed.negative)
    if len(draft.prompt) > MAX_PROMPT or max(len(draft.positive), len(draft.negative)) > MAX_COMPLETION:
        return f"longer than {MAX_PROMPT:,} characters of prompt or {MAX_COMPLETION:,} of completion"
    if any(map(_FORBIDDEN.search, draft)):
        return "holds control characters"
    if any(map(_PLACEHOLDER.fullmatch, draft)):
        return "a placeholder instead of a text"
    return draft


def _clean(value: Any) -> Any:
    """Text with one kind of line end, and nothing around it."""
    return _INVISIBLE.sub("", _LINE_ENDS.sub("\n", value)).strip() if isinstance(value, str) else value
