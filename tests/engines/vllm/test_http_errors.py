"""What people are told when a server cannot be asked, does not answer, or does not steer."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("openai")

from fake_server import Answer, Fake, echo, fake_server, refused, said, streamed

from trimtab.engines.vllm.http import Served, steer
from trimtab.engines.vllm.wire.spec import KEY
from trimtab.errors import ModelError, SettingError

CHEERFUL = steer("cheerful", 14, 0.1, scale="relative")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[Fake]:
    with fake_server() as fake:
        yield fake


def test_a_server_is_tried_once_before_it_is_trusted_to_steer(server: Fake) -> None:
    served = Served(server.url)
    for _ in range(2):
        served.generate(["a", "b"], steering=CHEERFUL)
    tried = [asked for asked in server.asked if (asked.body.get("vllm_xargs") or {}) == {KEY: "?"}]
    assert len(tried) == 1
    assert len(server.chats) == 4


def test_unsteered_requests_need_no_server_that_steers(server: Fake) -> None:
    server.chat = lambda _: said("hello")
    assert Served(server.url).generate(["a"]) == ["hello"]
    assert len(server.chats) == 1


@pytest.mark.parametrize("ask", ["generate", "stream"])
def test_a_server_that_ignores_steering_is_found_out(server: Fake, ask: str) -> None:
    server.chat = lambda _: said("hello")
    with pytest.raises(ModelError, match="does not read what a request says of steering: install trimtab"):
        list(getattr(Served(server.url), ask)("a", steering=CHEERFUL))
    assert server.chats == []


def test_a_server_that_was_not_started_to_steer_says_so(server: Fake) -> None:
    server.chat = lambda _: refused(400, "this server does not steer: start it with --additional-config '…'")
    with pytest.raises(SettingError, match="does not steer: start it with --additional-config"):
        Served(server.url).generate(["a"], steering=CHEERFUL)


def asks(served: Served) -> list[str]:
    return served.generate(["a"], steering=CHEERFUL)


def test_nobody_there_is_told_with_how_to_start_a_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    for served in (Served(url), Served(url, model="m")):
        with pytest.raises(
            ModelError,
            match=f"the connection to {url} fails .*refused.*start one: .*vllm serve MODEL --additional-config",
        ):
            asks(served)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_told_and_never_shown(server: Fake, status: int) -> None:
    server.models = refused(status, "Unauthorized: sk-secret-key")
    served = Served(server.url, api_key="sk-secret-key")
    with pytest.raises(SettingError, match=rf"refuses the key \({status}\): give Served\(api_key=…\)") as caught:
        asks(served)
    assert "sk-secret" not in f"{caught.value!r} {served!r}"


def test_a_server_that_repeats_the_key_in_an_error_does_not_get_it_shown(server: Fake) -> None:
    server.chat = lambda _: refused(400, "bad header: Bearer sk-secret-key")
    with pytest.raises(SettingError, match=r"Bearer \[hidden\]"):
        asks(Served(server.url, api_key="sk-secret-key"))


def test_the_key_travels_and_those_of_the_environment_do_not(server: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "of-another-service")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    asks(Served(server.url))
    asks(Served(server.url, api_key="mine"))
    sent = {asked.headers["authorization"] for asked in server.asked}
    assert sent == {"Bearer none", "Bearer mine"}
    assert "of-another-service" not in str([asked.headers for asked in server.asked])


def test_the_servers_own_words_are_passed_on(server: Fake) -> None:
    def unknown(body: dict[str, Any]) -> Answer:
        tried = (body.get("vllm_xargs") or {}) == {KEY: "?"}
        return echo(body) if tried else refused(400, "no vector 'cheerful'; the folder has sad")

    server.chat = unknown
    with pytest.raises(SettingError, match="refuses: no vector 'cheerful'; the folder has sad"):
        asks(Served(server.url))


def test_an_unknown_model_is_told_in_the_servers_words(server: Fake) -> None:
    server.chat = lambda _: refused(404, "The model `large` does not exist.")
    with pytest.raises(SettingError, match="The model `large` does not exist"):
        asks(Served(server.url, model="large"))


PAGE = Answer(200, "<html>Welcome to nginx!</html>", "text/html")


@pytest.mark.parametrize(
    "answer",
    [
        PAGE,
        replace(PAGE, status=404),
        Answer(404, {"detail": "Not Found"}),
        Answer(405, {"detail": "Method Not Allowed"}),
        Answer(200, {}),
        Answer(200, []),
        Answer(200, "not JSON at all"),
    ],
)
def test_something_else_that_answers_is_told(server: Fake, answer: Answer) -> None:
    server.models, server.chat = answer, lambda _: answer
    for served in (Served(server.url), Served(server.url, model="m")):
        with pytest.raises(ModelError, match=r"has not OpenAI's interface|fails"):
            asks(served)


def test_a_server_that_takes_too_long_is_told(server: Fake) -> None:
    server.chat = lambda _: replace(said("late"), wait_seconds=0.4)
    with pytest.raises(ModelError, match=r"has not answered within 0\.05 s; give Served a longer timeout_seconds"):
        asks(Served(server.url, model="m", timeout_seconds=0.05))


def test_a_server_that_fails_once_is_asked_again(server: Fake) -> None:
    failures = iter([refused(503, "starting")])
    server.chat = lambda body: next(failures, None) or echo(body)
    assert Served(server.url).generate(["a"]) == ["a plain"]


def test_a_server_that_goes_on_failing_is_told(server: Fake) -> None:
    server.chat = lambda _: refused(500, "EngineCore encountered an issue")
    with pytest.raises(ModelError, match=r"fails \(500\): EngineCore encountered an issue"):
        asks(Served(server.url))


def test_a_stream_that_is_refused_fails_or_breaks_off_is_told(server: Fake) -> None:
    failing = 'data: {"error": {"message": "EngineCore died", "code": 500}}\n\n'
    for answer, message in (
        (refused(400, "no vector 'cheerful'"), "refuses: no vector 'cheerful'"),
        (streamed(["Hap"], end=failing), "fails: EngineCore died"),
        (streamed(["Hap", "py"], cut=True), "the connection to .* fails"),
    ):
        server.chat = lambda body, answer=answer: answer  # type: ignore[misc]
        with pytest.raises((ModelError, SettingError), match=message):
            list(Served(server.url).stream("a"))


def test_the_first_failure_ends_the_rest(server: Fake) -> None:
    lock, count = threading.Lock(), 0

    def second_fails(body: dict[str, Any]) -> Answer:
        nonlocal count
        with lock:
            count += 1
            return refused(400, "too long") if count == 2 else replace(echo(body), wait_seconds=0.02)

    server.chat = second_fails
    with pytest.raises(SettingError, match="too long"):
        Served(server.url, parallel=2).generate([f"p{i}" for i in range(50)])
    assert len(server.chats) < 10


@pytest.mark.parametrize(
    ("wrong", "said_of_it"),
    [
        ({"url": "localhost:8000"}, "is no address"),
        ({"timeout_seconds": 0}, "timeout_seconds is 0"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds is nan"),
        ({"parallel": 0}, "parallel is 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any], said_of_it: str) -> None:
    with pytest.raises(SettingError, match=said_of_it):
        Served(**{"url": "http://localhost", **wrong})


def test_without_the_openai_client_the_install_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(SettingError, match=r"pip install 'trimtab\[judge\]'"):
        asks(Served("http://localhost"))
