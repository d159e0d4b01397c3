"""`trimtab serve` as it is typed: what it says, what it refuses before it loads anything, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer, vector_for
from trimtab.cli.main import main
from trimtab.engines import Model
from trimtab.models import load_backbone
from trimtab.serve.scheduler import Scheduler

KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that can write long replies, and a vector of it."""
    path = tmp_path_factory.mktemp("files") / "tiny-long"
    tiny_model("llama", max_position_embeddings=8192).save_pretrained(path)
    tiny_tokenizer(CHAT_TEMPLATE).save_pretrained(path)
    vector_for(load_backbone(str(path), dtype="float32")).save(path.parent / "cheerful.safetensors")
    return path


def typed(*words: object, key: str | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    environment |= {} if key is None else {"TRIMTAB_SERVE_KEY": key}
    return subprocess.Popen(
        [sys.executable, "-m", "trimtab", "serve", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip


@pytest.fixture
def process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    vector = folder.parent / "cheerful.safetensors"
    found = typed("--model", folder, "--vectors", vector, "--port", 0, "--dtype", "float32", "--max-tokens", 4000)
    try:
        yield found
    finally:
        found.kill()
        found.communicate()


def test_sigterm_under_load_finishes_running_replies_refuses_new_ones_and_ends_well(
    process: subprocess.Popen[str], folder: Path
) -> None:
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(3)]
    assert str(folder.parent) not in "".join(lines)
    address = re.search(r"http://127\.0\.0\.1:\d+", lines[0])
    assert address is not None
    assert lines[1].startswith("vector cheerful: no recommended setting; directions at layers 0 to 3")
    assert lines[2].startswith(f"next: curl {address[0]}/v1/chat/completions")

    body: dict[str, Any] = {
        "messages": [{"role": "user", "content": "Hello"}], "temperature": 1, "seed": 3, "max_tokens": 300, "n": 4,
        "steering": {"vector": "cheerful", "layers": [1], "strength": 0.1}, "stream": True,
    }  # fmt: skip
    events: list[str] = []

    def ask() -> None:
        with httpx.stream("POST", f"{address[0]}/v1/chat/completions", json=body, timeout=120) as response:
            events.extend(line for line in response.iter_lines() if line)

    thread = threading.Thread(target=ask)
    thread.start()
    begun = time.monotonic()
    while len(events) < 10 and time.monotonic() < begun + 60:
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    statuses = []
    while thread.is_alive():
        try:
            reply = httpx.post(f"{address[0]}/v1/chat/completions", json={**body, "stream": False}, timeout=10)
            statuses.append(reply.status_code)
        except httpx.TransportError:
            break
    thread.join(60)
    assert events[-1] == "data: [DONE]"
    ends = [json.loads(line[6:])["choices"][0]["finish_reason"] for line in events[:-1]]
    assert len([end for end in ends if end]) == 4, "each of the choices has its end"
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, (out, err)
    assert set(statuses[1:]) <= {503}, "the first may have come before the signal"
    assert "Traceback" not in err


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["serve", *map(str, words)]) == 2
    return capsys.readouterr().err


def test_what_cannot_be_served_is_refused_before_a_model_is_loaded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_model(*_: object, **__: object) -> None:
        raise AssertionError("a model was loaded")

    monkeypatch.setattr("trimtab.cli.verbs.serve.serve_command.load", no_model)
    assert "TRIMTAB_SERVE_KEY" in refused(capsys, "--host", "0.0.0.0")
    assert "16 characters" in refused(capsys, "--host", "0.0.0.0", "--key", "short")
    assert "origin" in refused(capsys, "--cors", "*")
    assert "cannot listen" in refused(capsys, "--host", "192.0.2.1", "--key", KEY)
    (tmp_path / "empty").write_text("\n")
    assert "is empty" in refused(capsys, "--key-file", tmp_path / "empty")
    assert "no such key file" in refused(capsys, "--key-file", tmp_path / "nothing")
    monkeypatch.setenv("TRIMTAB_SERVE_KEY", KEY)
    assert "both give a key" in refused(capsys, "--key", KEY)


def test_a_port_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port}" in refused(capsys, "--port", port)


def test_describing_loads_everything_and_ends(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int] = []

    class Noted(Scheduler):
        def __init__(self, model: Model, **options: Any):
            super().__init__(model, **options)
            limits.append(self.most_tokens)

    monkeypatch.setattr("trimtab.serve.scheduler.Scheduler", Noted)
    (tmp_path / "key").write_text(f"{KEY}\n")
    words = ["--model", folder, "--dtype", "float32", "--key-file", tmp_path / "key", "--port", 0, "--describe"]
    assert main(["serve", *map(str, words), "--max-context", "300"]) == 0
    assert limits == [300]
    out = capsys.readouterr().out
    assert out.startswith("would serve tiny-long at http://127.0.0.1:")
    assert 'Authorization: Bearer $TRIMTAB_SERVE_KEY"' in out
    assert KEY not in out


def test_another_models_vector_is_refused_at_start(
    capsys: pytest.CaptureFixture[str], folder: Path, tmp_path: Path
) -> None:
    from tiny import tiny

    other = vector_for(tiny("mistral")).save(tmp_path / "other.safetensors")
    words = ["--model", folder, "--dtype", "float32", "--vectors", other, "--port", 0]
    assert "serve the model it is of" in refused(capsys, *words)


def test_the_package_that_serving_needs_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trimtab.cli.verbs.serve.serve_command.find_spec", lambda name: None)
    assert "pip install 'trimtab[serve]'" in refused(capsys)


def test_importing_serve_needs_no_server() -> None:
    code = "import sys, trimtab.serve, trimtab.cli.verbs.serve; assert not {'starlette', 'uvicorn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
