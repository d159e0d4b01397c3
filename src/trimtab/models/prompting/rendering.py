"""From a conversation to the text a model reads: its chat template, and proof that no message is lost in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from jinja2 import TemplateError

from trimtab.data import Message
from trimtab.errors import DataError
from trimtab.models.prompting.asking import USUAL, Asking

_REFUSALS = (TemplateError, TypeError, ValueError, LookupError, AttributeError)
"""What a template raises for a conversation that it was not written for, be it on purpose or not."""


def render_prompt(tokenizer: Any, prompt: str | Sequence[Message], asking: Asking = USUAL) -> str:
    """The text up to where the model's answer begins.

    Chat models: their template. Base models: a plain dialogue. Where the last message is the assistant's, the answer
    has begun already, and the model continues it.

    Args:
        tokenizer: of the model, with its chat template.
        prompt: the user's text, or a conversation.
        asking: how the model is asked.

    Raises:
        DataError: when the model's template refuses the conversation, for its order of roles for example, or leaves a
            message out; when text without a template is wanted of a conversation; and when a model that does not think
            is to think.
    """
    messages = [Message(role="user", content=prompt)] if isinstance(prompt, str) else list(prompt)
    if asking.template == "none":
        return _only_text(messages)
    if asking.system_role == "user":
        messages = _with_system_in_user(messages)
    if len(messages) > 1 and messages[-1]["role"] == "assistant":
        if asking.thinking == "on":
            raise DataError("the answer is begun, so the model cannot think before it; use thinking: off")
        before = messages[:-1]
        return _opened(tokenizer, before, asking) + gap_after(tokenizer, before, asking) + messages[-1]["content"]
    return _opened(tokenizer, messages, asking)


def gap_after(tokenizer: Any, prompt: str | Sequence[Message], asking: Asking = USUAL) -> str:
    """What stands between a prompt and what follows it.

    A template ends in a line break or a marker; a plain dialogue ends in "Assistant:" and wants a space. A begun
    answer and text without a template are continued as they are: only their author knows where a space belongs.
    """
    begun = not isinstance(prompt, str) and prompt[-1]["role"] == "assistant"
    return "" if tokenizer.chat_template or begun or asking.template == "none" else " "


def _only_text(messages: Sequence[Message]) -> str:
    if len(messages) != 1 or messages[0]["role"] != "user":
        raise DataError(
            f"a conversation of {len(messages)} messages cannot be put without a template; use template: chat, or "
            "write it as one text"
        )
    return messages[0]["content"]


def _with_system_in_user(messages: Sequence[Message]) -> list[Message]:
    """The conversation with its system messages at the beginning of the user message that follows them."""
    found: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "system":
            waiting += [message["content"]] if message["content"].strip() else []
        elif message["role"] == "user" and waiting:
            found.append(Message(role="user", content="\n\n".join([*waiting, message["content"]])))
            waiting = []
        else:
            found.append(message)
    if waiting:
        raise DataError(
            "a system message is followed by no user message that could hold it, as system_role: user wants"
        )
    return found


def _opened(tokenizer: Any, messages: Sequence[Message], asking: Asking) -> str:
    """The conversation up to where the model's turn begins."""
    if not tokenizer.chat_template:
        if asking.thinking == "on":
            raise DataError("this model has no chat template and so no way to be told to think; use thinking: off")
        return _plain_dialogue(messages)
    if asking.thinking == "on" and not _can_think(tokenizer):
        raise DataError("the model's chat template does not know thinking; use thinking: off")
    reasons = []
    # Some templates read text, others a list of parts; given the wrong one they lose it, or fail.
    for form in (_as_text, _as_parts):
        try:
            text = _rendered(tokenizer, messages, form, thinking=asking.thinking == "on")
            lost = _lost(tokenizer, messages, form, text)
        except _REFUSALS as error:
            reasons.append(f"the model's chat template refuses this conversation: {error}")
            continue
        if not lost:
            return text if asking.thinking == "on" else text + skip_thinking(text)
        reasons.append(_left_out(lost, messages))
    raise DataError(reasons[0])


def _as_text(message: Message) -> dict[str, Any]:
    return {"role": message["role"], "content": message["content"]}


def _as_parts(message: Message) -> dict[str, Any]:
    return {"role": message["role"], "content": [{"type": "text", "text": message["content"]}]}


Form = Callable[[Message], dict[str, Any]]


def _rendered(tokenizer: Any, messages: Sequence[Message], form: Form, thinking: bool = False) -> str:
    text: str = tokenizer.apply_chat_template(
        [form(message) for message in messages], tokenize=False, add_generation_prompt=True, enable_thinking=thinking
    )
    return text


def _can_think(tokenizer: Any) -> bool:
    """Whether a template says another thing when thinking is on, or opens a thinking block whatever is asked."""
    template = str(tokenizer.chat_template)
    return "enable_thinking" in template or "<think>" in template or "<|channel|>" in template


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
        "use system_role: user, which puts the system message into the user's"
        if system
        else "take another model, or give this one a template that keeps it"
    )
    return f"the model's chat template leaves out or rewrites {named}; {remedy}"


def _plain_dialogue(messages: Sequence[Message]) -> str:
    speakers = {"user": "Human", "assistant": "Assistant"}
    turns = [f"{speakers.get(m['role'], m['role'].title())}: {m['content']}" for m in messages]
    return "\n\n".join([*turns, "Assistant:"])


def skip_thinking(rendered: str) -> str:
    """What closes a thinking block that a template opens although thinking is off."""
    if rendered.rstrip().endswith("<think>"):
        return "\n</think>\n\n"
    if rendered.endswith("<|start|>assistant"):  # gpt-oss' channels: go to the final one
        return "<|channel|>final<|message|>"
    return ""
