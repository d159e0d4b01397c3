"""A real vLLM engine whose passes would not be steered does not start: no server, and none in this process."""

from __future__ import annotations

import inspect
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("vllm", reason="vLLM has an environment of its own: make test-vllm")

from running import RUNNERS, SMALL, model_runner, saved

import trimtab
from trimtab.engines import load
from trimtab.engines.vllm.plugin._push_table import Armed
from trimtab.engines.vllm.plugin.register import register
from trimtab.engines.vllm.wire.spec import KEY

pytestmark = pytest.mark.vllm

START_SECONDS = 400
PUSH = "amount = strength[:, 0] + strength[:, 1] * norm"


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


def test_an_engine_whose_graph_was_compiled_without_the_hooks_does_not_start(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hooks are there, and uncompiled passes are steered; it is vLLM's own engine, as a server has it."""
    from vllm import EngineArgs
    from vllm.v1.engine.llm_engine import LLMEngine

    real = Armed._hook

    def uncompiled_only(self: Armed, index: int) -> Any:
        push = real(self, index)

        def hook(module: Any, args: Any, output: Any) -> Any:
            return output if torch.compiler.is_compiling() else push(module, args, output)

        return hook

    register()
    own = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_DISABLE_COMPILE_CACHE": "1"}
    for name, value in (RUNNERS["V1"] | own).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Armed, "_hook", uncompiled_only)
    arguments = EngineArgs(
        str(model), dtype="float32", max_model_len=128, max_num_seqs=4, block_size=32, additional_config={KEY: {}}
    )
    with pytest.raises(Exception, match=r"a push behind layer 0 changes nothing .* without trimtab's hooks"):
        LLMEngine.from_engine_args(arguments)


@pytest.mark.parametrize("runner", RUNNERS)
def test_each_stage_of_a_pipeline_is_checked_by_what_it_hands_on(runner: str, model: Path) -> None:
    """The later stage gets states of zeros there, which are pushed all the same."""
    options = SMALL | {"enforce_eager": True, "pipeline_parallel_size": 2}
    with model_runner(runner) as patch:
        patch.setenv("VLLM_CPU_OMP_THREADS_BIND", "0|1")
        engine: Any = load(str(model), dtype="float32", engine="vllm", engine_options=options)
        try:
            assert [worker["layers"] for worker in engine.engine.status()] == [[0, 1], [2, 3]]
        finally:
            engine.close()
