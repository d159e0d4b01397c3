"""A server that speaks OpenAI's interface as far as tests say, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from trimtab.engines.vllm.wire.spec import KEY, parse_spec
from trimtab.errors import SettingError


@dataclass
class Answer:
    """One response."""

    status: int
    body: Any
    kind: str = "application/json"
    wait_seconds: float = 0.0
    cut: bool = False
    """Whether the connection breaks off behind half of the body."""

    def content(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Fake:
    """Answers with what `chat` makes of a request's body."""

    url: str
    chat: Callable[[dict[str, Any]], Answer]
    models: Answer = field(default_factory=lambda: Answer(200, {"object": "list", "data": [{"id": "small"}]}))
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0

    @property
    def chats(self) -> list[dict[str, Any]]:
        """Bodies of the requests for answers, without those that only find out whether the server steers."""
        bodies = [asked.body for asked in self.asked if asked.path == "/v1/chat/completions"]
        return [body for body in bodies if body.get("vllm_xargs") != {KEY: "?"}]


def said(text: str | None) -> Answer:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return Answer(200, {"id": "1", "object": "chat.completion", "created": 0, "model": "small", "choices": [choice]})


def refused(status: int, message: str) -> Answer:
    """As vLLM refuses."""
    return Answer(status, {"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}})


def streamed(pieces: list[str | None], *, end: str = "data: [DONE]\n\n", cut: bool = False) -> Answer:
    chunks: list[dict[str, Any]] = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    events = [f"data: {json.dumps({'id': '1', 'object': 'chat.completion.chunk', **chunk})}\n\n" for chunk in chunks]
    return Answer(200, "".join(events) + end, "text/event-stream", cut=cut)


def echo(body: dict[str, Any]) -> Answer:
    """A server with the plugin: refuses what is no spec, and says what it was asked."""
    given = (body.get("vllm_xargs") or {}).get(KEY)
    try:
        spec = None if given is None else parse_spec(given)
    except SettingError as error:
        return refused(400, str(error))
    return said(f" {body['messages'][-1]['content']} {spec.pushes[0].strength if spec else 'plain'}\n")


@contextmanager
def fake_server(chat: Callable[[dict[str, Any]], Answer] = echo) -> Iterator[Fake]:
    """Serve on a free port while the context lasts."""
    lock, running = threading.Lock(), 0

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self.answer({}, lambda _: fake.models if self.path == "/v1/models" else refused(404, "Not Found"))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(body, lambda given: fake.chat(given))

        def answer(self, body: dict[str, Any], make: Callable[[dict[str, Any]], Answer]) -> None:
            nonlocal running
            with lock:
                running += 1
                fake.most_at_once = max(fake.most_at_once, running)
                fake.asked.append(Asked(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            answer = make(body)
            time.sleep(answer.wait_seconds)
            with lock:
                running -= 1
            content = answer.content()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if answer.cut else content)
            if answer.cut:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake = Fake(f"http://127.0.0.1:{server.server_port}", chat)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
