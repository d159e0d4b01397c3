"""Engines that fail, clients that leave, queues that are full: the request ends in words, and the server lives on."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from served import NAME, Served, chat_model, running, service_for
from trimtab.engines.transformers.writing.writer import TransformersWriter
from trimtab.errors import ModelError

CHAT = "/v1/chat/completions"
LONG: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 64, "temperature": 1, "seed": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(service_for(chat_model(), most_waiting=2)) as found:
        yield found


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Do something before each pass of the engine."""
    original = TransformersWriter.step

    def install(before: Callable[[], None]) -> None:
        def stepped(self: TransformersWriter) -> Any:
            before()
            return original(self)

        monkeypatch.setattr(TransformersWriter, "step", stepped)

    return install


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < seconds
        time.sleep(0.01)


def lives(served: Served) -> None:
    with served.client() as http:
        response = http.post(CHAT, json={**LONG, "max_tokens": 2, "steering": "cheerful"})
    assert response.status_code == 200, response.text
    until(lambda: not served.service.scheduler.counts().rows)


def fail() -> None:
    raise RuntimeError("the device has gone: /secret/path")


@pytest.mark.parametrize("path", [CHAT, "/api/chat"])
def test_an_engine_that_fails_is_an_error_of_the_server_and_says_nothing_of_it(
    served: Served, step: Any, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step(fail)
    body = LONG if path == CHAT else {"model": NAME, "messages": LONG["messages"], "stream": False}
    with served.client() as http:
        response = http.post(path, json=body)
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text
    monkeypatch.undo()
    lives(served)


@pytest.mark.parametrize("path", [CHAT, "/api/chat"])
def test_an_engine_that_fails_in_the_middle_of_a_stream_ends_it_with_an_error(
    served: Served, step: Any, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = threading.Event()

    def slowly() -> None:
        time.sleep(0.01)
        if broken.is_set():
            fail()

    step(slowly)
    options = {"temperature": 1, "seed": 3, "num_predict": 64}
    body = {**LONG, "stream": True} if path == CHAT else {
        "model": NAME, "messages": LONG["messages"], "options": options
    }  # fmt: skip
    with served.client() as http, http.stream("POST", path, json=body) as response:
        assert response.status_code == 200
        lines = []
        for line in response.iter_lines():
            lines += [line] if line else []
            if len(lines) == 3:
                broken.set()
    assert "error" in json.loads(lines[-1].removeprefix("data: "))
    assert "secret" not in lines[-1]
    assert "data: [DONE]" not in lines
    monkeypatch.undo()
    lives(served)


def test_a_push_that_overflows_is_the_fault_of_its_request_alone(served: Served) -> None:
    far = {"vector": "cheerful", "layers": [1], "strength": 1e9, "scale": "raw"}
    with served.client() as http:
        refused = http.post(CHAT, json={**LONG, "steering": far})
    assert refused.status_code in (200, 400)
    if refused.status_code == 400:
        assert "smaller strength" in refused.json()["error"]["message"]
    lives(served)


def test_a_client_that_leaves_a_stream_frees_its_rows(served: Served, step: Any) -> None:
    step(lambda: time.sleep(0.02))
    before = served.service.scheduler.counts().cancelled
    with served.client() as http, http.stream("POST", CHAT, json={**LONG, "stream": True, "n": 2}) as response:
        next(response.iter_lines())
    until(lambda: served.service.scheduler.counts().cancelled == before + 2)
    until(lambda: not served.service.scheduler.counts().rows)
    lives(served)


def test_a_client_that_does_not_wait_for_a_whole_reply_frees_its_row(served: Served, step: Any) -> None:
    step(lambda: time.sleep(0.05))
    before = served.service.scheduler.counts().cancelled
    with served.client() as http, pytest.raises(httpx.ReadTimeout):
        http.post(CHAT, json=LONG, timeout=0.3)
    until(lambda: served.service.scheduler.counts().cancelled == before + 1)
    lives(served)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_the_queue_frees_its_place(
    served: Served, monkeypatch: pytest.MonkeyPatch, step: Any, stream: bool
) -> None:
    released = threading.Event()
    step(lambda: released.wait(30))
    monkeypatch.setattr(TransformersWriter, "has_room", lambda self, request: self.rows == 0)
    counts = served.service.scheduler.counts
    before = counts().cancelled

    def ask_in_vain(http: httpx.Client) -> None:
        with http.stream("POST", CHAT, json={**LONG, "stream": stream}, timeout=0.5) as response:
            list(response.iter_raw())

    with served.client() as http, http.stream("POST", CHAT, json={**LONG, "stream": True}) as first:
        until(lambda: counts().running == 1)
        with served.client() as other, pytest.raises(httpx.ReadTimeout):
            ask_in_vain(other)
        until(lambda: counts().cancelled == before + 1)
        assert counts().waiting == 0
        released.set()
        assert list(first.iter_lines())[-2] == "data: [DONE]"
    lives(served)


def test_requests_beyond_the_queue_are_asked_to_come_again(
    served: Served, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step(lambda: time.sleep(0.02))
    monkeypatch.setattr(TransformersWriter, "has_room", lambda self, request: self.rows == 0)
    found: list[httpx.Response] = []

    def ask() -> None:
        with served.client() as http:
            found.append(http.post(CHAT, json={**LONG, "max_tokens": 20}))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    statuses = sorted(response.status_code for response in found)
    assert set(statuses) == {200, 429}
    busy = next(response for response in found if response.status_code == 429)
    assert int(busy.headers["retry-after"]) >= 1
    assert busy.json()["error"]["code"] == "queue_full"
    with served.client() as http:
        choices = http.post(CHAT, json={**LONG, "n": 3})
    assert choices.status_code == 400, "there are never so many places"
    assert "the 2 that may wait" in choices.json()["error"]["message"]
    assert choices.json()["error"]["param"] == "n"
    until(lambda: not served.service.scheduler.counts().rows)
    assert not served.service.scheduler.counts().waiting
    lives(served)


def test_a_request_that_takes_too_long_ends(served: Served, step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    step(lambda: time.sleep(0.05))
    monkeypatch.setattr(served.service, "seconds", 0.2)
    with served.client() as http:
        response = http.post(CHAT, json=LONG)
    assert response.status_code == 504
    assert response.json()["error"]["code"] == "timeout"
    monkeypatch.undo()
    lives(served)


def test_whatever_else_fails_is_an_error_of_the_server(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr("trimtab.serve.openai.chat_completions.chat_tokens", broken)
    with served.client() as http:
        response = http.post(CHAT, json=LONG)
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "secret" not in response.text
    monkeypatch.undo()
    lives(served)


def test_a_server_that_stops_finishes_what_runs_and_refuses_the_rest(step: Any) -> None:
    step(lambda: time.sleep(0.02))
    replies: list[httpx.Response] = []
    with running(service_for(chat_model())) as served:

        def ask() -> None:
            with served.client() as http:
                replies.append(http.post(CHAT, json=LONG))

        thread = threading.Thread(target=ask)
        thread.start()
        until(lambda: served.service.scheduler.counts().running == 1)
        served.server.stop()
        with served.client() as http:
            refused = http.post(CHAT, json=LONG)
            health = http.get("/health")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "stopping"
        assert "retry-after" in refused.headers
        assert health.status_code == 503
        thread.join(30)
    assert replies[0].status_code == 200
    assert replies[0].json()["usage"]["completion_tokens"] > 0


def test_choices_for_which_there_is_no_room_now_leave_none_behind(
    served: Served, step: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    step(lambda: time.sleep(0.02))
    monkeypatch.setattr(TransformersWriter, "has_room", lambda self, request: self.rows == 0)
    counts = served.service.scheduler.counts
    stream = {**LONG, "stream": True}
    with served.client() as http, http.stream("POST", CHAT, json=stream) as first:
        until(lambda: counts().running == 1)
        with served.client() as other, other.stream("POST", CHAT, json=stream):
            until(lambda: counts().waiting == 1)
            with served.client() as third:
                assert third.post(CHAT, json={**LONG, "n": 2}).status_code == 429
            assert counts().waiting == 1
        first.close()
    until(lambda: not served.service.scheduler.counts().rows)
    lives(served)


@pytest.mark.parametrize("how", ["a second signal", "the end of its patience"])
def test_a_server_that_waits_no_longer_tells_every_reader(
    step: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    step(lambda: time.sleep(0.3))
    lines: dict[str, list[str]] = {CHAT: [], "/api/chat": []}
    whole: list[httpx.Response] = []
    if how != "a second signal":
        monkeypatch.setattr("trimtab.serve.http.server.DRAIN_SECONDS", 0.2)

    def ask() -> None:
        with own.client() as http:
            whole.append(http.post(CHAT, json=LONG))

    def follow(path: str) -> None:
        body = {**LONG, "stream": True}
        if path == "/api/chat":
            options = {"temperature": 1, "seed": 3, "num_predict": 64}
            body = {"model": NAME, "messages": LONG["messages"], "options": options}
        with own.client() as http, http.stream("POST", path, json=body) as response:
            lines[path] += [line for line in response.iter_lines() if line]

    with running(service_for(chat_model())) as own:
        threads = [threading.Thread(target=ask), *(threading.Thread(target=follow, args=(path,)) for path in lines)]
        for thread in threads:
            thread.start()
        until(lambda: own.service.scheduler.counts().running == 3)
        own.server.handle_exit(2, None)
        if how == "a second signal":
            own.server.handle_exit(2, None)
        for thread in threads:
            thread.join(10)
    assert whole[0].status_code == 503
    assert whole[0].json()["error"]["code"] == "stopping"
    assert "stopping" in json.loads(lines[CHAT][-1].removeprefix("data: "))["error"]["message"]
    assert "stopping" in json.loads(lines["/api/chat"][-1])["error"]
    assert not [record for record in caplog.records if record.exc_info]


def test_a_request_that_is_cut_at_the_very_end_is_answered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def endless(*_: Any) -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr("trimtab.serve.openai.chat_completions.asyncio.to_thread", endless)
    monkeypatch.setattr("trimtab.serve.http.server.SHUTDOWN_SECONDS", 0.3)
    found: list[httpx.Response] = []

    def ask() -> None:
        with own.client() as http:
            found.append(http.post(CHAT, json=LONG))

    with running(service_for(chat_model())) as own:
        thread = threading.Thread(target=ask)
        thread.start()
        until(lambda: bool(own.server.server_state.tasks))
        own.server.handle_exit(2, None)
        own.server.handle_exit(2, None)
        thread.join(10)
    assert found[0].status_code == 503
    assert found[0].json()["error"]["code"] == "stopping"
    assert not [record for record in caplog.records if record.exc_info]


def test_a_server_whose_engine_is_lost_says_so(monkeypatch: pytest.MonkeyPatch, step: Any) -> None:
    with running(service_for(chat_model())) as served, served.client() as http:
        assert http.get("/health").status_code == 200
        step(fail)
        monkeypatch.setattr(served.model, "writer", fail)
        assert http.post(CHAT, json=LONG).status_code == 500
        until(lambda: served.service.scheduler.lost is not None)
        later, health = http.post(CHAT, json=LONG), http.get("/health")
    assert later.status_code == 503
    assert later.json()["error"]["code"] == "engine_lost"
    assert "secret" not in later.text
    assert health.status_code == 503
    assert "restart" in health.json()["status"]


@pytest.mark.parametrize("when", ["while nobody asks", "while a reply is written"])
def test_a_server_whose_engine_has_died_is_not_healthy_and_says_why(
    monkeypatch: pytest.MonkeyPatch, step: Any, when: str
) -> None:
    """As vLLM does whose process was killed: its writers can be made, and each fails."""
    gone: list[str] = []

    def die() -> None:
        gone.append("its process has ended")
        raise ModelError("the engine has died; its output is in /secret/path")

    with running(service_for(chat_model())) as served, served.client() as http:
        monkeypatch.setattr(served.model.engine, "fault", lambda: "".join(gone[:1]))
        assert http.get("/health").status_code == 200
        if when == "while nobody asks":
            gone.append("its process has ended")
        else:
            step(die)
            assert http.post(CHAT, json=LONG).status_code == 503
        for path in (CHAT, "/api/chat"):
            body = LONG if path == CHAT else {"model": NAME, "messages": LONG["messages"], "stream": False}
            refused = http.post(path, json=body)
            assert refused.status_code == 503
            assert "its process has ended" in refused.text
            assert "restart the server" in refused.text
            assert "secret" not in refused.text
        health = http.get("/health")
    assert health.status_code == 503
    assert "its process has ended" in health.json()["reason"]


def test_prompt_and_reply_together_are_bounded() -> None:
    with running(service_for(chat_model(), most_tokens=40)) as served, served.client() as http:
        long = http.post("/v1/completions", json={"prompt": "a" * 60, "max_tokens": 2})
        beyond = http.post("/v1/completions", json={"prompt": "a" * 30, "max_tokens": 20})
        fits = http.post("/v1/completions", json={"prompt": "a" * 30, "max_tokens": 5})
        most = http.get("/v1/models").json()["data"][0]["max_model_len"]
    assert (long.status_code, beyond.status_code, fits.status_code, most) == (400, 400, 200, 40)
    assert "40" in long.json()["error"]["message"]
