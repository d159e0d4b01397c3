"""What vLLM raises is told to people: that the engine is gone, where more is said, and what to do."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from trimtab.engines.vllm.guard.start_errors import dead_engine, engine_errors, reason
from trimtab.errors import ModelError, SettingError


class EngineDeadError(Exception):
    """Stands for vLLM's."""


@pytest.fixture(autouse=True)
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("vllm.v1.engine.exceptions")
    module.EngineDeadError = EngineDeadError  # type: ignore[attr-defined]
    for name in ("vllm", "vllm.v1", "vllm.v1.engine"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_a_dead_engine_is_told_as_such() -> None:
    with pytest.raises(ModelError, match="the vLLM engine has died; its output is"), engine_errors():
        raise EngineDeadError


def test_errors_of_workers_say_what_they_were_at() -> None:
    with pytest.raises(ModelError, match="vLLM's workers fail at trimtab_states: out of memory"):  # noqa: SIM117
        with engine_errors("trimtab_states"):
            raise RuntimeError("out of memory")


def test_errors_of_ours_and_those_that_say_enough_stay_what_they_are() -> None:
    with pytest.raises(SettingError, match="layer 9"), engine_errors("trimtab_states"):
        raise SettingError("layer 9 is out of range")
    with pytest.raises(ValueError, match="too long"), engine_errors():
        raise ValueError("too long")


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes(interrupt: type[BaseException]) -> None:
    with pytest.raises(interrupt), engine_errors("trimtab_states"):
        raise interrupt


def test_the_reason_is_the_line_that_says_it() -> None:
    pydantic = "1 validation error\n  Value error, model 'x' has no layers\n    For further information visit https://errors.pydantic.dev/2"
    assert reason(ValueError(pydantic)) == "Value error, model 'x' has no layers"
    assert reason(ValueError()) == "ValueError"


def test_a_core_that_fails_is_told_with_what_to_change() -> None:
    told = reason(RuntimeError("Engine core initialization failed. See root cause above. Failed core proc(s): {}"))
    for hint in ("max_model_len", "gpu_memory_utilization", "tensor_parallel_size"):
        assert hint in told


def test_more_is_said_in_a_file_where_stderr_is_one(tmp_path: Path) -> None:
    """As on Ray, whose workers have files for it."""
    before = os.dup(2)
    try:
        with (tmp_path / "worker.err").open("w") as file:
            os.dup2(file.fileno(), 2)
            told = str(dead_engine())
    finally:
        os.dup2(before, 2)
        os.close(before)
    assert told == f"the vLLM engine has died; its output is in {tmp_path / 'worker.err'}"
