"""Tools of inspect_ai in prompts and replies, for templates that write calls as `<tool_call>{…}</tool_call>`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from inspect_ai.model import ChatMessage
from inspect_ai.tool import ToolCall, ToolChoice, ToolInfo

from trimtab.engines import Model
from trimtab.errors import SettingError
from trimtab.inputs.json_text import parse_json
from trimtab.models.prompting.encoding import encode

_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)


def tool_prompt(
    model: Model, conversation: Sequence[ChatMessage], tools: Sequence[ToolInfo], choice: ToolChoice
) -> tuple[int, ...]:
    """The tokens of a conversation with tools, by the model's own chat template.

    Raises:
        SettingError: For a template that takes no tools, or writes calls otherwise; for a choice of the tool that a
            template cannot ask for; and where a message is missing from what the template makes.
    """
    tokenizer, asking = model.backbone.tokenizer, model.asking
    template = str(tokenizer.chat_template or "")
    if asking.template != "chat" or "tools" not in template or "<tool_call>" not in template:
        what = f"gives tools ({', '.join(tool.name for tool in tools)})" if tools else "has calls of tools in it"
        raise SettingError(
            f"the task {what}, and the chat template of {model.name} takes none in the form "
            "<tool_call>…</tool_call>; take a task without tools, or a model that was trained for them"
        )
    if asking.system_role != "system":
        raise SettingError("system_role user and tools cannot be combined: the template describes tools to the system")
    if choice not in ("auto", "none"):
        raise SettingError(f"tool_choice {choice}: a model calls a tool when it chooses to; only auto can be asked for")
    text: str = tokenizer.apply_chat_template(
        [_as_template_has_it(message) for message in conversation],
        tools=[_schema(tool) for tool in tools] if choice == "auto" else None,
        tokenize=False, add_generation_prompt=True, enable_thinking=asking.thinking == "on",
    )  # fmt: skip
    whole = " ".join(text.split())
    if missing := [m.role for m in conversation if " ".join(m.text.rpartition("</think>")[2].split()) not in whole]:
        raise SettingError(f"the chat template of {model.name} leaves out or rewrites a {missing[0]} message")
    if asking.thinking == "off" and text.rstrip().endswith("<think>"):
        raise SettingError(f"the chat template of {model.name} begins to think where it has tools; use thinking=on")
    return tuple(encode(tokenizer, text, asking))


def calls_in(text: str) -> tuple[str, list[ToolCall]]:
    """A reply without its calls, and these; one that cannot be read has the reason, for the model to see."""
    calls = [_call(body, number) for number, body in enumerate(_CALL.findall(text), start=1)]
    return _CALL.sub("", text).strip(), calls


def _call(body: str, number: int) -> ToolCall:
    try:
        content = parse_json(body)
        name, arguments = content["name"], content.get("arguments", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise TypeError("name is a text and arguments an object")
    except (ValueError, TypeError, KeyError) as error:
        problem = f'a call is {{"name": …, "arguments": {{…}}}}, not {body[:200]!r} ({error})'
        return ToolCall(f"call_{number}", "unknown", {}, parse_error=problem)
    return ToolCall(f"call_{number}_{name}", name, arguments)


def _schema(tool: ToolInfo) -> dict[str, Any]:
    parameters = tool.parameters.model_dump(exclude_none=True)
    return {
        "type": "function",
        "function": {"name": tool.name, "description": tool.description, "parameters": parameters},
    }


def _as_template_has_it(message: ChatMessage) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message.role, "content": message.text}
    if calls := getattr(message, "tool_calls", None):
        found["tool_calls"] = [
            {"type": "function", "id": one.id, "function": {"name": one.function, "arguments": one.arguments}}
            for one in calls
        ]
    if message.role == "tool":
        found["name"] = message.function or ""
        error = getattr(message, "error", None)
        found["content"] = message.text or (f"error: {error.message}" if error else "")
    return found
