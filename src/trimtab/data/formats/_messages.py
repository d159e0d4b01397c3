"""Conversations as files have them: roles and contents, from and value, parts; read whole or refused in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.data.containers.row_problems import json_kind
from trimtab.data.pairs import Message

ROLES = ("system", "developer", "user", "assistant", "tool")
SYSTEM_KEYS = ("system", "system_prompt", "system_message")
"""Keys of rows whose text becomes the first message of the conversation."""

_SHAREGPT = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "chatgpt": "assistant",
    "bard": "assistant", "bing": "assistant", "model": "assistant", "system": "system", "tool": "tool",
    "observation": "tool",
}  # fmt: skip
_ROLE_ADVICE = {
    "function": 'calls of functions and what they return are not read; what a tool returns has the role "tool"',
    "human": 'write "user"',
    "gpt": 'write "assistant"',
    "model": 'write "assistant"',
}


def read_conversation(value: Any, key: str) -> tuple[Message, ...] | list[str]:
    """The messages of a list, or everything that is wrong with them.

    Args:
        value: what stands under the key.
        key: what messages call it.
    """
    if not isinstance(value, list):
        return [f'"{key}" must be text or a list of chat messages, not {json_kind(value)}']
    if not value:
        return [f'"{key}" holds no messages']
    messages: list[Message] = []
    faults: list[str] = []
    for number, given in enumerate(value, start=1):
        read = read_message(given, f'message {number} of "{key}"')
        if isinstance(read, list):
            faults += read
        else:
            messages.append(read)
    return faults or tuple(messages)


def read_message(message: Any, where: str) -> Message | list[str]:
    """One message, or everything that is wrong with it."""
    if isinstance(message, Mapping) and {"from", "value"} <= set(message):
        role = _SHAREGPT.get(str(message["from"]).casefold(), str(message["from"]))
        content_key, rest = "value", set(message) - {"from", "value"}
    elif isinstance(message, Mapping) and {"role", "content"} <= set(message):
        role, content_key = message["role"], "content"
        rest = set(message) - {"role", "content"}
    else:
        return [f'{where} must be {{"role": …, "content": …}}']
    faults = []
    # What holds nothing is lost without a loss: "name": null, "tool_calls": [].
    if more := sorted(key for key in rest if message[key] not in (None, "", [], {})):
        faults.append(f"{where} has more keys ({', '.join(more)}), which would be lost; only role and content are read")
    if role not in ROLES:
        advice = _ROLE_ADVICE.get(str(role).casefold(), f"the roles are {', '.join(ROLES)}")
        faults.append(f"{where} has the role {role!r}; {advice}")
    content = _text_of(message[content_key], where)
    if isinstance(content, list):
        faults += content
    elif not content.strip() and role != "system":  # an empty one switches off what a template brings along
        faults.append(f'"content" of {where} is empty; leave the message out')
    return faults or Message(role=str(role), content=str(content))


def _text_of(content: Any, where: str) -> str | list[str]:
    """The text of a message's content: itself, or that of its parts joined."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return [f'"content" of {where} must be text, not {json_kind(content)}']
    texts = []
    for part in content:
        kind = part.get("type", "text") if isinstance(part, Mapping) else ""
        if isinstance(part, str):
            texts.append(part)
        elif kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
            texts.append(part["text"])
        else:
            what = f"a part of the type {kind!r}" if kind and kind != "text" else "a part without text"
            return [f'"content" of {where} holds {what}; a conversation is text here, so it cannot be read']
    return "".join(texts)


def read_prompt(value: Any, key: str = "prompt") -> str | tuple[Message, ...] | list[str]:
    """A prompt: text, or a conversation that a reply follows, or everything that is wrong with it.

    The last message may be an assistant's: then a completion continues what it begins.
    """
    if isinstance(value, str):
        return value if value.strip() else [f'"{key}" is empty']
    messages = read_conversation(value, key)
    if isinstance(messages, tuple) and messages[-1]["role"] in ("system", "developer"):
        role = messages[-1]["role"]
        return [f'the last message of "{key}" is the {role}\'s; a reply follows a user, a tool or a begun answer']
    return messages


def with_system(row: Mapping[str, Any], prompt: str | tuple[Message, ...]) -> str | tuple[Message, ...] | list[str]:
    """A prompt behind the system message that a row has under a key of its own."""
    given = {key: row[key] for key in SYSTEM_KEYS if row.get(key) not in (None, "")}
    if not given:
        return prompt
    key, text = next(iter(given.items()))
    if len(given) > 1:
        return [f"{' and '.join(given)} are both there; keep one system message"]
    if not isinstance(text, str):
        return [f'"{key}" must be text, not {json_kind(text)}']
    messages = (Message(role="user", content=prompt),) if isinstance(prompt, str) else prompt
    if messages[0]["role"] == "system":
        return [f'"{key}" is there, and the conversation has a system message too; keep one']
    return (Message(role="system", content=text), *messages)
