"""Requests on their way through a vLLM engine: each caller gets its own answers, and may leave before all are there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, NamedTuple

from trimtab.engines.vllm.guard.process_guard import uninterrupted
from trimtab.engines.vllm.guard.start_errors import engine_errors
from trimtab.engines.vllm.wire.spec import KEY, Spec
from trimtab.errors import ModelError, SettingError


@dataclass(frozen=True, eq=False)
class Ask:
    """One request: what it is to its caller, its tokens, and how vLLM is to answer it."""

    key: tuple[int, ...]
    prompt: tuple[int, ...]
    params: Any
    """vLLM's `SamplingParams`; the spec is put into them when the request is sent."""
    spec: Spec
    weight: int = 1
    """How much of the caller's limit it takes while it runs."""


class News(NamedTuple):
    """What came back of a request."""

    ask: Ask
    inside: str
    """The request's name inside the engine."""
    output: Any
    """vLLM's `RequestOutput`."""


@dataclass
class Lane:
    """One caller's requests: those on their way by name, and what has come back."""

    under_way: dict[str, tuple[Ask, str]] = field(default_factory=dict)
    news: deque[News] = field(default_factory=deque)
    read: list[str] = field(default_factory=list)
    """Names, inside the engine, of requests that have states read."""
    weight: int = 0
    """Of all that are on their way."""


class RequestPool:
    """Sends requests to a vLLM engine, and steps it while anybody waits for an answer."""

    def __init__(self, engine: Any, drop: Callable[[list[str]], None] = lambda names: None):
        """`drop` is called with the names, inside the engine, of requests whose states nobody will fetch."""
        self.engine, self._drop = engine, drop
        self._lanes: dict[str, Lane] = {}
        self._numbers = count()
        self._closed = False
        self.died = False
        """Whether the engine was found dead."""

    def close(self) -> None:
        """Nothing is asked of the engine any more; callers that leave from now on have nothing to give up."""
        self._closed = True

    def run(self, asks: Iterable[Ask], limit: int) -> Iterator[News]:
        """Send requests, no more on their way than `limit` allows, and yield what comes back of them.

        A caller that leaves early, and one that is interrupted, gives up what is still on its way.

        Raises:
            SettingError: when vLLM refuses a request.
            ModelError: when the engine has died or was closed.
        """
        lane, source = Lane(), iter(asks)
        coming = next(source, None)
        left_early = True
        try:
            while coming is not None or lane.under_way or lane.news:
                while coming is not None and (not lane.under_way or lane.weight + coming.weight <= limit):
                    self.send(lane, coming)
                    coming = next(source, None)
                if not lane.news:
                    self.step()
                while lane.news:
                    yield lane.news.popleft()
            left_early = False
        finally:
            try:
                self.abandon(list(lane.under_way))
            finally:
                if left_early and lane.read and not self._closed:
                    self._drop(lane.read)

    @property
    def busy(self) -> bool:
        """Whether anybody's request is under way."""
        return bool(self._lanes)

    def give_up(self, news: News) -> None:
        """Stop a request whose reply is complete."""
        name = news.output.request_id
        if name in self._lanes:
            self.abandon([name])

    def send(self, lane: Lane, ask: Ask) -> str:
        """Send a request of a caller and return its name; what comes back of it will be in the lane's news.

        Raises:
            SettingError: when vLLM refuses it.
            ModelError: when the engine has died or was closed.
        """
        if self._closed:
            raise ModelError("this model was closed; load it again")
        prompt: dict[str, Any] = {"type": "token", "prompt_token_ids": list(ask.prompt)}
        if ask.spec.cache_salt is not None:
            prompt["cache_salt"] = ask.spec.cache_salt
        if ask.spec != Spec():
            ask.params.extra_args = {KEY: ask.spec.to_json()}
        name = f"{KEY}-{next(self._numbers)}"
        from vllm.exceptions import VLLMClientError

        try:
            with self._watched(), uninterrupted():  # an interrupted caller must know what is under way
                inside: str = self.engine.add_request(name, prompt, ask.params)
                lane.under_way[name] = (ask, inside)
                lane.weight += ask.weight
                self._lanes[name] = lane
                if ask.spec.read is not None:
                    lane.read.append(inside)
        except (VLLMClientError, ValueError) as error:
            raise SettingError(f"vLLM refuses a request: {error}") from None
        return name

    def step(self) -> None:
        """Let the engine work until something has come back, for whichever caller.

        Raises:
            ModelError: when the engine has died.
        """
        # Whole, or its news would be lost to all callers; and vLLM's queues cannot be left at any moment.
        with self._watched(), uninterrupted():
            for output in self.engine.step():
                lane = self._lanes.get(output.request_id)
                if lane is not None:
                    lane.news.append(News(*lane.under_way[output.request_id], output))
                    if output.finished:
                        self._forget(output.request_id)

    def abandon(self, names: list[str]) -> None:
        """Stop requests that are under way."""
        with uninterrupted():
            if names and not self._closed:
                self.engine.abort_request(names)
            for name in names:
                self._forget(name)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Errors of the engine as ours, its death noted."""
        try:
            with engine_errors():
                yield
        except ModelError:  # raised for nothing else
            self.died = True
            raise

    def _forget(self, name: str) -> None:
        lane = self._lanes.pop(name)
        ask, _ = lane.under_way.pop(name)
        lane.weight -= ask.weight


def one_token() -> Any:
    """For requests that are only read: vLLM has to write one token."""
    from vllm import SamplingParams

    return SamplingParams(max_tokens=1, temperature=0.0, detokenize=False, ignore_eos=True)
