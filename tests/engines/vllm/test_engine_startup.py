"""A real vLLM engine whose passes would not be steered does not start: no server, and none in this process."""

from __future__ import annotations

import inspect
import os
import shutil
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

import trimtab
from trimtab.engines.vllm.plugin._push_table import Armed
from trimtab.engines.vllm.plugin._steering import Steering
from trimtab.engines.vllm.plugin.register import register
from trimtab.engines.vllm.wire.spec import KEY

pytestmark = pytest.mark.vllm

START_SECONDS = 400
PUSH = "amount = strength[:, 0] + strength[:, 1] * norm"


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


def deaf_trimtab(folder: Path) -> None:
    """A copy of this package whose hooks push by nothing: a server's processes import everything anew."""
    package = Path(trimtab.__file__).parent
    shutil.copytree(package, folder / "trimtab", ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "trimtab" / Path(inspect.getfile(Armed)).relative_to(package)
    code = file.read_text()
    assert code.count(PUSH) == 1
    file.write_text(code.replace(PUSH, f"{PUSH} * 0.0 - strength[:, 0]"))


def test_a_server_whose_hooks_push_nothing_ends_with_the_reason_in_its_log(model: Path, tmp_path: Path) -> None:
    deaf_trimtab(tmp_path / "deaf")
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", f"--model={model}", "--dtype=float32"]
    command += ["--max-model-len=128", "--max-num-seqs=4", "--enforce-eager", "--port=0"]
    command += [f'--additional-config={{"{KEY}": {{}}}}']
    path = os.pathsep.join([str(tmp_path / "deaf"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | RUNNERS["V1"] | {"VLLM_CPU_KVCACHE_SPACE": "1", "PYTHONPATH": path}
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
