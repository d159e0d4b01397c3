"""Whom the server answers, and what it does with requests that are too large, too slow, or no requests."""

from __future__ import annotations

import asyncio
import json
import socket
import string
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from served import NAME, Served, chat_model, running, service_for
from trimtab.errors import SettingError
from trimtab.serve.http import bodies, server
from trimtab.serve.server_settings import ServerSettings, is_loopback

KEY = "0123456789abcdef-key"
CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
PAGE = "https://chat.example"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with running(service_for(chat_model())) as found:
        yield found


@pytest.fixture(scope="module")
def locked() -> Iterator[Served]:
    """A server with a key, for one page."""
    with running(service_for(chat_model()), key=KEY, origins=(PAGE,)) as found:
        yield found


def status(served: Served, method: str = "POST", path: str = CHAT, **options: Any) -> int:
    if method == "POST":
        options.setdefault("json", HELLO)
    with served.client() as http:
        return http.request(method, path, **options).status_code


def raw(served: Served, content: bytes, seconds: float = 10) -> bytes:
    """Send bytes and read until the server closes, or for some seconds."""
    host, port = served.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(content)
        found = b""
        try:
            while part := connection.recv(65536):
                found += part
        except TimeoutError:
            return found + b"(open)"
        except ConnectionError:
            return found
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_addresses_of_this_machine_need_no_key(host: str) -> None:
    assert is_loopback(host)
    ServerSettings(host=host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.2", "example.com", "", "127.0.0.1.example.com"])
def test_other_addresses_need_a_long_key(host: str) -> None:
    for key in ("", "0123456789abcde", "0123456789abcdé-key", "0123456789abcde\n"):
        with pytest.raises(SettingError, match="key"):
            ServerSettings(host=host, key=key)
    assert KEY not in repr(ServerSettings(host=host, key=KEY))


@pytest.mark.parametrize("origin", ["*", "chat.example", "https://chat.example/", "file://x", "https://", "null"])
def test_origins_are_pages_and_never_all_of_them(origin: str) -> None:
    with pytest.raises(SettingError, match="origin"):
        ServerSettings(origins=(origin,))


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer x", f"Bearer {KEY}x", f"Basic {KEY}", KEY, f"Bearer {KEY[:-1]}", "Bearer é"]
)
def test_without_the_key_nothing_is_answered(locked: Served, header: str | None) -> None:
    headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
    for path in ("/v1/models", "/metrics", "/v1/steering/vectors", "/api/tags", "/nothing"):
        with locked.client() as http:
            response = http.get(path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
    assert status(locked, headers=headers) == 401
    for path in ("/health", "/", "/playground/page.css"):  # the page tells nothing, and asks for the key
        assert status(locked, "GET", path, headers=headers) == 200
    assert status(locked, "GET", "/playground/../v1/models", headers=headers) == 401


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer  {KEY}"])
def test_with_the_key_everything_is(locked: Served, header: str) -> None:
    assert status(locked, headers={"authorization": header}) == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8017", "", "[", "10.0.0.1"])
def test_names_that_are_pointed_at_this_machine_are_refused(served: Served, host: str) -> None:
    assert status(served, headers={"host": host}) == 403
    assert status(served, "GET", "/health", headers={"host": host}) == 403


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8017", "LOCALHOST:80"])
def test_names_of_this_machine_are_served(served: Served, host: str) -> None:
    assert status(served, headers={"host": host}) == 200


def test_pages_of_other_origins_are_refused_and_named_ones_served(served: Served, locked: Served) -> None:
    for origin in (PAGE, "null", "http://localhost:1"):
        assert status(served, headers={"origin": origin}) == 403
    assert status(served, headers={"origin": served.address}) == 200, "its own pages"
    key = {"authorization": f"Bearer {KEY}"}
    with locked.client() as http:
        response = http.post(CHAT, json=HELLO, headers={"origin": PAGE, **key})
        asked = http.options(
            CHAT, headers={"origin": PAGE, "access-control-request-method": "POST",
                           "access-control-request-headers": "authorization,content-type"},
        )  # fmt: skip
    assert response.headers["access-control-allow-origin"] == asked.headers["access-control-allow-origin"] == PAGE
    assert status(locked, headers={"origin": "https://evil.example", **key}) == 403
    with served.client() as http:
        assert "access-control-allow-origin" not in http.post(CHAT, json=HELLO).headers


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "//]", "http://"])
def test_origins_that_cannot_be_read_are_refused_quietly(
    served: Served, caplog: pytest.LogCaptureFixture, origin: str
) -> None:
    assert status(served, headers={"origin": origin}) == 403
    assert not caplog.records
    with pytest.raises(SettingError, match="origin"):
        ServerSettings(origins=(origin,))


def test_a_named_page_may_send_what_its_library_sends_and_read_why_it_is_refused(locked: Served) -> None:
    sent = "authorization,content-type,x-stainless-lang,x-stainless-retry-count"
    with locked.client() as http:
        asked = http.options(
            CHAT, headers={"origin": PAGE, "access-control-request-method": "POST",
                           "access-control-request-headers": sent},
        )  # fmt: skip
        refused = http.post(CHAT, json=HELLO, headers={"origin": PAGE})
        other = http.post(CHAT, json=HELLO, headers={"origin": "https://evil.example"})
    assert asked.status_code == 200
    assert set(sent.split(",")) <= set(asked.headers["access-control-allow-headers"].replace(" ", "").split(","))
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, PAGE)
    assert (other.status_code, other.headers.get("access-control-allow-origin")) == (403, None)


def test_ten_megabytes_are_refused_whether_announced_or_not(served: Served) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "a" * 10_000_000}]}).encode()

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    assert status(served, json=None, content=body) == 413
    assert status(served, json=None, content=pieces()) == 413
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {1 << 40}\r\n\r\n"
    assert b"HTTP/1.1 413" in raw(served, head.encode()), "and a terabyte before it comes"
    assert status(served) == 200


NO_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "half an object": b'{"messages": [',
    "a list": b"[]",
    "a number": b"3",
    "no UTF-8": b'{"model": "\xff"}',
    "a key twice": b'{"n": 1, "n": 2}',
    "half a character": b'{"model": "\\ud800"}',
    "NaN": b'{"temperature": NaN}',
    "an endless number": b'{"temperature": ' + b"9" * 5000 + b"}",
    "too deep": b"[" * 100_000,
    "too deep in an object": b'{"messages": ' + b"[" * 500 + b"]" * 500 + b"}",
    "zeros": b"\0" * 100,
}


@pytest.mark.parametrize("name", NO_BODIES)
def test_bodies_that_are_no_object_are_bad_requests(served: Served, name: str) -> None:
    for path in (CHAT, "/v1/completions", "/api/chat", "/api/generate", "/api/show", "/v1/steering/validate"):
        assert status(served, path=path, json=None, content=NO_BODIES[name]) == 400


@pytest.mark.parametrize(
    "name",
    ["../cheerful", "..%2fcheerful", "/etc/passwd", "cheerful/../raw", "a\0b", "...", "", "~", "C:\\x", "x" * 3000],
)
def test_names_are_never_paths(served: Served, name: str) -> None:
    for steering in (name, {"vector": name}, [{"name": name, "layers": [1], "strength": 1}]):
        assert status(served, json={**HELLO, "steering": steering}) == 400
    assert status(served, json={**HELLO, "model": f"{NAME}:{name}"}) == 404
    if name.isprintable() and name:
        assert status(served, "GET", f"/v1/models/{name}") == 404


def test_places_and_methods_that_are_not_there(served: Served) -> None:
    assert status(served, "GET", "/v2/models") == 404
    assert status(served, "GET", CHAT) == 405
    assert status(served, "DELETE", "/v1/models") == 405
    assert status(served, "GET", "/v1/../v1/models") in (200, 404)


def test_a_slow_body_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies.read_object, "__kwdefaults__", {"seconds": 0.3})
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n".encode()
    begun = time.monotonic()
    assert b"HTTP/1.1 408" in raw(served, head + b'{"messages"')
    assert time.monotonic() - begun < 5
    assert status(served) == 200


def test_connections_that_say_nothing_are_closed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)
    for content in (b"", b"GET /health HTTP/1.1\r\nHost: loc", b"GET /health HTTP/1.1\r\nHost: localhost\r\n"):
        assert not raw(served, content).endswith(b"(open)")
    two = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert raw(served, two + b"GET /health HT").count(b"200 OK") == 1
    assert status(served) == 200


def test_a_connection_may_stay_open_between_requests(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)
    with served.client() as http:
        assert http.get("/health").status_code == 200
        time.sleep(0.6)
        assert http.get("/health").status_code == 200


def test_headers_have_their_time_from_their_first_byte(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 1.0)
    host, port = served.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        for _ in range(3):  # the second one begins before a second is over, and ends behind it
            connection.sendall(b"GET /health HTTP/1.1\r\n")
            time.sleep(0.6)
            connection.sendall(b"Host: localhost\r\n\r\n")
            assert b"200 OK" in answer_of(connection)
        time.sleep(1.3)  # idle, which is no slow header
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in answer_of(connection)


def answer_of(connection: socket.socket) -> bytes:
    """What answers a request for the health, which may come in pieces."""
    answer = b""
    while not answer.endswith(b"}"):
        answer += (piece := connection.recv(65536))
        assert piece, answer
    return answer


def test_what_is_no_http_is_refused(served: Served) -> None:
    assert b"400" in raw(served, b"\x16\x03\x01 nonsense\r\n\r\n")
    assert b"400" in raw(served, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n")
    assert status(served) == 200


texts = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | texts
    | st.sampled_from(["user", "assistant", "text", "cheerful", "function", NAME]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["role", "content", "type", "text", "vector", "strength", "layers", "steer"]) | texts,
        inner,
        max_size=3,
    ),
    max_leaves=10,
)  # fmt: skip
FIELDS = (
    "model", "messages", "prompt", "steering", "vllm_xargs", "temperature", "top_p", "n", "seed", "stop", "stream",
    "stream_options", "logprobs", "top_logprobs", "max_tokens", "max_completion_tokens", "tools", "tool_choice",
    "monitors", "options", "system", "raw", "format", "response_format", "logit_bias", "keep_alive", "name", "echo",
    "columns", "reply", "top", "unsteered_messages",
)  # fmt: skip
PATHS = (
    CHAT, "/v1/completions", "/v1/steering/validate", "/v1/steering/compare", "/v1/steering/replies", "/api/chat",
    "/api/generate", "/api/show",
)  # fmt: skip


@pytest.fixture(scope="module")
def http(served: Served) -> Iterator[httpx.Client]:
    with served.client() as found:
        yield found


@given(
    path=st.sampled_from(PATHS),
    body=st.dictionaries(st.sampled_from(FIELDS) | texts, values, max_size=5),
    valid=st.booleans(),
    damage=st.none() | st.tuples(st.integers(0, 200), st.sampled_from(string.printable)) | st.binary(max_size=40),
)
@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_five_hundred_malformed_bodies_get_the_right_status_in_words(
    http: httpx.Client, path: str, body: dict[str, Any], valid: bool, damage: tuple[int, str] | bytes | None
) -> None:
    whole = {**({"model": NAME, **HELLO} if valid and path != "/v1/completions" else {}), **body}
    content = json.dumps(whole).encode()
    if isinstance(damage, bytes):
        content = damage
    elif damage is not None:
        place = damage[0] % (len(content) + 1)
        content = content[:place] + damage[1].encode() + content[place:]
    response = http.post(path, content=content)
    assert response.status_code in ((200, 400, 404) if is_object(content) else (400,)), (content, response.text)
    if response.status_code != 200:
        error = response.json()["error"]
        words = error if path.startswith("/api/") else error["message"]
        assert len(words) < 2000, "a refusal quotes no more than it needs"
        assert words.strip()
    if response.status_code == 404:
        assert "model" in words, "nothing else here can be missing"
    assert http.get("/health").json()["status"] == "ok"


def is_object(content: bytes) -> bool:
    """Whether a body is a JSON object, so that more than its form can be right or wrong."""
    try:
        return isinstance(json.loads(content.decode()), dict)
    except ValueError:
        return False


def test_many_clients_at_once_all_get_their_reply(served: Served) -> None:
    async def every() -> list[int]:
        async with httpx.AsyncClient(base_url=served.address, timeout=60) as http:
            replies = await asyncio.gather(*(http.post(CHAT, json=HELLO) for _ in range(64)))
        return [reply.status_code for reply in replies]

    assert set(asyncio.run(every())) == {200}
