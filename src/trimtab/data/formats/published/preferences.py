"""Preferences between two replies: direct preference optimization, UltraFeedback, and hh-rlhf's whole dialogues."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from trimtab.data.containers import is_conversation
from trimtab.data.containers.row_problems import json_kind
from trimtab.data.formats._messages import (
    SYSTEM_KEYS,
    read_conversation,
    read_message,
    read_prompt,
    with_system,
)
from trimtab.data.formats.base import PairFormat, id_of
from trimtab.data.pairs import Message, Pair

CHOSEN, REJECTED = "chosen", "rejected"
SIDES = (CHOSEN, REJECTED)
PROMPT_KEYS = ("prompt", "question", "instruction", "input", "conversations", "messages")
_TURN = re.compile(r"(?:^|\n\n)(Human|Assistant|System):(?: |(?=\n|$))")
_ROLES = {"Human": "user", "Assistant": "assistant", "System": "system"}

Reply = tuple[tuple[Message, ...], str]
"""The messages before a reply, none where only the reply is there; and the reply."""


class PreferencesFormat(PairFormat):
    """A prompt, the reply that was chosen and the one that was rejected: texts, messages or whole conversations."""

    name = "preferences"
    title = "preferences"
    keys = ("prompt", CHOSEN, REJECTED)
    optional = (*PROMPT_KEYS[1:], *SYSTEM_KEYS, "id")
    skips_defects = True

    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has one of the two replies."""
        return CHOSEN in row or REJECTED in row

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has both replies and what they reply to."""
        return CHOSEN in row and REJECTED in row and any(key in row for key in PROMPT_KEYS)

    def parse(self, row: dict[str, Any], default_id: str) -> Pair | list[str]:
        """The pair of a row, the chosen reply positive; or everything that is wrong with the row."""
        key = next((key for key in PROMPT_KEYS if row.get(key) not in (None, "", [])), "")
        faults = [] if key else ['the key "prompt" is missing']
        faults += [f'the key "{side}" is missing' for side in SIDES if side not in row]
        if faults:
            return faults
        prompt = read_prompt(row[key], key)
        if isinstance(prompt, list):
            return prompt
        replies = _replies(row)
        if isinstance(replies, list):
            return replies
        (before, chosen), (also_before, rejected) = replies
        if before != also_before:
            return ["the two conversations part before their last replies, so they share no prompt"]
        if before:
            # Conversations repeat their prompt; theirs has the system message, too.
            asked = prompt if isinstance(prompt, str) else prompt[-1]["content"]
            if before[-1]["content"].strip() != asked.strip():
                return [f'the conversations do not end in "{key}" before their replies']
            prompt = before
        return _pair(self, row, default_id, prompt, (chosen, rejected))


class DialoguesFormat(PairFormat):
    """Two whole dialogues that part in their last reply, as text with Human: and Assistant:, or as messages."""

    name = "dialogues"
    title = "preferences between dialogues"
    keys = SIDES
    optional = (*SYSTEM_KEYS, "id")
    skips_defects = True

    def is_complete(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has two dialogues and no prompt beside them."""
        return super().is_complete(row) and not any(key in row for key in PROMPT_KEYS)

    def parse(self, row: dict[str, Any], default_id: str) -> Pair | list[str]:
        """The pair of a row, the chosen dialogue positive; or everything that is wrong with the row."""
        if missing := [f'the key "{side}" is missing' for side in SIDES if side not in row]:
            return missing
        replies = _replies(row, dialogues=True)
        if isinstance(replies, list):
            return replies
        (before, chosen), (also_before, rejected) = replies
        if not before or before != also_before:
            return ["the two dialogues part before their last replies, so they share no prompt"]
        prompt: str | tuple[Message, ...] = before
        if len(before) == 1 and before[0]["role"] == "user":
            prompt = before[0]["content"]
        return _pair(self, row, default_id, prompt, (chosen, rejected))


PREFERENCES = PreferencesFormat()
DIALOGUES = DialoguesFormat()


def _replies(row: Mapping[str, Any], *, dialogues: bool = False) -> tuple[Reply, Reply] | list[str]:
    found = [_reply(row[side], side, dialogues) for side in SIDES]
    faults = [fault for one in found if isinstance(one, list) for fault in one]
    return faults or (found[0], found[1])  # type: ignore[return-value]  # without faults both are replies


def _reply(value: Any, key: str, dialogue: bool) -> Reply | list[str]:
    """What stands before a reply, and the reply."""
    if isinstance(value, str):
        if not dialogue:
            return ((), value) if value.strip() else [f'"{key}" is empty']
        messages: tuple[Message, ...] | list[str] = _turns(value, key)
    elif isinstance(value, Mapping):
        message = read_message(value, f'"{key}"')
        messages = message if isinstance(message, list) else (message,)
    elif is_conversation(value):
        messages = read_conversation(value, key)
    else:
        return [f'"{key}" must be text or a list of chat messages, not {json_kind(value)}']
    if isinstance(messages, list):
        return messages
    if messages[-1]["role"] != "assistant":
        return [f'"{key}" does not end in an assistant\'s reply']
    return messages[:-1], messages[-1]["content"]


def _turns(dialogue: str, key: str) -> tuple[Message, ...] | list[str]:
    """The messages of a dialogue in which each turn begins with "Human:" or "Assistant:"."""
    marks = list(_TURN.finditer(dialogue))
    if not marks or dialogue[: marks[0].start()].strip():
        return [f'"{key}" is no dialogue: it has to begin with "Human:", each turn behind an empty line']
    ends = [*(mark.start() for mark in marks[1:]), len(dialogue)]
    turns = [
        Message(role=_ROLES[mark[1]], content=dialogue[mark.end() : end].strip())
        for mark, end in zip(marks, ends, strict=True)
    ]
    if empty := [number for number, turn in enumerate(turns, start=1) if not turn["content"]]:
        return [f'turn {empty[0]} of "{key}" is empty']
    return tuple(turns)


def _pair(
    kind: PairFormat,
    row: Mapping[str, Any],
    default_id: str,
    prompt: str | tuple[Message, ...],
    replies: tuple[str, str],
) -> Pair | list[str]:
    whole = with_system(row, prompt)
    name = id_of(row, default_id)
    if isinstance(whole, list) or isinstance(name, list):
        return [*(whole if isinstance(whole, list) else ()), *(name if isinstance(name, list) else ())]
    if replies[0].strip() == replies[1].strip():
        return ["the chosen reply is the rejected one; a pair needs two different ones"]
    return Pair(name, whole, *replies, meta=kind.meta_of(row))
