"""`trimtab serve` with vLLM behind it: the same requests, the same replies as with the default engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import Both, both, nothing_is_held

from served import STRENGTH, Served, library_for, running, service_for
from trimtab.engines import Model

pytestmark = pytest.mark.vllm
QUESTIONS = [f"What is {i} and {i + 1}?" for i in range(12)]


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    with both("llama", tmp_path_factory.mktemp("llama"), enforce_eager=True, max_num_seqs=64) as found:
        yield found


@pytest.fixture(scope="module")
def server(engines: Both) -> Iterator[Served]:
    # A vector of a model's own; both engines give it the same fingerprint.
    with running(service_for(engines.vllm, library=library_for(engines.plain))) as started:
        yield started


def asked(server: Served, question: str, **body: object) -> dict[str, Any]:
    body = {
        "model": "tiny-llama",
        "messages": [{"role": "user", "content": question}],
        "max_tokens": 10,
        "temperature": 0,
    } | body
    with server.client() as client:
        answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def expected(model: Model, server: Served, question: str, strength: float) -> str:
    vector = server.service.library.get("cheerful").vector
    with model.steer(vector, layer=1, strength=strength):
        (reply,) = model.generate([question], max_new_tokens=10)
    return reply


def test_replies_are_those_of_the_default_engine(engines: Both, server: Served) -> None:
    (plain,) = engines.plain.generate([QUESTIONS[0]], max_new_tokens=10)
    assert asked(server, QUESTIONS[0])["choices"][0]["message"]["content"].strip() == plain
    for strength in (0.3, STRENGTH):
        found = asked(server, QUESTIONS[0], model=f"tiny-llama:cheerful@{strength}")
        text = found["choices"][0]["message"]["content"].strip()
        assert text == expected(engines.plain, server, QUESTIONS[0], strength) != plain
        assert found["steering_applied"]["pushes"][0]["strength"] == strength


def test_many_clients_at_once_each_get_their_own(engines: Both, server: Served) -> None:
    strengths = [0.2 + 0.05 * (i % 5) for i in range(len(QUESTIONS))]

    async def all_at_once() -> list[dict[str, Any]]:
        calls = [
            asyncio.to_thread(asked, server, question, model=f"tiny-llama:cheerful@{strength:g}")
            for question, strength in zip(QUESTIONS, strengths, strict=True)
        ]
        return await asyncio.gather(*calls)

    for found, question, strength in zip(asyncio.run(all_at_once()), QUESTIONS, strengths, strict=True):
        text = found["choices"][0]["message"]["content"].strip()
        assert text == expected(engines.plain, server, question, float(f"{strength:g}"))
    assert nothing_is_held(engines.vllm)


def test_what_vllm_does_not_do_is_refused_in_words_and_the_server_lives(server: Served) -> None:
    steering = {"vector": "cheerful", "layers": [1], "strength": 0.3, "positions": "thinking"}
    body = {"model": "tiny-llama", "messages": [{"role": "user", "content": "Hi"}], "steering": steering}
    with server.client() as client:
        answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 400
    assert "thinking" in answer.json()["error"]["message"]
    asked(server, QUESTIONS[1])
