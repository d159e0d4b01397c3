"""The writer of a vLLM engine: vLLM batches continuously, so texts join and leave as requests do."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

from trimtab.engines.requests import Request, TokenLogprob, Writing
from trimtab.engines.vllm.guard.request_pool import Ask, Lane, News
from trimtab.errors import SettingError
from trimtab.steering import check_layers

if TYPE_CHECKING:
    from trimtab.engines.vllm.engine import VLLMEngine


class VLLMWriter:
    """Continues texts of any number of callers in a vLLM engine; see `trimtab.engines.base.Writer`.

    Tokens are drawn by vLLM: the same seed draws other ones than the default engine does.
    """

    def __init__(self, engine: VLLMEngine):
        self.engine = engine
        self._lane = Lane()
        self._texts: dict[int, Writing] = {}
        self._names: dict[int, str] = {}
        """Of the requests, by key."""
        self._keys = count()

    @property
    def rows(self) -> int:
        """Texts that are written."""
        return len(self._texts)

    def has_room(self, request: Request) -> bool:
        """Whether vLLM will take another request without a long queue of its own."""
        return not self._texts or len(self._texts) < self.engine.most_requests

    def add(self, request: Request) -> int:
        """Send a text to vLLM and return its key: 0 for the first, then one more each time.

        Raises:
            SettingError: for a layer the model does not have, steering that vLLM does not do, a watch, or where vLLM
                refuses the request.
            ModelError: when the engine has died.
        """
        check_layers([request.intervention], self.engine.identity.facts.layers)
        if request.watch is not None:
            raise SettingError("states of new tokens are read by the engine transformers, not by vLLM")
        key = next(self._keys)
        spec = self.engine.registry.spec(request.intervention)
        ask = Ask((key,), request.prompt, sampling_params(request, self.engine.identity.ends), spec)
        self._names[key] = self.engine.pool.send(self._lane, ask)
        self._texts[key] = self.engine.writing(request)
        return key

    def cancel(self, key: int) -> None:
        """Give up a text; nothing happens where it has ended."""
        if key in self._texts:
            self._texts[key].cancelled = True
            self._end(key)

    def step(self) -> list[tuple[int, Writing]]:
        """Let vLLM work until something has come back; returns (key, what is written) of every text that moved."""
        if self._texts and not self._lane.news:
            self.engine.pool.step()
        moved: dict[int, Writing] = {}
        while self._lane.news:
            news = self._lane.news.popleft()
            key = news.ask.key[0]
            if (text := self._texts.get(key)) is None:  # given up since
                continue
            _extend(text, news)
            moved[key] = text
            if text.ended:
                self._end(key)
        return list(moved.items())

    def close(self) -> None:
        """Give up all texts."""
        for key in list(self._texts):
            self.cancel(key)

    def _end(self, key: int) -> None:
        del self._texts[key]
        name = self._names.pop(key)
        if name in self._lane.under_way:
            self.engine.pool.abandon([name])


def sampling_params(request: Request, ends: frozenset[int]) -> Any:
    """How vLLM writes a text: its `SamplingParams`."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    drawn = request.sampling
    return SamplingParams(
        max_tokens=request.max_new_tokens,
        temperature=drawn.temperature if drawn else 0.0,
        top_p=drawn.top_p if drawn else 1.0,
        seed=drawn.seed if drawn else None,
        logprobs=request.logprobs,
        ignore_eos=True,
        stop_token_ids=sorted(ends),
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
    )


def _extend(text: Writing, news: News) -> None:
    """Add what came back to a text."""
    (output,) = news.output.outputs
    logprobs: Sequence[Any] = output.logprobs or [None] * len(output.token_ids)
    for token, scored in zip(output.token_ids, logprobs, strict=True):
        if not text.ended:
            text.add(token, None if scored is None else _logprob(token, scored, text.request.logprobs or 0))
    if not text.ended and news.output.finished:  # no place is left in the model's context
        text.finish = "length"


def _logprob(token: int, scored: Any, most: int) -> TokenLogprob:
    """A token's log-probability and the likeliest ones, from vLLM's {token: Logprob}, which holds both."""
    likeliest = sorted(scored.items(), key=lambda item: item[1].rank)[:most]
    return TokenLogprob(token, scored[token].logprob, tuple((one, found.logprob) for one, found in likeliest))
