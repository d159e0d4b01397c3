"""Ollama's API over HTTP: by its own client, and line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import ollama
import pytest

from served import NAME, STRENGTH, Served, chat_model, running, service_for
from trimtab.models import Asking
from trimtab.models.prompting.asking import Thinking
from trimtab.serve.http.bodies import Fields
from trimtab.serve.http.request_refusals import Refusal
from trimtab.serve.ollama._ollama_fields import ollama_fields
from trimtab.steering import Cell, SteeringSetting

MESSAGES: Any = [{"role": "user", "content": "Hello"}]
GREEDY = {"temperature": 0, "num_predict": 12}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(service_for(chat_model())) as found:
        yield found


@pytest.fixture(scope="module")
def client(served: Served) -> ollama.Client:
    return ollama.Client(served.address)


def written(served: Served, strength: float | None, messages: Any = MESSAGES) -> str:
    vector = served.service.library.get("cheerful").vector
    cell = None if strength is None else SteeringSetting().intervention(vector, Cell((1,), strength))
    return served.model.generate([messages], interventions=[cell], max_new_tokens=12)[0]


@pytest.mark.parametrize(
    ("steer", "strength"),
    [(None, None), ("cheerful", STRENGTH), ("-0.4 cheerful", -0.4), ({"vector": "cheerful", "strength": 0.2}, 0.2)],
)
def test_a_chat_is_what_generate_writes(served: Served, client: ollama.Client, steer: Any, strength: Any) -> None:
    options = {**GREEDY, **({} if steer is None else {"steer": steer})}
    found = client.chat(NAME, MESSAGES, options=options)
    assert found.message.content == written(served, strength)
    assert found.prompt_eval_count == len(served.model.tokens(MESSAGES))
    assert found.done
    pieces = list(client.chat(NAME, MESSAGES, options=options, stream=True))
    assert "".join(piece.message.content or "" for piece in pieces) == found.message.content
    assert [piece.done for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_a_setting_is_a_model_here_too(served: Served, client: ollama.Client) -> None:
    names = [model.model for model in client.list().models]
    assert names == [f"{NAME}:latest", f"{NAME}:cheerful@recommended", f"{NAME}:formal@recommended"]
    for name in (f"{NAME}:cheerful@recommended", f"{NAME}:cheerful@recommended:latest"):
        assert client.chat(name, MESSAGES, options=GREEDY).message.content == written(served, STRENGTH)
    assert client.chat(f"{NAME}:latest", MESSAGES, options=GREEDY).message.content == written(served, None)
    assert client.show(names[1] or "").capabilities == ["completion"]


def test_prompts_are_messages_under_the_template_or_raw_texts(served: Served, client: ollama.Client) -> None:
    assert client.generate(NAME, "Hello", options=GREEDY).response == written(served, None)
    system = [{"role": "system", "content": "Be kind"}, *MESSAGES]
    assert client.generate(NAME, "Hello", system="Be kind", options=GREEDY).response == written(served, None, system)
    raw = str(client.generate(NAME, "Hello", raw=True, options=GREEDY).response)
    with served.client() as http:
        body = {"prompt": "Hello", "temperature": 0, "max_tokens": 12}
        assert http.post("/v1/completions", json=body).json()["choices"][0]["text"] == raw
    options: dict[str, Any] = {**GREEDY, "stop": [raw[3:5]]}
    pieces = client.generate(NAME, "Hello", options=options, raw=True, stream=True)
    assert "".join(piece.response or "" for piece in pieces) == raw[: raw.index(raw[3:5])]


def test_a_request_without_a_prompt_finds_the_model_loaded(client: ollama.Client) -> None:
    assert client.generate(NAME, "").done_reason == "load"
    assert client.chat(NAME, []).done_reason == "load"
    assert client.generate(NAME, "", keep_alive=0).done_reason == "unload"


def test_replies_say_what_was_pushed_and_how_long_it_took(served: Served) -> None:
    body = {"model": NAME, "messages": MESSAGES, "stream": False, "options": {**GREEDY, "steer": "cheerful"}}
    with served.client() as http:
        found = http.post("/api/chat", json=body).json()
        assert http.get("/api/version").json()["version"]
        assert len(http.get("/api/ps").json()["models"]) == 3
    assert found["steering_applied"]["layers"] == [1]
    assert found["steering_applied"]["tokens_at_positions"] > found["prompt_eval_count"] - 1
    assert found["total_duration"] >= found["prompt_eval_duration"] > 0
    assert found["eval_duration"] > 0
    assert found["total_duration"] == pytest.approx(found["prompt_eval_duration"] + found["eval_duration"], abs=9)


BAD: dict[str, dict[str, Any]] = {
    "no model": {"model": ""},
    "an unknown option": {"options": {"temprature": 1}},
    "an option that is not there": {"options": {"top_k": 40}},
    "a penalty": {"options": {"repeat_penalty": 1.1}},
    "a format": {"format": "json"},
    "thinking": {"think": True},
    "messages that are 0": {"messages": 0},
    "messages that are a text": {"messages": ""},
    "messages that are an object": {"messages": {}},
    "messages that are false": {"messages": False},
    "an image": {"messages": [{"role": "user", "content": "a", "images": ["aGk="]}]},
    "two ways to steer": {"steering": "cheerful", "options": {"steer": "formal"}},
    "an unknown vector": {"options": {"steer": "cheerfull"}},
    "nothing to write": {"options": {"num_predict": 0}},
    "too much to write": {"options": {"num_predict": 65}},
    "options that are none": {"options": 3},
    "an unknown field": {"promt": "a"},
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_is_refused_in_ollamas_shape(served: Served, name: str) -> None:
    with served.client() as http:
        response = http.post("/api/chat", json={"model": NAME, "messages": MESSAGES, **BAD[name]})
    assert response.status_code == 400
    assert set(response.json()) == {"error"}


def test_options_of_the_machine_change_nothing(served: Served, client: ollama.Client) -> None:
    options = {**GREEDY, "num_ctx": 4096, "num_gpu": 0, "num_thread": 2, "use_mmap": True, "repeat_penalty": 1.0}
    assert client.chat(NAME, MESSAGES, options=options, keep_alive="5m").message.content == written(served, None)


@pytest.mark.parametrize(("thinking", "agrees"), [("off", False), ("on", True)])
def test_thinking_is_that_of_the_server_or_refused(thinking: Thinking, agrees: bool) -> None:
    service = service_for(chat_model())
    service.model.asking = Asking(thinking=thinking)
    assert ollama_fields(Fields({"model": NAME, "think": agrees}), service).model == NAME
    for other in (not agrees, "low"):
        with pytest.raises(Refusal, match=f"think: this server was started with thinking {thinking}"):
            ollama_fields(Fields({"model": NAME, "think": other}), service)
    service.scheduler.close(seconds=5)


def test_an_unknown_model_is_not_found(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="did you mean") as refused:
        client.chat("tiny-lama", MESSAGES)
    assert refused.value.status_code == 404


def test_what_fails_in_a_stream_is_a_line_of_it(served: Served) -> None:
    steer = {"vector": "cheerful", "positions": "after:50"}
    body = {"model": NAME, "messages": MESSAGES, "options": {**GREEDY, "steer": steer}}
    with served.client() as http, http.stream("POST", "/api/chat", json=body) as response:
        assert response.headers["content-type"].startswith("application/x-ndjson")
        *_, last = [json.loads(line) for line in response.iter_lines() if line]
    assert "nothing was pushed" in last["error"]
