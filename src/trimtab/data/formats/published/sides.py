"""Examples of two lists, from texts: prompts of a chat, or raw where they carry a template's marks themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from trimtab.data.contrasts import Example
from trimtab.data.formats._messages import read_prompt
from trimtab.data.formats.base import OpenQuestion, SideExample

_MARKS = re.compile(r"<\|[\w ]{1,40}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<｜|^### \w+:", re.MULTILINE)
"""What chat templates write around messages."""
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_ESCAPE = re.compile(r"\\([ntr\\\"'])")


def are_rendered(texts: Sequence[Any]) -> bool:
    """Whether most texts carry the marks of a chat template, so that another around them would be wrong."""
    return 2 * sum(isinstance(text, str) and bool(_MARKS.search(text)) for text in texts) > len(texts)


def unescaped(text: str) -> str:
    r"""A line of rendered text with its \n as line breaks, as llama.cpp's generator reads it."""
    return _ESCAPE.sub(lambda found: _ESCAPES[found[1]], text)


def side_examples(positive: Sequence[Any], negative: Sequence[Any]) -> tuple[SideExample, ...] | list[str]:
    """The examples of two lists of texts or conversations, or everything that is wrong with them."""
    raw = are_rendered([*positive, *negative])
    found: list[SideExample] = []
    faults: list[str] = []
    for side, sign, texts in (("positive", "+", positive), ("negative", "-", negative)):
        for number, text in enumerate(texts, start=1):
            prompt = read_prompt(text, f"{side}[{number - 1}]")
            if isinstance(prompt, list):
                faults += prompt
                continue
            example = _example(f"{sign}{number}", prompt, raw)
            found.append(SideExample(side, example))  # type: ignore[arg-type]  # one of the two
    return faults or tuple(found)


def as_sides(
    positive: Sequence[OpenQuestion], negative: Sequence[OpenQuestion], raw: bool | None
) -> tuple[tuple[Example, ...], tuple[Example, ...], bool]:
    """The examples of two lists, and whether they are raw text; None: found out from the texts."""
    if raw is None:
        raw = are_rendered([item.prompt for item in (*positive, *negative)])
    lists = [
        tuple(_example(f"{sign}{item.id}", item.prompt, raw, item) for item in items)
        for sign, items in (("+", positive), ("-", negative))
    ]
    return lists[0], lists[1], raw


def _example(id: str, prompt: Any, raw: bool, item: OpenQuestion | None = None) -> Example:
    meta, origin = (item.meta, item.origin) if item else ({}, "")
    if raw and isinstance(prompt, str):
        return Example(id, "", unescaped(prompt), meta, origin)
    return Example(id, prompt, "", meta, origin)
