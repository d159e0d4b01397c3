"""What servers, harnesses, chats and vLLM's requests are sent: valid seeds, damaged, and who reads them."""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from mutations import HOSTILE, mutated_bytes, mutated_tree
from starlette.types import ASGIApp

from harnesses.saved_models import Saved, recommending, saved
from served import chat_model, library_for, monitor_for, service_for
from trimtab.engines.vllm.wire.spec import parse_spec
from trimtab.errors import TrimtabError
from trimtab.harnesses import SteeredModel
from trimtab.serve.chat._commands import run_command
from trimtab.serve.chat._state import ChatState
from trimtab.serve.chat._transcript import Turn
from trimtab.serve.http._application import application
from trimtab.serve.steering.vector_library import VectorLibrary
from trimtab.serve.steering.weights_text import parse_weights

MESSAGES = [{"role": "system", "content": "Be short."}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
STEERING: dict[str, Any] = {
    "pushes": [{"vector": "cheerful", "layers": [1, 2], "strength": 0.3, "scale": "relative", "vector_layer": 1},
               {"name": "formal", "strength": -0.2}],
    "positions": "all", "first_token": False, "when": {"monitor": "kind", "above": 0.5, "reads": "mean"},
}  # fmt: skip
DRAWN: dict[str, Any] = {"max_tokens": 3, "temperature": 0.5, "top_p": 0.9, "seed": 3, "stop": ["x"]}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "model": "tiny-llama", "messages": MESSAGES, "steering": STEERING, "n": 2, "logprobs": True, "top_logprobs": 2,
        "monitors": ["kind"], "stream": True, "stream_options": {"include_usage": True}, "user": "me", **DRAWN,
        "metadata": {"a": "b"}, "response_format": {"type": "text"}, "frequency_penalty": 0,
    },
    "/v1/completions": {
        "model": "tiny-llama:cheerful@0.3", "prompt": ["a b", [3, 4]], "logprobs": 2, "echo": False, **DRAWN,
    },
    "/v1/steering/validate": {"steering": STEERING},
    "/v1/steering/compare": {"messages": MESSAGES, "reply": "a b c", "steering": "0.3 cheerful", "top_logprobs": 2},
    "/v1/steering/replies": {
        "columns": [{"messages": MESSAGES, "steering": STEERING}, {"messages": MESSAGES}], **DRAWN,
    },
    "/v1/steering/gguf": {"steering": {"vector": "cheerful", "layers": [1], "strength": 0.3}},
    "/v1/steering/export": {"steering": {"vector": "cheerful", "layers": [1], "strength": 0.3}, "as": "folder"},
    "/v1/steering/vectors": {
        "name": "mine", "pairs": [{"prompt": f"a {n}", "positive": "b c", "negative": "d e"} for n in range(3)],
    },
    "/api/chat": {
        "model": "tiny-llama", "messages": [*MESSAGES[:1], {"role": "user", "content": "Hi"}], "stream": False,
        "options": {"num_predict": 3, "temperature": 0.5, "seed": 3, "stop": ["x"], "top_p": 0.9},
        "steering": "0.3 cheerful - 0.1 formal", "keep_alive": "5m",
    },
    "/api/generate": {"model": "tiny-llama", "prompt": "Hi", "system": "Be short.", "stream": True, "raw": False,
                      "options": {"num_predict": 3}},
    "/api/show": {"model": "tiny-llama"},
}  # fmt: skip
SPEC: dict[str, Any] = {
    "pushes": [{"vector": "cheerful", "layers": [1, 14], "strength": 0.1, "scale": "relative"}], "positions": "after:3",
    "first_token": False, "prompt_length": 7, "read": {"start": 1, "stop": 4, "layers": [2]},
}  # fmt: skip
ARGUMENTS: tuple[dict[str, Any], ...] = (
    {"vector": "VECTOR", "layer": [1, 2], "strength": 0.6, "scale": "relative", "positions": "all", "dtype": "float32",
     "first_token": False, "share_strength": True, "vector_layer": 1},
    {"run": "RUN", "behavior": "kind", "strength": -0.2},
    {"vectors": "RUN", "layer": "1+2", "device": "cpu", "thinking": "auto", "template": "chat", "system_role": "auto"},
)  # fmt: skip
COMMANDS = (
    "/layer 1,2", "/strength 0.4", "/from 1", "/scale relative", "/positions after:3", "/system Be short.",
    "/tokens 20", "/temperature 0.7", "/save chat.md", "/vector v.safetensors", "/run runs/x kind", "/show",
    "/share", "/help", "/when m.safetensors 0.8 last",
)  # fmt: skip


class _Server(NamedTuple):
    """One application for all inputs, so that what a bad request leaves behind meets the next ones."""

    app: ASGIApp


@cache
def _server() -> _Server:
    model = chat_model()
    monitors = {"kind": monitor_for(model)}
    library = VectorLibrary(list(library_for(model)), monitors)
    service = service_for(model, monitors=monitors, library=library, make_vectors=True)
    return _Server(application(service, host="127.0.0.1"))


def _asked(path: str, content: bytes) -> httpx.Response:
    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(app=_server().app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:1") as client:
            return await client.post(path, content=content, headers={"content-type": "application/json"})

    return asyncio.run(post())


def _request_body(folder: Path, source: random.Random) -> None:
    """A body is answered, or refused in the shape of its API: never with a status of 500 and more, nor in a stream."""
    path = source.choice(list(BODIES))
    tree = mutated_tree(BODIES[path], source) if source.random() < 0.85 else BODIES[path]
    content = json.dumps(tree).encode("utf-8", "surrogatepass")
    answer = _asked(path, mutated_bytes(content, source) if source.random() < 0.15 else content)
    assert answer.status_code < 500, f"{path}: {answer.status_code} {answer.text[:300]}"
    for line in answer.text.splitlines():
        event = json.loads(line.removeprefix("data: ")) if line.startswith(("data: {", "{")) else {}
        kind = (event.get("error") or {}) if isinstance(event.get("error"), dict) else {}
        assert kind.get("type") != "server_error", f"{path}: {line[:300]}"
    if answer.status_code >= 400:
        error = answer.json()["error"]
        raise TrimtabError(error if isinstance(error, str) else error["message"])


@cache
def _harness_files() -> tuple[Saved, Path]:
    folder = Path(tempfile.mkdtemp())
    files = saved(folder)
    return files, recommending(folder / "run", files)


def _harness_arguments(folder: Path, source: random.Random) -> None:
    files, run = _harness_files()
    given = mutated_tree(source.choice(ARGUMENTS), source)
    if isinstance(given, dict):
        places = {"VECTOR": files.vector, "RUN": str(run)}
        given = {
            str(key): places.get(value, value) if isinstance(value, str) else value for key, value in given.items()
        }
        name = source.choice((files.model, f"{files.model}:kind@0.3", f"{files.model}:kind@{source.choice(HOSTILE)}"))
        given.pop("trust_remote_code", None)
        SteeredModel.open(name[:3000], given).model.close()


@cache
def _chat() -> ChatState:
    model = chat_model()
    return ChatState(model, library_for(model).get("raw").vector, [1], 0.3)


def _chat_command(folder: Path, source: random.Random) -> None:
    chat = _chat()
    chat.turns = [Turn("Hi", "Hello")]
    name, _, rest = source.choice(COMMANDS).partition(" ")
    given = str(source.choice(HOSTILE))[:3000] if source.random() < 0.7 else rest
    line = f"{name} {folder / given.lstrip('/~') if name == '/save' else given}"
    run_command(chat, line)


def _spec(folder: Path, source: random.Random) -> None:
    tree = mutated_tree(SPEC, source) if source.random() < 0.9 else SPEC
    parse_spec(json.dumps(tree) if source.random() < 0.5 else tree)


def _weights(folder: Path, source: random.Random) -> None:
    text = b"0.3 cheerful - 0.1 formal + a@recommended - b@.5"
    parse_weights(mutated_bytes(text, source).decode("utf-8", "replace"))


SERVED_TARGETS: dict[str, Callable[[Path, random.Random], Any]] = {
    "request": _request_body,
    "harness arguments": _harness_arguments,
    "chat command": _chat_command,
    "vllm request": _spec,
    "weights": _weights,
}
