"""Ctrl-C with a vLLM engine at work: it stops what was asked for, not the engine; and nothing outlives the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

import psutil
from running import saved

from workers import is_gone

pytestmark = pytest.mark.vllm

OPTIONS = ["--engine", "vllm", "--dtype", "float32"]
for option in ("enforce_eager=true", "max_model_len=2048", "max_num_seqs=16"):
    OPTIONS += ["--engine-option", option]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved("llama", tmp_path_factory.mktemp("llama"), endless=True, max_position_embeddings=2048)


@pytest.fixture
def command(model: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Commands that a test has started; they do not outlive it."""
    started = list[subprocess.Popen[str]]()
    yield started
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def start(arguments: list[str]) -> subprocess.Popen[str]:
    """A command in a process group of its own, as a terminal has it."""
    return subprocess.Popen(
        [sys.executable, "-m", "trimtab", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def until(stream: Any, words: str) -> None:
    """Read until something is said."""
    said = ""
    while words not in said:
        line = stream.readline()
        assert line, said
        said += line


def test_ctrl_c_stops_an_answer_and_the_conversation_goes_on(model: Path, command: list[subprocess.Popen[str]]) -> None:
    chat = start(["chat", "--model", str(model), *OPTIONS])
    command.append(chat)
    assert chat.stdin is not None
    assert chat.stdout is not None
    until(chat.stderr, "/help lists the commands")
    engine = psutil.Process(chat.pid).children(recursive=True)
    chat.stdin.write("/tokens 1800\nTell me a very long story\n")
    chat.stdin.flush()
    until(chat.stdout, "replies end after 1800 tokens")
    chat.stdout.read(1)
    os.killpg(chat.pid, signal.SIGINT)  # as a terminal does: every process of the group gets it
    until(chat.stderr, "(stopped)")
    rest, errors = chat.communicate("/tokens 20\nAnd now?\n/quit\n", timeout=60)
    assert chat.returncode == 0
    assert "Traceback" not in errors
    assert rest.strip()
    assert "WARNING" not in rest, "stdout is for what the model says"
    assert engine
    assert all(is_gone(process.pid) for process in engine)


def test_ctrl_c_while_states_are_read_ends_in_words(
    model: Path, command: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    vectors = tmp_path / "vectors.safetensors"
    extract = start(["extract", "--model", str(model), "--behavior", "corrigible", "-o", str(vectors), *OPTIONS])
    command.append(extract)
    until(extract.stderr, "load ")
    engine = psutil.Process(extract.pid).children(recursive=True)
    os.killpg(extract.pid, signal.SIGINT)
    _, errors = extract.communicate(timeout=60)
    assert extract.returncode == 130
    assert "Traceback" not in errors
    assert not vectors.exists()
    assert engine
    assert all(is_gone(process.pid) for process in engine)
