"""OpenAI's API over HTTP: by its own client, and byte by byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from served import NAME, STRENGTH, Served, ask, chat_model, events, refused, running, service_for
from trimtab.serve.openai.conversation_fields import chat_tokens
from trimtab.serve.openai.text_completions import _logprobs
from trimtab.serve.replies.finished_reply import ShownLogprob
from trimtab.steering import Cell, SteeringSetting

MESSAGES: Any = [{"role": "user", "content": "Hello"}]
PLAIN = {"messages": MESSAGES, "temperature": 0, "max_tokens": 12}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(service_for(chat_model())) as found:
        yield found


@pytest.fixture(scope="module")
def client(served: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{served.address}/v1", api_key="none", max_retries=0, timeout=60)


def cheerful(served: Served, strength: float = STRENGTH, **options: Any) -> Any:
    vector = served.service.library.get("cheerful").vector
    return SteeringSetting(**options).intervention(vector, Cell((1,), strength))


@pytest.mark.parametrize("steered", [False, True])
def test_a_reply_is_what_generate_writes_with_the_same_intervention(served: Served, steered: bool) -> None:
    body = {**PLAIN, **({"steering": "cheerful"} if steered else {})}
    found = ask(served, **body)
    wanted = served.model.generate(
        [MESSAGES], interventions=[cheerful(served) if steered else None], max_new_tokens=12
    )[0]
    assert found["choices"][0]["message"]["content"] == wanted
    assert (found["steering_applied"] is not None) == steered


def test_sampled_replies_are_those_of_generate_too(served: Served) -> None:
    found = ask(served, messages=MESSAGES, steering="cheerful", temperature=1.3, top_p=0.8, seed=7, n=3, max_tokens=10)
    wanted = served.model.generate(
        [MESSAGES] * 3, interventions=[cheerful(served)] * 3, max_new_tokens=10, temperature=1.3, top_p=0.8, seed=7
    )
    assert [choice["message"]["content"] for choice in found["choices"]] == wanted
    assert [choice["index"] for choice in found["choices"]] == [0, 1, 2]
    assert found["usage"]["completion_tokens"] <= 30
    assert found["usage"]["prompt_tokens"] == len(served.model.tokens(MESSAGES))


def test_without_a_seed_replies_differ(served: Served) -> None:
    found = {ask(served, messages=MESSAGES, max_tokens=10)["choices"][0]["message"]["content"] for _ in range(4)}
    assert len(found) > 1


def test_steering_applied_says_what_was_pushed(served: Served) -> None:
    prompt = len(served.model.tokens(MESSAGES))
    found = ask(served, **PLAIN, steering={"vector": "cheerful", "positions": "generated"})
    applied, written = found["steering_applied"], found["usage"]["completion_tokens"]
    assert applied["pushes"][0] | {"relative_norm": None} == {
        "vector": "cheerful", "layers": [1], "strength": STRENGTH, "scale": "relative", "vector_layer": None,
        "relative_norm": None,
    }  # fmt: skip
    assert applied["layers"] == [1]
    ended = found["choices"][0]["finish_reason"] == "stop"
    assert applied["tokens_at_positions"] == written - (not ended)
    whole = ask(served, **PLAIN, steering="cheerful")
    ended = whole["choices"][0]["finish_reason"] == "stop"
    assert whole["steering_applied"]["tokens_at_positions"] == prompt - 1 + whole["usage"]["completion_tokens"] - (
        not ended
    )


def test_a_setting_is_a_model(served: Served, client: openai.OpenAI) -> None:
    listed = [model.id for model in client.models.list()]
    assert listed == [NAME, f"{NAME}:cheerful@recommended", f"{NAME}:formal@recommended"]
    steered = ask(served, **PLAIN, steering="cheerful")["choices"][0]["message"]["content"]
    for name in (listed[1], f"{NAME}:cheerful@{STRENGTH}", f"{NAME}:{STRENGTH} cheerful"):
        found = client.chat.completions.create(model=name, messages=MESSAGES, temperature=0, max_tokens=12)
        assert found.choices[0].message.content == steered
        assert found.model == name
        assert client.models.retrieve(name).id == name
    assert client.models.retrieve(NAME).model_extra["steering"] is None  # type: ignore[index]


def test_an_unknown_model_is_not_found_and_near_ones_are_named(served: Served, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=f"did you mean {NAME}"):
        client.chat.completions.create(model="tiny-lama", messages=MESSAGES)
    with pytest.raises(openai.NotFoundError, match="did you mean 'cheerful'"):
        client.models.retrieve(f"{NAME}:cheerfull@0.3")


def test_the_client_reads_steering_through_extra_body_and_streams(served: Served, client: openai.OpenAI) -> None:
    whole = ask(served, **PLAIN, steering="cheerful")
    stream = client.chat.completions.create(
        model=NAME, messages=MESSAGES, temperature=0, max_tokens=12, stream=True,
        stream_options={"include_usage": True}, extra_body={"steering": "cheerful"},
    )  # fmt: skip
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == whole["usage"]["total_tokens"]
    (applied,) = [extra for chunk in chunks if (extra := (chunk.model_extra or {}).get("steering_applied"))]
    assert applied == whole["steering_applied"]


def test_the_asynchronous_client_gets_many_settings_side_by_side(served: Served) -> None:
    strengths = [0.2, -0.4, 0.6, -0.8]

    async def every() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{served.address}/v1", api_key="none") as many:
            replies = await asyncio.gather(
                *(
                    many.chat.completions.create(
                        model=NAME, messages=MESSAGES, temperature=0, max_tokens=12,
                        extra_body={"steering": {"vector": "cheerful", "strength": strength}},
                    )
                    for strength in strengths
                )
            )  # fmt: skip
        return [str(reply.choices[0].message.content) for reply in replies]

    wanted = served.model.generate(
        [MESSAGES] * 4, interventions=[cheerful(served, strength) for strength in strengths], max_new_tokens=12
    )
    assert asyncio.run(every()) == wanted
    assert len(set(wanted)) > 1


def test_pieces_of_several_choices_are_those_of_their_own(served: Served) -> None:
    body = {"messages": MESSAGES, "temperature": 1, "seed": 3, "n": 3, "max_tokens": 8}
    whole = ask(served, **body)
    texts = {0: "", 1: "", 2: ""}
    ends: dict[int, str] = {}
    for event in events(served, **body):
        (choice,) = event["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
        ends |= {choice["index"]: choice["finish_reason"]} if choice["finish_reason"] else {}
    assert [texts[i] for i in range(3)] == [choice["message"]["content"] for choice in whole["choices"]]
    assert [ends[i] for i in range(3)] == [choice["finish_reason"] for choice in whole["choices"]]


def test_a_text_is_cut_before_its_stop_text(served: Served) -> None:
    text = ask(served, "/v1/completions", prompt="Hello", temperature=0, max_tokens=20)["choices"][0]["text"]
    stop = text[5:7]
    body = {"prompt": "Hello", "temperature": 0, "max_tokens": 20, "stop": [stop, "never there"]}
    found = ask(served, "/v1/completions", **body)
    assert found["choices"][0]["text"] == text[: text.index(stop)]
    assert found["choices"][0]["finish_reason"] == "stop"
    streamed = events(served, "/v1/completions", **body)
    assert "".join(event["choices"][0]["text"] for event in streamed) == text[: text.index(stop)]


def test_texts_are_continued_without_a_template(served: Served, client: openai.OpenAI) -> None:
    tokenizer = served.model.backbone.tokenizer
    found = client.completions.create(model=NAME, prompt=["Hello", "Bye"], temperature=0, max_tokens=6, n=2)
    assert [choice.index for choice in found.choices] == [0, 1, 2, 3]
    by_tokens = ask(served, "/v1/completions", prompt=tokenizer("Hello")["input_ids"], temperature=0, max_tokens=6)
    assert found.choices[0].text == found.choices[1].text == by_tokens["choices"][0]["text"]
    assert found.usage is not None
    assert found.usage.prompt_tokens == len(tokenizer("Hello")["input_ids"]) + len(tokenizer("Bye")["input_ids"])
    assert ask(served, "/v1/completions", prompt="Hello", steering="cheerful", temperature=0)["steering_applied"]


def test_choices_of_several_prompts_are_drawn_by_their_numbers(served: Served) -> None:
    body: dict[str, Any] = {"temperature": 2, "max_tokens": 8}
    found = ask(served, "/v1/completions", prompt=["Hello", "Hello"], n=2, seed=5, **body)["choices"]
    alone = [ask(served, "/v1/completions", prompt="Hello", seed=seed, **body)["choices"][0] for seed in range(5, 9)]
    assert [choice["text"] for choice in found] == [choice["text"] for choice in alone]
    assert len({choice["text"] for choice in found}) == 4


def test_a_begun_message_is_continued_with_the_space_at_the_join(others: Served) -> None:
    begun: Any = [*MESSAGES, {"role": "assistant", "content": "I am"}]
    options: dict[str, Any] = {"temperature": 5, "seed": 1, "n": 64, "max_tokens": 2}
    tokens = list(others.model.tokens(begun))
    found = [one["message"]["content"] for one in ask(others, messages=begun, **options)["choices"]]
    texts = ask(others, "/v1/completions", prompt=tokens, **options)["choices"]
    assert found == [one["text"].rstrip() for one in texts]
    assert any(text.lstrip() != text for text in found)


def test_a_begun_message_is_continued_under_tools_too(others: Served) -> None:
    begun: Any = [*MESSAGES, {"role": "assistant", "content": "I am"}]
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    rendered = others.model.backbone.tokenizer.decode(chat_tokens(others.model, begun, tools))
    assert rendered.endswith("<|user|>Hello<|end|><|assistant|>I am")
    assert "look_up" in rendered


def test_tokens_of_one_text_do_not_hide_each_other() -> None:
    likeliest = (("a", -1.0, 5), ("\ufffd", -2.0, 6), ("\ufffd", -3.0, 7))
    top = tuple(ShownLogprob(text, value, number=number) for text, value, number in likeliest)
    found = _logprobs((ShownLogprob("a", -1.0, top),))
    assert found is not None
    assert found["top_logprobs"] == [{"a": -1.0, "\ufffd": -2.0, "token_id:7": -3.0}]


def test_log_probabilities_are_those_of_the_steered_model(served: Served, client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model=f"{NAME}:cheerful", messages=MESSAGES, temperature=0, max_tokens=4, logprobs=True, top_logprobs=2
    )
    logprobs = found.choices[0].logprobs
    assert logprobs is not None
    content = logprobs.content
    assert content is not None
    assert found.usage is not None
    assert len(content) == found.usage.completion_tokens
    for token in content:
        assert token.logprob <= 0
        assert len(token.top_logprobs) == 2
        assert token.top_logprobs[0].logprob == pytest.approx(token.logprob), "greedy takes the likeliest"
    plain = client.chat.completions.create(
        model=NAME, messages=MESSAGES, temperature=0, max_tokens=4, logprobs=True
    ).choices[0]
    assert plain.logprobs is not None
    assert plain.logprobs.content is not None
    assert plain.logprobs.content[0].logprob != pytest.approx(content[0].logprob)
    text = ask(served, "/v1/completions", prompt="Hello", temperature=0, max_tokens=4, logprobs=3)["choices"][0]
    assert {len(entries) for entries in text["logprobs"].values()} == {len(text["logprobs"]["tokens"])}
    assert all(len(top) == 3 for top in text["logprobs"]["top_logprobs"])
    for token, place in zip(text["logprobs"]["tokens"], text["logprobs"]["text_offset"], strict=True):
        assert token == "\ufffd" or text["text"][place:].startswith(token)


def test_nothing_pushed_is_an_error_and_never_silent(served: Served) -> None:
    where = {"vector": "cheerful", "positions": "after:50"}
    assert refused(served, **PLAIN, steering=where)["code"] == "steering_pushed_nothing"
    with (
        served.client() as http,
        http.stream("POST", "/v1/chat/completions", json={**PLAIN, "steering": where, "stream": True}) as response,
    ):
        *_, last = [line for line in response.iter_lines() if line]
    assert json.loads(last[6:])["error"]["code"] == "steering_pushed_nothing"


UNSUPPORTED: list[tuple[str, Any]] = [
    ("frequency_penalty", 0.5), ("presence_penalty", -1), ("logit_bias", {"5": 1}), ("tool_choice", "required"),
    ("response_format", {"type": "json_object"}), ("functions", [{"name": "f"}]), ("top_k", 40),
    ("reasoning_effort", "low"), ("tools", [{"type": "function", "function": {"name": "f"}}]),
    ("modalities", ["audio"]), ("store", True), ("guided_regex", "a*"), ("best_of", 3),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), UNSUPPORTED, ids=[name for name, _ in UNSUPPORTED])
def test_what_would_change_the_reply_and_is_not_there_is_refused_by_name(served: Served, name: str, value: Any) -> None:
    error = refused(served, **PLAIN, **{name: value})
    assert error["param"] == name
    assert name in error["message"]


def test_values_that_change_nothing_are_accepted(served: Served) -> None:
    plain = ask(served, **PLAIN)
    neutral: dict[str, Any] = {
        "frequency_penalty": 0, "presence_penalty": 0.0, "logit_bias": None, "tool_choice": "none", "tools": [],
        "response_format": {"type": "text"}, "user": "me", "metadata": {"a": "b"}, "top_p": 1, "n": 1, "stop": None,
        "store": False, "seed": 3, "stream": False, "logprobs": False, "steering": None, "parallel_tool_calls": True,
    }  # fmt: skip
    assert ask(served, **PLAIN, **neutral)["choices"] == plain["choices"]


BAD: list[tuple[str, Any]] = [
    ("temperature", -1), ("temperature", "hot"), ("temperature", True), ("top_p", 0), ("top_p", 1.5), ("n", 0),
    ("n", 65), ("n", 1.5), ("max_tokens", 0), ("max_tokens", 65), ("max_tokens", "12"), ("seed", "x"),
    ("stop", [""]), ("stop", ["a"] * 17), ("stop", 3), ("stop", ["x" * 300]), ("stream", "yes"), ("messages", []),
    ("messages", "Hello"), ("messages", [{"role": "robot", "content": "a"}]), ("messages", [{"role": "user"}]),
    ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
    ("messages", [{"role": "user", "content": "a", "name": "b"}]), ("messages", [3]),
    ("messages", [{"role": "assistant", "content": "a", "audio": {"id": "x"}}]), ("vllm_xargs", {}),
    ("stream_options", {"include_usage": True}), ("top_logprobs", 3), ("logprobs", 3), ("model", 3),
    ("steering", "cheerfull"), ("steering", 3), ("monitors", ["cheerful"]), ("vllm_xargs", {"steer": "x"}),
    ("maxtokens", 3), ("messages", [{"role": "assistant", "tool_calls": [{"id": "x"}]}]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name}={json.dumps(value)[:40]}" for name, value in BAD])
def test_what_cannot_be_is_a_bad_request_that_names_the_field(served: Served, name: str, value: Any) -> None:
    error = refused(served, **{**PLAIN, name: value})
    assert str(error["param"]).startswith(name)


def test_two_ways_of_steering_contradict_each_other(served: Served) -> None:
    error = refused(served, **PLAIN, model=f"{NAME}:cheerful", steering="formal")
    assert error["message"].startswith("model and steering")
    refused(served, **PLAIN, max_completion_tokens=5)


def test_a_conversation_longer_than_the_model_takes_is_refused(served: Served) -> None:
    error = refused(served, messages=[{"role": "user", "content": "a" * 300}], temperature=0)
    assert "leaves no room" in error["message"]
    error = refused(served, messages=[{"role": "user", "content": "a" * 200}], max_tokens=64)
    assert "ask for up to" in error["message"]
    short = ask(served, messages=[{"role": "user", "content": "a" * 200}], temperature=0)
    assert short["usage"]["total_tokens"] <= 256, "without max_tokens the reply gets what room there is"


def test_parts_of_text_and_other_roles_are_read(served: Served) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    found = ask(served, **{**PLAIN, "messages": [
        {"role": "developer", "content": "Be kind"}, {"role": "user", "content": parts},
        {"role": "assistant", "content": "three", "refusal": None}, {"role": "user", "content": "four"},
    ]})  # fmt: skip
    messages: Any = [
        {"role": "system", "content": "Be kind"}, {"role": "user", "content": "one\ntwo"},
        {"role": "assistant", "content": "three"}, {"role": "user", "content": "four"},
    ]  # fmt: skip
    assert found["choices"][0]["message"]["content"] == served.model.generate([messages], max_new_tokens=12)[0]


def test_validating_says_what_would_be_pushed_or_why_not(served: Served) -> None:
    found = ask(served, "/v1/steering/validate", steering="0.3 cheerful - 0.2 formal")
    assert found["valid"]
    assert [push["strength"] for push in found["pushes"]] == [0.3, -0.1]
    assert found["layers"] == [1, 2]
    thinking = {"vector": "cheerful", "positions": "thinking"}
    found = ask(served, "/v1/steering/validate", steering=thinking)
    assert not found["valid"]
    assert found["reason"] == refused(served, **PLAIN, steering=thinking)["message"]
    found = ask(served, "/v1/steering/validate", model=f"{NAME}:cheerfull")
    assert not found["valid"]
    assert "did you mean 'cheerful'" in found["reason"]
    refused(served, path="/v1/steering/validate", messages=[])
    refused(served, path="/v1/steering/validate", model=NAME)


def test_vectors_scales_and_limits_are_told(served: Served) -> None:
    with served.client() as http:
        listed = http.get("/v1/steering/vectors").json()["data"]
        about = http.get("/v1/steering").json()
    assert [one["name"] for one in listed] == ["cheerful", "formal", "raw"]
    assert listed[0]["recommended"]["layers"] == [1]
    assert listed[2]["recommended"] is None
    assert "relative" in [scale["name"] for scale in about["scales"]]
    assert about["limits"]["max_tokens"] == 64
    assert "/" not in json.dumps(listed), "no paths"


def test_metrics_count_what_was_served(served: Served) -> None:
    def metrics() -> dict[str, float]:
        with served.client() as http:
            text = http.get("/metrics").text
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    before = metrics()
    found = ask(served, **PLAIN)
    after = metrics()
    written = after["trimtab_tokens_written_total"] - before["trimtab_tokens_written_total"]
    assert found["usage"]["completion_tokens"] <= written <= found["usage"]["completion_tokens"] + 1
    assert after["trimtab_requests_finished_total"] == before["trimtab_requests_finished_total"] + 1
    assert after["trimtab_requests_running"] == 0
    ok = 'trimtab_responses_total{status="200"}'
    assert after[ok] == before[ok] + 2


TOOLS_TEMPLATE = (
    "{% if tools %}{% for t in tools %}<|tool|>{{ t['function']['name'] }}<|end|>{% endfor %}{% endif %}"
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}<|assistant|>"
)


@pytest.fixture(scope="module")
def others() -> Iterator[Served]:
    """A server whose template takes tools."""
    with running(service_for(chat_model(TOOLS_TEMPLATE))) as found:
        yield found


def test_tools_are_rendered_where_the_template_takes_them(others: Served) -> None:
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    plain = ask(others, **PLAIN)
    found = ask(others, **PLAIN, tools=tools, tool_choice="auto")
    assert found["usage"]["prompt_tokens"] > plain["usage"]["prompt_tokens"]
    refused(others, **PLAIN, tools=tools, tool_choice="required")
    refused(others, **PLAIN, tools=[{"type": "function"}])
