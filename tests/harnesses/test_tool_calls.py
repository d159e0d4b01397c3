"""Tools in prompts and replies, where the chat template takes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.model import (
    ChatMessageAssistant,
    ChatMessageTool,
    ChatMessageUser,
    GenerateConfig,
    Model,
    get_model,
)
from inspect_ai.tool import ToolCall, ToolFunction, ToolInfo, ToolParam, ToolParams

import trimtab.harnesses.inspect_registry  # noqa: F401  # makes the provider known
from harnesses.saved_models import saved
from trimtab.engines import Reply
from trimtab.harnesses._request_batches import Written
from trimtab.harnesses._tool_calls import calls_in, tool_prompt

TEMPLATE = (
    "{% if tools %}<|system|>{% for t in tools %}{{ t | tojson }}{% endfor %}<tool_call> calls<|end|>{% endif %}"
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>"
    "{{ c.function | tojson }}</tool_call>{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SEARCH = ToolInfo(
    name="search", description="Searches.",
    parameters=ToolParams(properties={"words": ToolParam(type="string")}, required=["words"]),
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    files = saved(tmp_path_factory.mktemp("tools"), template=TEMPLATE, max_position_embeddings=4096)
    found = get_model(f"trimtab/{files.model}", memoize=False, **files.arguments)
    yield found
    found.api.close()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def text_of(model: Model, conversation: list[Any], choice: Any = "auto") -> str:
    loaded = model.api.steered.model
    text: str = loaded.backbone.tokenizer.decode(tool_prompt(loaded, conversation, [SEARCH], choice))
    return text


def test_calls_are_taken_out_of_a_reply() -> None:
    text, (call,) = calls_in('Let me see. <tool_call>\n{"name": "search", "arguments": {"words": "a b"}}\n</tool_call>')
    assert text == "Let me see."
    assert (call.function, call.arguments, call.parse_error) == ("search", {"words": "a b"}, None)
    assert calls_in("No call.") == ("No call.", [])
    _, several = calls_in('<tool_call>{"name": "a"}</tool_call><tool_call>{"name": "b", "arguments": {}}')
    assert [one.function for one in several] == ["a", "b"]
    assert len({one.id for one in several}) == 2


@pytest.mark.parametrize("body", ["{", "[]", '{"name": 3}', '{"arguments": {}}', '{"name": "a", "arguments": 3}', ""])
def test_calls_that_cannot_be_read_say_so(body: str) -> None:
    _, (call,) = calls_in(f"<tool_call>{body}</tool_call>")
    assert call.parse_error


def test_results_of_tools_are_in_the_prompt(model: Model) -> None:
    call = ToolCall("call_1", "search", {"words": "rain"})
    conversation = [
        ChatMessageUser(content="Look."), ChatMessageAssistant(content="I do.", tool_calls=[call]),
        ChatMessageTool(content="It rains.", tool_call_id="call_1", function="search"),
    ]  # fmt: skip
    text = text_of(model, conversation)
    assert '"name": "search"' in text.partition("<|user|>")[0]
    assert '<tool_call>{"name": "search", "arguments": {"words": "rain"}}' in text
    assert "<|tool|>It rains.<|end|><|assistant|>" in text
    assert "Searches." not in text_of(model, conversation, "none")


@pytest.mark.anyio
async def test_a_call_in_a_reply_is_one_of_inspect(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    said = 'So: <tool_call>{"name": "search", "arguments": {"words": "x"}}</tool_call>'
    submit = model.api._batches.submit

    def replaced(request: Any, **options: Any) -> Any:
        future = submit(request, **options)
        future.result(60)
        done: Any = type(future)()
        done.set_result(Written(Reply(said, (5, 6), "end")))
        return done

    monkeypatch.setattr(model.api._batches, "submit", replaced)
    found = await model.generate("Hello", tools=[SEARCH], config=GenerateConfig(max_tokens=3))
    assert found.choices[0].stop_reason == "tool_calls"
    assert found.completion == "So:"
    assert [(call.function, call.arguments) for call in found.message.tool_calls or []] == [("search", {"words": "x"})]


@pytest.mark.anyio
async def test_a_choice_that_a_template_cannot_ask_for_is_refused(model: Model) -> None:
    for choice in ("any", ToolFunction(name="search")):
        with pytest.raises(PrerequisiteError, match="only auto can be asked for"):
            await model.generate("Hello", tools=[SEARCH], tool_choice=choice)
