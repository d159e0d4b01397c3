"""Scores of given texts under many interventions, each a request of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from trimtab.engines.base import TextScores
from trimtab.engines.queries import Scoring
from trimtab.engines.vllm._vector_registry import VectorRegistry
from trimtab.engines.vllm.guard.request_pool import Ask, News, RequestPool, one_token
from trimtab.engines.vllm.wire.spec import Read
from trimtab.models import EncodedPair, Text
from trimtab.steering import Intervention

_UNREAD_TOKENS = 1 << 13
"""Whose states may wait in the workers before their scores are worked out."""


@dataclass(frozen=True, eq=False)
class Job:
    """One pair in one cell."""

    pair: EncodedPair
    cell: Intervention | None


@dataclass(frozen=True)
class Scorer:
    """Sends what must be scored, and makes scores of what comes back."""

    pool: RequestPool
    registry: VectorRegistry
    ask_workers: Callable[..., list[Any]]
    most_requests: int
    """On their way at once."""

    def run(self, batches: Sequence[Sequence[Job]], scoring: Scoring) -> Iterator[tuple[int, list[float]]]:
        """Yield (batch, its scores in order) as batches are finished; `Scoring` is explained at `read_scores`."""
        make = self._choice if scoring == "choice" else self._text
        sides = 1 if scoring == "choice" else 2

        def asks() -> Iterator[Ask]:
            for number, jobs in enumerate(batches):
                for index, job in enumerate(jobs):
                    yield from make((number, index), job)

        scored: dict[int, dict[tuple[int, ...], float]] = {}
        unread: list[News] = []
        for news in self._finished(asks(), self.most_requests if scoring == "choice" else 2 * _UNREAD_TOKENS):
            number = news.ask.key[0]
            done = scored.setdefault(number, {})
            if scoring == "choice":
                done[news.ask.key] = _logit_difference(news, batches[number][news.ask.key[1]].pair)
            else:
                unread.append(news)
            complete = len(done) + sum(one.ask.key[0] == number for one in unread) == sides * len(batches[number])
            # States wait in the workers, outside of what vLLM has counted as its memory: they must not become many.
            if unread and (complete or sum(one.ask.weight for one in unread) > _UNREAD_TOKENS):
                for one, total in self._totals(unread, batches, scoring):
                    scored[one.ask.key[0]][one.ask.key] = total
                unread.clear()
            if complete:
                values = [value for _, value in sorted(scored.pop(number).items())]
                yield number, values if sides == 1 else [a - b for a, b in zip(values[::2], values[1::2], strict=True)]

    def score_texts(self, texts: Sequence[Text], cells: Sequence[Intervention]) -> Iterator[TextScores]:
        """Yield texts as they are finished, each alone."""
        asks = (
            _reading((index, c), text.tokens, text.prompt_length, self.registry, cell)
            for index, text in enumerate(texts)
            for c, cell in enumerate((None, *cells))
        )
        came: dict[int, dict[int, str]] = {}
        for news in self._finished(asks, 2 * _UNREAD_TOKENS):
            index, place = news.ask.key
            names = came.setdefault(index, {})
            names[place] = news.inside
            if len(names) == 1 + len(cells):
                del came[index]
                tail = list(texts[index].tokens[texts[index].prompt_length :])
                steered = [names[1 + c] for c in range(len(cells))]
                likely, apart = self._from_workers("trimtab_followed", names[0], steered, tail)
                yield TextScores([index], torch.tensor(likely)[:, None], torch.tensor(apart).view(len(cells), 1))

    def _finished(self, asks: Iterator[Ask], limit: int) -> Iterator[News]:
        return (news for news in self.pool.run(asks, limit) if news.output.finished)

    def _from_workers(self, method: str, *args: Any) -> Any:
        """The answer of the one worker that gives one."""
        return next(answer for answer in self.ask_workers(method, *args) if answer is not None)

    def _choice(self, key: tuple[int, ...], job: Job) -> Iterator[Ask]:
        """The distribution at the last token that both texts share."""
        from vllm import SamplingParams

        pair = job.pair
        ends = [pair.positive[pair.shared], pair.negative[pair.shared]]
        params = SamplingParams(
            max_tokens=1, temperature=0.0, logprob_token_ids=ends, detokenize=False, ignore_eos=True
        )
        yield Ask(key, pair.positive[: pair.shared], params, self.registry.spec(job.cell, pair.prompt_length))

    def _text(self, key: tuple[int, ...], job: Job) -> Iterator[Ask]:
        """Both texts, read wherever one of their own tokens comes next."""
        for side, text in enumerate((job.pair.positive, job.pair.negative)):
            yield _reading((*key, side), text, job.pair.prompt_length, self.registry, job.cell)

    def _totals(
        self, ready: Sequence[News], batches: Sequence[Sequence[Job]], scoring: Scoring
    ) -> Iterator[tuple[News, float]]:
        """Log-probability of each text behind its prompt, its mean a token for `text`."""
        tails = []
        for news in ready:
            number, index, side = news.ask.key
            pair = batches[number][index].pair
            tails.append(list((pair.positive, pair.negative)[side][pair.prompt_length :]))
        answers = self._from_workers("trimtab_log_probs", [news.inside for news in ready], tails)
        for news, values in zip(ready, answers, strict=True):
            yield news, sum(values) / (len(values) if scoring == "text" else 1)


def _reading(
    key: tuple[int, ...],
    tokens: tuple[int, ...],
    prompt_length: int,
    registry: VectorRegistry,
    cell: Intervention | None,
) -> Ask:
    """A given text, read wherever one of the tokens behind its prompt comes next."""
    read = Read(prompt_length - 1, len(tokens) - 1)
    return Ask(key, tokens[:-1], one_token(), registry.spec(cell, prompt_length, read), read.stop - read.start)


def _logit_difference(news: News, pair: EncodedPair) -> float:
    """Differences of log-probabilities are differences of logits."""
    log_probs = news.output.outputs[0].logprobs[0]
    positive, negative = (log_probs[text[pair.shared]].logprob for text in (pair.positive, pair.negative))
    return float(positive - negative)
