"""Requests on their way: as many as allowed, each caller its own, nothing left behind by those that leave."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from trimtab.engines.vllm.guard.request_pool import Ask, RequestPool
from trimtab.engines.vllm.wire.spec import Read, Spec
from trimtab.errors import ModelError, SettingError


class EngineDeadError(Exception):
    """Stands for vLLM's."""


class VLLMClientError(Exception):
    """Stands for vLLM's."""


@pytest.fixture(autouse=True)
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the errors are that vLLM raises."""
    for name in ("vllm", "vllm.v1", "vllm.v1.engine"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name, error in (("vllm.exceptions", VLLMClientError), ("vllm.v1.engine.exceptions", EngineDeadError)):
        module = ModuleType(name)
        setattr(module, error.__name__, error)
        monkeypatch.setitem(sys.modules, name, module)


class Engine:
    """Answers the oldest request in each step."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.most = 0
        self.aborted: list[str] = []
        self.dead = False

    def add_request(self, name: str, prompt: dict[str, Any], params: Any) -> str:
        if prompt["prompt_token_ids"] == [0]:
            raise VLLMClientError("too long")
        self.waiting.append(name)
        self.most = max(self.most, len(self.waiting))
        return f"{name}-inside"

    def step(self) -> list[Any]:
        if self.dead:
            raise EngineDeadError
        return [SimpleNamespace(request_id=self.waiting.pop(0), finished=True)]

    def abort_request(self, names: list[str]) -> None:
        self.aborted += names
        self.waiting = [name for name in self.waiting if name not in names]


def asks(count: int, weight: int = 1, read: bool = False) -> Iterator[Ask]:
    spec = Spec(read=Read(0, 1)) if read else Spec()
    return (Ask((i,), (5, i + 1), SimpleNamespace(extra_args=None), spec, weight) for i in range(count))


def test_every_request_comes_back_to_its_caller() -> None:
    pool = RequestPool(Engine())
    one, other = pool.run(asks(5), 3), pool.run(asks(4), 3)
    keys: dict[str, list[int]] = {"one": [], "other": []}
    for _ in range(4):
        keys["one"].append(next(one).ask.key[0])
        keys["other"].append(next(other).ask.key[0])
    keys["one"] += [news.ask.key[0] for news in one]
    assert keys == {"one": [0, 1, 2, 3, 4], "other": [0, 1, 2, 3]}
    assert list(other) == []
    assert not pool.busy


@pytest.mark.parametrize(("weight", "limit", "most"), [(1, 4, 4), (3, 10, 3), (20, 10, 1)])
def test_no_more_are_on_their_way_than_allowed_but_always_one(weight: int, limit: int, most: int) -> None:
    engine = Engine()
    assert len(list(RequestPool(engine).run(asks(12, weight), limit))) == 12
    assert engine.most == most


def test_a_caller_that_leaves_gives_up_what_is_under_way_and_what_was_read() -> None:
    engine, dropped = Engine(), list[str]()
    pool = RequestPool(engine, dropped.extend)
    going = pool.run(asks(6, read=True), 4)
    next(going)
    going.close()  # type: ignore[attr-defined]  # a generator
    assert len(engine.aborted) == 3
    assert len(dropped) == 4
    assert not pool.busy


def test_nothing_is_asked_of_a_closed_engine() -> None:
    """A generator may be closed after its engine: where Ctrl-C came between two of its values."""
    engine, dropped = Engine(), list[str]()
    pool = RequestPool(engine, dropped.extend)
    going = pool.run(asks(6, read=True), 4)
    next(going)
    pool.close()
    going.close()  # type: ignore[attr-defined]  # a generator
    assert (engine.aborted, dropped) == ([], [])
    with pytest.raises(ModelError, match="was closed"):
        next(pool.run(asks(1), 1))


def test_a_request_during_which_ctrl_c_was_pressed_is_given_up_too() -> None:
    class Interrupted(Engine):
        def add_request(self, name: str, prompt: dict[str, Any], params: Any) -> str:
            os.kill(os.getpid(), signal.SIGINT)
            return super().add_request(name, prompt, params)

    engine, dropped = Interrupted(), list[str]()
    pool = RequestPool(engine, dropped.extend)
    with pytest.raises(KeyboardInterrupt):
        list(pool.run(asks(3, read=True), 3))
    assert len(engine.aborted) == len(dropped) == 1
    assert not engine.waiting
    assert not pool.busy


def test_a_dead_engine_is_told_to_every_caller() -> None:
    engine = Engine()
    pool = RequestPool(engine)
    going = pool.run(asks(3), 2)
    next(going)
    engine.dead = True
    with pytest.raises(ModelError, match="the vLLM engine has died"):
        list(going)
    assert not pool.busy


def test_a_refused_request_says_why_and_takes_the_callers_others_along() -> None:
    engine = Engine()
    wrong = Ask((9,), (0,), SimpleNamespace(extra_args=None), Spec())
    with pytest.raises(SettingError, match="vLLM refuses a request: too long"):
        list(RequestPool(engine).run(iter([*asks(2), wrong]), 5))
    assert len(engine.aborted) == 2
