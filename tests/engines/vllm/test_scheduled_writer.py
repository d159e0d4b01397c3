"""The scheduler over vLLM's writer: what becomes of replies when the server is abandoned, or vLLM has died."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tiny import tiny_model, tiny_tokenizer
from trimtab.engines import Model, Request
from trimtab.engines.vllm._vllm_writer import VLLMWriter
from trimtab.engines.vllm.engine import VLLMEngine
from trimtab.engines.vllm.guard.request_pool import RequestPool
from trimtab.engines.vllm.wire.spec import Spec
from trimtab.errors import EngineFailed, EngineLost, ModelError, ServerStopping
from trimtab.models import wrap
from trimtab.serve.scheduler import Scheduler

PROMPT = (5, 6, 7)


class EngineDeadError(Exception):
    """Stands for vLLM's."""


class Engine:
    """Writes one token of each request, and then waits for ever; dies when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.written: list[str] = []
        self.aborted: list[str] = []
        self.dead = False
        self.stepped = threading.Event()
        self.engine_core = SimpleNamespace(resources=SimpleNamespace(engine_dead=False))

    def add_request(self, name: str, prompt: dict[str, Any], params: Any) -> str:
        if self.dead:
            raise EngineDeadError
        self.waiting.append(name)
        return f"{name}-inside"

    def step(self) -> list[Any]:
        if self.dead:
            raise EngineDeadError
        one = SimpleNamespace(token_ids=[9], logprobs=None)
        begun = [name for name in self.waiting if name not in self.written]
        self.written += begun
        self.stepped.set()
        if not begun:
            time.sleep(0.001)
        return [SimpleNamespace(request_id=name, finished=False, outputs=[one]) for name in begun]

    def abort_request(self, names: list[str]) -> None:
        self.aborted += names
        self.waiting = [name for name in self.waiting if name not in names]


@pytest.fixture(autouse=True)
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the names are that are imported from vLLM."""
    modules: dict[str, dict[str, Any]] = {
        "vllm": {"SamplingParams": SimpleNamespace},
        "vllm.v1": {}, "vllm.v1.engine": {},
        "vllm.sampling_params": {"RequestOutputKind": SimpleNamespace(DELTA="delta")},
        "vllm.exceptions": {"VLLMClientError": type("VLLMClientError", (Exception,), {})},
        "vllm.v1.engine.exceptions": {"EngineDeadError": EngineDeadError},
    }  # fmt: skip
    for name, content in modules.items():
        module = ModuleType(name)
        for attribute, value in content.items():
            setattr(module, attribute, value)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def model(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model whose texts vLLM would write."""
    made = Model(wrap(tiny_model("llama"), tiny_tokenizer(), name="tiny"))
    inside = SimpleNamespace(
        identity=made.backbone, engine=engine, pool=RequestPool(engine), most_requests=8, writing=made.engine.writing,  # type: ignore[attr-defined]
        registry=SimpleNamespace(spec=lambda intervention: Spec()),
    )  # fmt: skip
    monkeypatch.setattr(made.engine, "writer", lambda lasting=False: VLLMWriter(inside))  # type: ignore[arg-type]
    monkeypatch.setattr(made.engine, "fault", lambda: VLLMEngine.fault(inside))  # type: ignore[arg-type]
    return made


@pytest.fixture
def scheduled(model: Model) -> Iterator[Callable[[], Scheduler]]:
    made: list[Scheduler] = []

    def schedule() -> Scheduler:
        made.append(Scheduler(model))
        return made[-1]

    yield schedule
    for one in made:
        one.abandon()
        one.close(seconds=5)


def eventually(holds: Callable[[], bool]) -> None:
    done = threading.Event()
    for _ in range(500):
        if holds():
            return
        done.wait(0.01)
    pytest.fail("it never came to that")


def test_abandoned_replies_end_and_vllm_works_on_none_of_them(
    engine: Engine, scheduled: Callable[[], Scheduler]
) -> None:
    scheduler = scheduled()
    jobs = [scheduler.submit(Request(PROMPT, None, 200)) for _ in range(3)]
    eventually(lambda: len(engine.waiting) == 3 and engine.stepped.is_set())
    scheduler.abandon()
    for job in jobs:
        with pytest.raises(ServerStopping):
            job.wait()
    eventually(lambda: not engine.waiting)
    assert len(engine.aborted) == 3
    with pytest.raises(ServerStopping):
        scheduler.submit(Request(PROMPT, None, 2))


def test_replies_that_vllm_dies_at_fail_and_those_behind_them_too(
    engine: Engine, scheduled: Callable[[], Scheduler]
) -> None:
    scheduler = scheduled()
    job = scheduler.submit(Request(PROMPT, None, 200))
    assert engine.stepped.wait(5)
    waiting = [scheduler.submit(Request(PROMPT, None, 200)) for _ in range(9)]
    engine.dead = True
    for one in (job, *waiting):
        with pytest.raises(EngineLost, match=r"engine process has ended.*restart the server"):
            one.wait()
    with pytest.raises(EngineLost, match="restart the server"):
        scheduler.submit(Request(PROMPT, None, 2))


def test_a_vllm_that_dies_while_nobody_asks_is_lost_before_anybody_does(
    engine: Engine, model: Model, scheduled: Callable[[], Scheduler]
) -> None:
    scheduler = scheduled()
    assert scheduler.lost is None
    engine.engine_core.resources.engine_dead = True  # what vLLM's own watch of its process does
    assert "restart the server" in str(scheduler.lost)
    with pytest.raises(EngineLost):
        scheduler.submit(Request(PROMPT, None, 2))


def test_a_vllm_that_is_found_dead_by_a_request_is_lost_for_all(
    engine: Engine, scheduled: Callable[[], Scheduler]
) -> None:
    scheduler = scheduled()
    engine.dead = True
    with pytest.raises(EngineLost):
        scheduler.submit(Request(PROMPT, None, 2)).wait()
    assert scheduler.lost is not None


def test_a_vllm_that_cannot_be_started_again_is_lost_and_says_so_to_everybody(
    engine: Engine, model: Model, scheduled: Callable[[], Scheduler], monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = scheduled()
    job = scheduler.submit(Request(PROMPT, None, 200))
    assert engine.stepped.wait(5)

    def gone(lasting: bool = False) -> None:
        raise ModelError("this model was closed; load it again")

    monkeypatch.setattr(model.engine, "writer", gone)
    engine.dead = True
    with pytest.raises(EngineFailed):
        job.wait()
    eventually(lambda: scheduler.lost is not None)
    with pytest.raises(EngineLost, match="cannot be started again"):
        scheduler.submit(Request(PROMPT, None, 2))
