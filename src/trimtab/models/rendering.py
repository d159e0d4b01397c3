"""From a conversation to the text a model reads: its chat template, and proof that no message is lost in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from jinja2 import TemplateError

from trimtab.data import Message
from trimtab.errors import DataError

_REFUSALS = (TemplateError, TypeError, ValueError, LookupError, AttributeError)
"""What a template raises for a conversation that it was not written for, be it on purpose or not."""


def render_prompt(tokenizer: Any, prompt: str | Sequence[Message]) -> str:
    """The text up to where the model's answer begins.

    Chat models: their template, thinking off. Base models: a plain dialogue.

    Raises:
        DataError: when the model's template refuses the conversation, for its order of roles for example, or leaves a
            message out.
    """
    messages = [Message(role="user", content=prompt)] if isinstance(prompt, str) else list(prompt)
    if not tokenizer.chat_template:
        return _plain_dialogue(messages)
    reasons = []
    # Some templates read text, others a list of parts; given the wrong one they lose it, or fail.
    for form in (_as_text, _as_parts):
        try:
            text = _rendered(tokenizer, messages, form)
            lost = _lost(tokenizer, messages, form, text)
        except _REFUSALS as error:
            reasons.append(f"the model's chat template refuses this conversation: {error}")
            continue
        if not lost:
            return text + _skip_thinking(text)
        reasons.append(_left_out(lost, messages))
    raise DataError(reasons[0])


def _as_text(message: Message) -> dict[str, Any]:
    return {"role": message["role"], "content": message["content"]}


def _as_parts(message: Message) -> dict[str, Any]:
    return {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]}


Form = Callable[[Message], dict[str, Any]]


def _rendered(tokenizer: Any, messages: Sequence[Message], form: Form) -> str:
    text: str = tokenizer.apply_chat_template(
        [form(message) for message in messages], tokenize=False, add_generation_prompt=True, enable_thinking=False
    )
    return text


def _lost(tokenizer: Any, messages: Sequence[Message], form: Form, text: str) -> list[int]:
    """Which messages do not stand in the rendered text. Templates may change the space around and within them."""
    whole = " ".join(text.split())
    missing = _never_rendered(tokenizer, tuple(message["role"] for message in messages), form)
    return [
        number
        for number, message in enumerate(messages)
        if message["content"].strip() and (number in missing or _shown(message) not in whole)
    ]


def _shown(message: Message) -> str:
    """What of a message has to be in the prompt: of an earlier answer, templates drop the thinking before it."""
    content = message["content"]
    if message["role"] == "assistant":
        content = content.rpartition("</think>")[2]
    return " ".join(content.split())


_NEVER: WeakKeyDictionary[Any, dict[tuple[Any, ...], frozenset[int]]] = WeakKeyDictionary()
"""What was found of each tokenizer, by template, roles and form."""


def _never_rendered(tokenizer: Any, roles: tuple[str, ...], form: Form) -> frozenset[int]:
    """Which messages of a conversation with these roles a template leaves out, whatever they say.

    A short text may stand in the prompt by chance, as a part of another message; a mark does not. Where a template
    refuses marks nothing is known, and the texts themselves are looked for.
    """
    known = _NEVER.setdefault(tokenizer, {})
    key = (str(tokenizer.chat_template), roles, form)
    if key not in known:
        known[key] = _marks_left_out(tokenizer, roles, form)
    return known[key]


def _marks_left_out(tokenizer: Any, roles: tuple[str, ...], form: Form) -> frozenset[int]:
    marks = [f"trimtab-message-{number}-stands-here" for number in range(len(roles))]
    messages = [Message(role=role, content=mark) for role, mark in zip(roles, marks, strict=True)]
    try:
        text = _rendered(tokenizer, messages, form)
    except _REFUSALS:
        return frozenset()
    return frozenset(number for number, mark in enumerate(marks) if mark not in text)


def _left_out(lost: Sequence[int], messages: Sequence[Message]) -> str:
    named = ", ".join(f"message {number + 1} of {len(messages)} (the {messages[number]['role']}'s)" for number in lost)
    system = any(messages[number]["role"] == "system" for number in lost)
    remedy = (
        "put what the system message says into the user's message"
        if system
        else "take another model, or give this one a template that keeps it"
    )
    return f"the model's chat template leaves out or rewrites {named}; {remedy}"


def _plain_dialogue(messages: Sequence[Message]) -> str:
    speakers = {"user": "Human", "assistant": "Assistant"}
    turns = [f"{speakers.get(m['role'], m['role'].title())}: {m['content']}" for m in messages]
    return "\n\n".join([*turns, "Assistant:"])


def _skip_thinking(rendered: str) -> str:
    """What closes a thinking block that a template opens although thinking is off."""
    if rendered.rstrip().endswith("<think>"):
        return "\n</think>\n\n"
    if rendered.endswith("<|start|>assistant"):  # gpt-oss' channels: go to the final one
        return "<|channel|>final<|message|>"
    return ""
