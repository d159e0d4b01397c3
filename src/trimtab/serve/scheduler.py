"""The scheduler: one thread writes the replies of many callers side by side, and lets others use the model between."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, replace

from trimtab.engines import Model, Request
from trimtab.engines.requests import Writing
from trimtab.errors import EngineLost, QueueFull, ServerStopping, SettingError, TrimtabError
from trimtab.serve._engine_failures import dead_engine, engine_failure, lost_engine, translated
from trimtab.serve._waiting_jobs import WaitingJobs
from trimtab.serve.jobs import Job, JobUpdate, wake

_LOG = logging.getLogger("trimtab.serve")
_RATE_OF = 64
"""Finished replies from which the time to the next free place is estimated."""
_RETRY_SECONDS = (1.0, 60.0)
"""Shortest and longest time after which a refused caller is asked to come again."""
_GATHER_SECONDS = 0.01
"""The longest that an idle scheduler waits for more jobs when one comes, while more come."""
_LAST_PASS_SECONDS = 10.0
"""What the pass under way is given to end, once everything has been cancelled."""


@dataclass(frozen=True)
class SchedulerCounts:
    """What a scheduler does and has done."""

    waiting: int
    """Jobs that wait for a row."""
    running: int
    """Jobs that are written."""
    rows: int
    """Texts that the engine holds: `running`, and cancelled ones until the next token."""
    tokens: int
    """Tokens written since the beginning."""
    finished: int
    cancelled: int
    """By their callers or at the end of their time."""
    failed: int
    refused: int
    """Submitted while the queue was full or the scheduler was stopping."""


class Scheduler:
    """Writes replies of many callers with one model, each under its own intervention.

    Rows join and leave at any token. Between two tokens other threads that use the model get their turns. The `steer`
    contexts of those who submit do not count: requests carry their own interventions.

    Args:
        model: what writes. It stays the caller's: `close` does not close it.
        most_waiting: jobs that may wait for a row; one named client may have half of these places.
        most_tokens: of a prompt and its reply together; longer replies are cut there, longer prompts refused. By
            default, the model's context.
    """

    def __init__(self, model: Model, *, most_waiting: int = 256, most_tokens: int | None = None):
        if most_waiting < 1:
            raise SettingError(f"most_waiting is {most_waiting}; it takes at least one")
        if most_tokens is not None and most_tokens < 2:
            raise SettingError(f"most_tokens is {most_tokens}; a prompt and a reply have at least two")
        self.model, self.most_waiting = model, most_waiting
        self.most_tokens = min(limit for limit in (most_tokens, model.backbone.context.tokens, sys.maxsize) if limit)
        self._writer = model.writer()
        self._changed = threading.Condition()
        """Guards everything below."""
        self._waiting = WaitingJobs()
        self._running: dict[int, Job] = {}
        """By the writer's key."""
        self._taken: list[Job] = []
        """The job that was given a row last: it waits no more, and may not run yet."""
        self._given_up: list[Job] = []
        """Running jobs whose rows will be freed."""
        self._stopping = self._abandoned = False
        self._lost: EngineLost | None = None
        """Why nothing can be written any more."""
        self._tokens = self._finished = self._cancelled = self._failed = self._refused = 0
        self._finish_times: deque[float] = deque(maxlen=_RATE_OF)
        self._thread = threading.Thread(target=self._work, name="trimtab-scheduler", daemon=True)
        self._thread.start()

    def submit(self, request: Request, *, seconds: float | None = None, client: str = "") -> Job:
        """Take a request, from any thread or event loop; it is written as soon as a row is free.

        Args:
            request: what to write.
            seconds: time limit, waiting included.
            client: whose request it is. Clients take turns; "" is one of them.

        Raises:
            QueueFull: when too many wait.
            ServerStopping: after `close` or `abandon`.
            EngineLost: where the engine cannot be started again.
            SettingError: for settings that the model cannot follow, or a prompt that leaves no room for a reply.
        """
        if seconds is not None and not seconds > 0:
            raise SettingError(f"seconds is {seconds:g}; a reply takes more than none")
        job = Job(self._writer.checked(self._within_limit(request)), client, seconds, self._give_up)
        with self._changed:
            if self._stopping:
                self._refused += 1
                raise ServerStopping("the server is stopping and takes no more requests")
            if (lost := self._lost or dead_engine(self.model)) is not None:
                self._refused += 1
                raise EngineLost(str(lost))
            full = len(self._waiting) >= self.most_waiting
            if full or self._waiting.of(client) >= self.places(client):
                self._refused += 1
                whose = "" if full else " of this client"
                raise QueueFull(f"{len(self._waiting)} requests{whose} wait already; try again", self._retry_after())
            self._waiting.add(job)
            self._changed.notify()
        return job

    def places(self, client: str) -> int:
        """How many jobs of a client may wait at once: half of all where it has a name."""
        return max(1, self.most_waiting // 2) if client else self.most_waiting

    @property
    def lost(self) -> EngineLost | None:
        """Why nothing can be written any more, until it is made again; None as long as it works."""
        with self._changed:
            return self._lost or dead_engine(self.model)

    def counts(self) -> SchedulerCounts:
        """What it does now, and has done since the beginning."""
        with self._changed:
            return SchedulerCounts(
                waiting=len(self._waiting),
                running=max(0, len(self._running) - len(self._given_up)),
                rows=self._writer.rows,
                tokens=self._tokens,
                finished=self._finished,
                cancelled=self._cancelled,
                failed=self._failed,
                refused=self._refused,
            )

    def close(self, *, seconds: float = 30) -> None:
        """Refuse new jobs, finish those that run or wait within this time, and end the rest with `ServerStopping`."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self.abandon()
            self._thread.join(_LAST_PASS_SECONDS)

    def abandon(self) -> None:
        """Refuse new jobs, and end those that run or wait with `ServerStopping`; waits for nothing."""
        with self._changed:
            self._stopping = self._abandoned = True
            rest = self._unfinished()
            self._changed.notify()
        for job in rest:
            if job.fail(ServerStopping("the server stopped before this reply was finished")):
                self._give_up(job)

    def _within_limit(self, request: Request) -> Request:
        room = self.most_tokens - len(request.prompt)
        if room < 1:
            raise SettingError(
                f"the prompt has {len(request.prompt):,} tokens, which leaves no room for a reply in the "
                f"{self.most_tokens:,} that prompt and reply may have together; shorten it"
            )
        return replace(request, max_new_tokens=min(room, request.max_new_tokens))

    def _retry_after(self) -> float:
        """Seconds until about a quarter of the queue has been written."""
        least, most = _RETRY_SECONDS
        times = self._finish_times
        if len(times) < 2 or times[-1] == times[0]:
            return least
        each = (times[-1] - times[0]) / (len(times) - 1)
        return min(most, max(least, each * len(self._waiting) / 4))

    def _give_up(self, job: Job) -> None:
        """A job's caller has cancelled it, or its time is over."""
        with self._changed:
            self._cancelled += 1
            if not self._waiting.remove(job):
                self._given_up.append(job)
            self._changed.notify()

    def _work(self) -> None:
        """The life of the thread: nobody waits for a reply behind its end."""
        try:
            while self._awaits_work():
                try:
                    self._admit()
                    self._free()
                    self._publish(self._writer.step())
                except (
                    Exception
                ) as error:  # whatever an engine raises: the jobs of this pass end, the next ones are written
                    self._replace_writer(error)
                    if (lost := dead_engine(self.model)) is not None:
                        raise lost from error
            self._renew_writer()  # what a cancelled row holds is freed
        except BaseException as error:
            _LOG.exception("the engine cannot be started again, and nothing is written any more; restart the server")
            self._end(error)

    def _awaits_work(self) -> bool:
        """Wait for jobs; False at the end."""
        with self._changed:
            while True:
                idle = not self._running
                self._changed.wait_for(lambda: self._waiting or self._running or self._stopping)
                if idle and self._waiting:
                    self._gather()
                # Whoever came may have left again in the meantime.
                if self._waiting or self._running or self._stopping:
                    return bool(self._waiting or self._running) and not self._abandoned

    def _gather(self) -> None:
        """Let those who come at the same time begin together: a pass for the first alone would hold up the rest."""
        end, waiting = time.monotonic() + _GATHER_SECONDS, 0
        while len(self._waiting) > waiting and time.monotonic() < end:
            waiting = len(self._waiting)
            self._changed.wait(_GATHER_SECONDS / 5)

    def _admit(self) -> None:
        """Give rows to jobs that wait, in their order, as long as there is room."""
        for late in [*self._waiting_jobs(), *self._running.values()]:
            late.time_out()
        while (job := self._next_with_room()) is not None:
            try:
                job.request = self._writer.decided(job.request)
                (key,) = self._writer.add([job.request])
            except TrimtabError as error:
                lost = dead_engine(self.model)
                self._count_failed(job.fail(lost or error))
                if lost is not None:
                    raise
                continue
            except BaseException as error:
                self._count_failed(job.fail(engine_failure(error)))
                raise
            with self._changed:
                self._running[key] = job

    def _unfinished(self) -> list[Job]:
        """Every job that may still have a reader, under the lock; some may have ended."""
        return [*self._waiting.all(), *self._taken, *self._running.values()]

    def _waiting_jobs(self) -> list[Job]:
        with self._changed:
            return self._waiting.all()

    def _next_with_room(self) -> Job | None:
        with self._changed:
            job = self._waiting.first()
            if job is None or not self._writer.has_room(job.request):
                return None
            self._taken = [self._waiting.take()]
            return job

    def _free(self) -> None:
        """Free the rows of jobs that were given up."""
        with self._changed:
            given_up, self._given_up = {id(job) for job in self._given_up}, []
            for key in [key for key, job in self._running.items() if id(job) in given_up]:
                self._writer.cancel(key)
                del self._running[key]

    def _publish(self, moved: list[tuple[int, Writing]]) -> None:
        waiters = []
        for key, writing in moved:
            job = self._running[key]
            given_up = job.ended
            if writing.error is not None:
                self._count_failed(job.fail(translated(writing.error)))
            else:
                waiters += job.publish(JobUpdate.of(writing))
            with self._changed:
                self._tokens += writing.finish != "end" and writing.error is None
                if writing.ended:
                    del self._running[key]
                if writing.finish is not None and not given_up:
                    self._finished += 1
                    self._finish_times.append(time.monotonic())
        wake(waiters)

    def _count_failed(self, failed: bool) -> None:
        with self._changed:
            self._failed += failed

    def _replace_writer(self, error: Exception) -> None:
        """End the running jobs, and write the next ones with a new writer: the old one may be in any state."""
        failure = dead_engine(self.model) or engine_failure(error)
        with self._changed:
            jobs, self._running = list(self._running.values()), {}
        for job in jobs:
            self._count_failed(job.fail(failure))
        self._renew_writer()

    def _renew_writer(self) -> None:
        """A new writer; the texts of the old one are given up, or an engine like vLLM would write them to their end."""
        try:
            self._writer.close()
        except Exception as error:  # of an engine that has failed: it holds nothing that could still be freed
            _LOG.warning("the texts of an engine that failed could not be given up: %s", error)
        self._writer = self.model.writer()

    def _end(self, error: BaseException) -> None:
        """End every job, and refuse those that come: there is nothing to write them with."""
        lost = lost_engine(self.model, error)
        with self._changed:
            self._lost = lost
            jobs, self._running, self._waiting = self._unfinished(), {}, WaitingJobs()
        for job in jobs:
            self._count_failed(job.fail(lost))
