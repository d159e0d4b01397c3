"""A local server that speaks the OpenAI chat protocol, for judges to ask."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

KEY = "sk-very-secret-0123456789abcdef"


@dataclass
class Reaction:
    """What the server does with a request."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: str | None = None
    """The whole body of the answer, instead of a completion that says `text`."""
    hang: bool = False
    drop: bool = False


class Server:
    """Answers every prompt with what `react` makes of it, and remembers the prompts."""

    def __init__(self) -> None:
        self.react: Callable[[str], Reaction] = lambda prompt: Reaction(verdict())
        self.requests: list[dict[str, Any]] = []
        self.let_go = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.requests.append(request)
                self.answer(server.react(request["messages"][-1]["content"]))

            def answer(self, reaction: Reaction) -> None:
                if reaction.hang:
                    server.let_go.wait(30)
                if reaction.hang or reaction.drop:
                    self.close_connection = True
                    return
                body = (reaction.raw if reaction.raw is not None else completion(reaction)).encode()
                self.send_response(reaction.status)
                for name, value in {"Content-Type": "application/json", **reaction.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None: ...

        self._http = _Http(("127.0.0.1", 0), Handler)
        self._http.handle_error = lambda request, address: None  # a judge that hangs up is no error
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def prompts(self) -> list[str]:
        return [request["messages"][-1]["content"] for request in self.requests]

    def close(self) -> None:
        self.let_go.set()
        self._http.shutdown()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    request_queue_size = 64  # with the usual 5, connections that come together wait a second
    daemon_threads = True


def completion(reaction: Reaction) -> str:
    if reaction.status != 200:
        return json.dumps({"error": {"message": reaction.text, "type": "error", "code": None}})
    message = {"role": "assistant", "content": reaction.text}
    return json.dumps(
        {
            "id": "1",
            "object": "chat.completion",
            "created": 0,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
    )


def verdict(first: float = 5, second: float = 5, *, coherence: tuple[float, float] = (9, 9)) -> str:
    """What a judge that does as it is told says."""
    scores = zip((first, second), coherence, strict=True)
    return json.dumps({f"reply_{i}": {"behavior": b, "coherence": c} for i, (b, c) in enumerate(scores, 1)})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("LOCAL_API_KEY", KEY)
    monkeypatch.setenv("TRIMTAB_CACHE", str(tmp_path / "cache"))
    running = Server()
    yield running
    running.close()
