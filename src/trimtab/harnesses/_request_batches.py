"""Requests from many callers, written side by side: those that arrive within a moment are one batch.

`trimtab.serve.Scheduler` writes the same texts in about the same time: on the bundled model, 24 requests, with prompts
of their own or behind examples that all share, within a tenth of the processor time in float32 and bfloat16. This one
stays because an evaluation has to hear what `Model.replies` says at the end of a batch, and the scheduler's lasting
writer has no end: positions at which no text had a token, gates on the prompt that opened for none, bounds that nothing
reached. Without it a benchmark could run unsteered in silence. Limits of a queue and turns between clients, which the
scheduler has, are of no use to it.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from trimtab.engines import Model, Reply, Request, TokenScores, score_tokens
from trimtab.models import Text

MOMENT_SECONDS = 0.05
"""How long a batch waits for one more request."""
MAX_BATCH = 64


@dataclass(frozen=True, eq=False)
class Written:
    """A reply, with the log-probabilities of its tokens where they were wanted."""

    reply: Reply
    scores: TokenScores | None = None


@dataclass(frozen=True, eq=False)
class _Job:
    request: Request
    scored: bool
    future: Future[Written] = field(default_factory=Future)


class RequestBatches:
    """Writes requests in a thread of its own; any number of callers may wait."""

    def __init__(self, model: Model):
        self._model = model
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="trimtab-batches", daemon=True)
        self._thread.start()

    def submit(self, request: Request, *, scored: bool = False) -> Future[Written]:
        """Put a request in line. A caller that gives up cancels the future.

        Args:
            request: What to continue.
            scored: Whether the log-probability of each token is wanted.
        """
        job = _Job(request, scored)
        if self._closed:
            job.future.set_exception(RuntimeError("the model has been closed"))
        else:
            self._waiting.put(job)
        return job.future

    def close(self) -> None:
        """End the thread behind the batch that it is at."""
        self._closed = True
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch, ended = self._collected(first)
            self._run([job for job in batch if job.future.set_running_or_notify_cancel()])
            if ended:
                return

    def _collected(self, first: _Job) -> tuple[list[_Job], bool]:
        """A batch, and whether nothing comes behind it."""
        batch = [first]
        until = time.monotonic() + MOMENT_SECONDS
        while len(batch) < MAX_BATCH:
            try:
                job = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if job is None:
                return batch, True
            batch.append(job)
            until = time.monotonic() + MOMENT_SECONDS
        return batch, False

    def _run(self, jobs: Sequence[_Job]) -> None:
        """Write jobs side by side; where that fails, each by itself, so that one does not take others with it."""
        if not jobs:
            return
        try:
            self._write(jobs)
        except BaseException as error:
            rest = [job for job in jobs if not job.future.done()]
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in rest:
                self._run([job])

    def _write(self, jobs: Sequence[_Job]) -> None:
        replies: dict[int, Reply] = {}
        for index, reply in self._model.replies([job.request for job in jobs]):
            replies[index] = reply
            if not (jobs[index].scored and reply.tokens):
                jobs[index].future.set_result(Written(reply))
        for index, scores in self._scores(jobs, replies):
            jobs[index].future.set_result(Written(replies[index], scores))

    def _scores(self, jobs: Sequence[_Job], replies: dict[int, Reply]) -> list[tuple[int, TokenScores]]:
        """Scores of the replies that are to have them, each under its own push."""
        groups: dict[int, list[int]] = {}
        for index, reply in replies.items():
            if jobs[index].scored and reply.tokens:
                groups.setdefault(id(jobs[index].request.intervention), []).append(index)
        found: list[tuple[int, TokenScores]] = []
        for members in groups.values():
            requests = [jobs[index].request for index in members]
            texts = [Text((*one.prompt, *replies[index].tokens), len(one.prompt))
                     for one, index in zip(requests, members, strict=True)]  # fmt: skip
            scores = score_tokens(self._model, texts, requests[0].intervention)
            found += [(members[place], one) for place, one in scores]
        return found
