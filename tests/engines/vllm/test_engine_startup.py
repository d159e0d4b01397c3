"""A real vLLM engine whose passes would not be steered does not start: no server, and none in this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import RUNNERS, saved

from trimtab.engines.vllm.plugin._push_table import Armed
from trimtab.engines.vllm.plugin._steering import Steering
from trimtab.engines.vllm.plugin.register import register
from trimtab.engines.vllm.wire.spec import KEY

pytestmark = pytest.mark.vllm

START_SECONDS = 400
DEAF_SERVER = """
import runpy, sys
from test_engine_startup import deaf
from trimtab.engines.vllm.plugin._push_table import Armed
Armed._hook = deaf
sys.argv[0] = "api_server"
runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__", alter_sys=True)
"""


def deaf(self: Armed, index: int) -> Any:
    """A layer's hook that is tried as any, and then pushes nothing."""

    def hook(module: Any, args: Any, output: Any) -> Any:
        if not torch.compiler.is_compiling() and self.trial is not None:
            return self.trial(index, output)
        return output

    return hook


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved("llama", tmp_path_factory.mktemp("llama"))


def test_a_server_whose_hooks_push_nothing_ends_with_the_reason_in_its_log(model: Path, tmp_path: Path) -> None:
    options = ["--dtype=float32", "--max-model-len=128", "--max-num-seqs=4", "--enforce-eager", "--port=0"]
    command = [
        sys.executable,
        "-c",
        DEAF_SERVER,
        f"--model={model}",
        *options,
        f'--additional-config={{"{KEY}": {{}}}}',
    ]
    environment = (
        os.environ
        | RUNNERS["V1"]
        | {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_WORKER_MULTIPROC_METHOD": "fork",  # so that its processes have these hooks, too
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2]), *sys.path]),
        }
    )
    log = tmp_path / "log"
    with log.open("wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
    try:
        assert server.wait(START_SECONDS) != 0
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
    assert "a push behind layer 0 changes nothing in a pass that writes one token" in log.read_text()


@contextmanager
def started(model: Path) -> Iterator[Any]:
    """A compiled engine as a server has it, in this process: nothing but its workers' own check looks at it."""
    from vllm import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    arguments = EngineArgs(
        str(model), dtype="float32", max_model_len=128, max_num_seqs=4, block_size=32, additional_config={KEY: {}}
    )
    engine = LLMEngine.from_engine_args(arguments)
    try:
        yield engine
    finally:
        engine.engine_core.shutdown()


def test_an_engine_that_finds_a_graph_compiled_without_the_hooks_does_not_start(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph of another program lies in vLLM's cache, under the name that this one would give it."""
    register()
    own = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CACHE_ROOT": str(tmp_path)}
    for name, value in (RUNNERS["V1"] | own).items():
        monkeypatch.setenv(name, value)
    with monkeypatch.context() as patch:
        patch.setattr(Armed, "_hook", deaf)
        patch.setattr(Steering, "verify", lambda self: None)
        with started(model):
            pass
    with pytest.raises(Exception, match="recorded without trimtab's hooks"), started(model):
        pytest.fail("it started")
