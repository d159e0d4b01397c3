"""Calls of `WorkerMethods` in every worker of an engine, which end when the engine does."""

from __future__ import annotations

import uuid
from concurrent.futures import Future, wait
from typing import Any

from trimtab.engines.vllm.guard.process_guard import uninterrupted
from trimtab.engines.vllm.guard.start_errors import dead_engine, engine_errors

_LOOK_SECONDS = 1.0


def call_workers(engine: Any, method: str, *args: Any) -> list[Any]:
    """Call a method in every worker.

    VLLM's own call would wait for ever for an engine that dies meanwhile.

    Args:
        engine: an `LLMEngine`.
        method: of `WorkerMethods`.
        args: its arguments, plain values and bytes.

    Raises:
        ModelError: when a worker fails, or the engine is dead or dies meanwhile.
    """
    core = engine.engine_core
    with engine_errors(method):
        if not hasattr(core, "utility_results"):  # the core is in this process
            answers: list[Any] = engine.collective_rpc(method, args=args)
            return answers
        call = _sent(core, method, args)
        while not call.done():
            with uninterrupted():  # left in the middle, its lock could stay shut, and with it vLLM's thread
                wait([call], timeout=_LOOK_SECONDS)
            if not call.done() and core.resources.engine_dead:
                raise dead_engine()
        return call.result()


def _sent(core: Any, method: str, args: tuple[Any, ...]) -> Future[list[Any]]:
    """As `SyncMPClient.call_utility` does it, without its waiting."""
    from vllm.v1.engine import EngineCoreRequestType

    number = uuid.uuid1().int >> 64
    call: Future[list[Any]] = Future()
    core.utility_results[number] = call
    with uninterrupted():
        core._send_input(EngineCoreRequestType.UTILITY, (0, number, "collective_rpc", (method, None, args, None)))
    return call
