"""Messages of a request as a conversation: texts, and tools where the chat template takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.data import Message
from trimtab.engines import Model
from trimtab.errors import DataError
from trimtab.models.prompting.encoding import encode
from trimtab.models.prompting.rendering import skip_thinking
from trimtab.serve.http.bodies import Fields
from trimtab.serve.http.request_refusals import Refusal

MAX_MESSAGES = 2048
_ROLES = ("system", "developer", "user", "assistant", "tool")
_NOT_TEXT = {
    "image_url": "images",
    "input_image": "images",
    "image": "images",
    "input_audio": "audio",
    "file": "files",
    "video_url": "videos",
}


def conversation_of(fields: Fields, name: str = "messages") -> list[Message]:
    """The messages of a request.

    Raises:
        Refusal: for what is no message, and for images, audio, files and calls of tools.
    """
    found = [_message(given, f"{name}[{place}]") for place, given in enumerate(fields.objects(name, MAX_MESSAGES))]
    if not found:
        raise fields.refusal(name, "a list with at least one message")
    return found


def _message(given: Mapping[str, Any], where: str) -> Message:
    fields = Fields(given, f"{where}.")
    role = fields.text("role")
    if role not in _ROLES:
        raise fields.refusal("role", f"{role[:40]!r} is none of {', '.join(_ROLES)}")
    fields.only({"tool_calls": ([],)}, "calls of tools in a conversation are not rendered; write them as text")
    fields.only({"name": (), "function_call": ()}, "not rendered by this server")
    fields.only({"images": ([],)}, "images are not read here; send text")
    fields.only({"thinking": ("",)}, "not rendered by this server")
    fields.only({"audio": ()}, "audio is not read here; send text")
    fields.ignore("tool_call_id", "refusal", "annotations", "tool_name")
    content = _content(fields)
    fields.done()
    return Message(role="system" if role == "developer" else role, content=content)


def _content(fields: Fields) -> str:
    value = fields.raw("content")
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        raise fields.refusal("content", "a text, or a list of parts of type text")
    texts = []
    for part in value:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(kind, str) and kind in _NOT_TEXT:
            raise fields.refusal("content", f"{_NOT_TEXT[kind]} are not read here; send text", "unsupported_content")
        if kind != "text" or not isinstance(part.get("text"), str):
            raise fields.refusal("content", "a part has the type text and a text")
        texts.append(part["text"])
    return "\n".join(texts)


def tools_of(fields: Fields) -> list[dict[str, Any]]:
    """The tools of a request, as the chat template takes them.

    Raises:
        Refusal: for what is no function, and for a choice of tools, which nothing here enforces.
    """
    tools = fields.objects("tools", 128)
    for place, tool in enumerate(tools):
        function = tool.get("function")
        if (
            tool.get("type") != "function"
            or not isinstance(function, dict)
            or not isinstance(function.get("name"), str)
        ):
            raise fields.refusal(f"tools[{place}]", "a tool is of type function and has a function with a name")
    fields.only({"tool_choice": ("auto",) if tools else ("auto", "none")}, "the model chooses; nothing enforces a tool")
    fields.only({"parallel_tool_calls": (True,)}, "nothing limits calls of tools")
    return tools


def is_continued(messages: Sequence[Message]) -> bool:
    """Whether the reply continues the last message, which the assistant has begun."""
    return len(messages) > 1 and messages[-1]["role"] == "assistant"


def chat_tokens(model: Model, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()) -> tuple[int, ...]:
    """The tokens of a conversation, up to where the reply begins.

    Raises:
        Refusal: when the chat template leaves out tools or messages, or refuses the conversation.
    """
    if not tools:
        try:
            return model.tokens(messages)
        except DataError as error:
            raise Refusal(400, str(error), "messages") from None
    return tuple(encode(model.backbone.tokenizer, _rendered(model, messages, tools), model.asking))


def text_tokens(model: Model, text: str) -> tuple[int, ...]:
    """The tokens of a text as it is, with those that the tokenizer puts before every text."""
    return tuple(model.backbone.tokenizer(text)["input_ids"])


def _rendered(model: Model, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> str:
    tokenizer, thinks = model.backbone.tokenizer, model.asking.thinking == "on"
    begun = messages[-1]["content"] if is_continued(messages) else ""
    if begun and thinks:
        raise Refusal(400, "messages: the answer is begun, so the model cannot think before it", "messages")
    if not tokenizer.chat_template or "tools" not in str(tokenizer.chat_template):
        raise Refusal(400, f"tools: the chat template of {model.name} takes none; describe them in a message", "tools")
    try:
        text: str = tokenizer.apply_chat_template(
            [dict(message) for message in (messages[:-1] if is_continued(messages) else messages)],
            tools=[dict(tool) for tool in tools],
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=thinks,
        )
    except Exception as error:  # whatever a template raises for what it was not written for
        raise Refusal(400, f"tools: the chat template of {model.name} refuses them: {error}", "tools") from None
    text += ("" if thinks else skip_thinking(text)) + begun
    whole = " ".join(text.split())
    wanted = [" ".join(message["content"].split()) for message in messages]
    wanted += [json.dumps(tool["function"]["name"])[1:-1] for tool in tools]
    if lost := [one for one in wanted if one not in whole]:
        raise Refusal(400, f"tools: the chat template of {model.name} leaves out {lost[0][:80]!r}", "tools")
    return text
