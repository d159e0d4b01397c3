"""Counting the streams over the weights of a model whose layers a run would read from its files.

Jobs that share streams are counted by letting them continue in the order of a run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from trimtab._util.wording import plural
from trimtab.engines.transformers.packing.batches import Query
from trimtab.engines.transformers.packing.budget import Budget
from trimtab.engines.transformers.packing.schedule import Schedule, most_columns
from trimtab.engines.transformers.probing.exactness import rounded_length
from trimtab.engines.transformers.streaming.stream_groups import fitting, share_streams, state_bytes
from trimtab.engines.transformers.streaming.together import NO_BYTES, PassBytes
from trimtab.engines.transformers.streaming.writing_cost import refusal
from trimtab.models import StreamPlan

WRITING_TRIALS = 3
"""Streams in which it is tried at most how texts are written side by side, at each new length."""


@dataclass(frozen=True)
class StreamedJob:
    """A piece of work as streams over the weights."""

    needs: tuple[PassBytes, ...] = ()
    """What the passes of each of its streams take; without those in which it is tried what may run together."""
    tokens: int = 0
    """Tokens of the longest text that is written; a stream each."""
    neutral_tokens: int = 0
    """The same of neutral texts, which are written when they are first read."""
    columns: int = 0
    """The widest row or longest text, for what is tried; 0 where nothing is."""
    cells: bool = False
    """Whether its passes are steered."""
    reason: str = ""
    """Why passes that could share a stream do not."""

    @property
    def streams(self) -> int:
        """How many it takes by itself, those of trials aside."""
        return len(self.needs)

    def __add__(self, other: StreamedJob) -> StreamedJob:
        """Both, one after the other."""
        return StreamedJob(
            self.needs + other.needs, max(self.tokens, other.tokens),
            max(self.neutral_tokens, other.neutral_tokens), max(self.columns, other.columns),
            self.cells or other.cells, self.reason or other.reason,
        )  # fmt: skip


NO_STREAMS = StreamedJob()


def count_streams(
    queries: Sequence[Query], planned: Schedule, budget: Budget, width: int, size: int, *, cells: bool, layers: int = 0
) -> StreamedJob:
    """Streams of a job that reads queries.

    Args:
        queries: What is read.
        planned: Its passes.
        budget: Limits of a pass.
        width: Dimensions of the model's states.
        size: Bytes of each of their numbers.
        cells: Whether it is steered.
        layers: How many layers' states are held, where they are wanted.
    """
    shared = share_streams(state_bytes(width, size, queries, planned, budget, reads_each=4 * layers), budget)
    columns = max(most_columns(queries, budget), max(query.longest for query in queries))
    return StreamedJob(shared.needs, columns=columns, cells=cells, reason=shared.reason)


class Trials:
    """What a run finds out about a model on its way, in streams of their own: for a model whose texts can be packed."""

    def __init__(self) -> None:
        self._known, self._stairs, self._neutral = 0, False, False

    def before(self, job: StreamedJob) -> int:
        """Streams that are tried before a job."""
        streams = 0
        if job.columns and (rounded_length(job.columns) > self._known or (job.cells and not self._stairs)):
            self._known = max(self._known, rounded_length(job.columns))
            self._stairs = self._stairs or job.cells
            streams += 1
        return streams + (WRITING_TRIALS if job.tokens else 0)

    def neutral(self, job: StreamedJob) -> StreamedJob:
        """What writing the neutral texts takes before a job that reads them first."""
        if self._neutral or not job.neutral_tokens:
            return NO_STREAMS
        self._neutral = True
        return StreamedJob((NO_BYTES,) * job.neutral_tokens, tokens=job.neutral_tokens)


@dataclass(frozen=True)
class PlannedJob:
    """A job of a run, as the streams that it needs one after the other."""

    steps: tuple[StreamedJob | tuple[PlannedJob, ...], ...]
    """What it runs; jobs in a tuple run side by side."""
    held_bytes: int = 0
    """What it holds in memory until it ends."""


NO_JOB = PlannedJob(())


@dataclass(frozen=True)
class _Turn:
    """A job takes its turn to try something, or ends it."""

    begins: bool


_Want = PassBytes | _Turn | tuple[PlannedJob, ...]


class _Running:
    def __init__(self, job: PlannedJob, trials: Trials, parent: _Running | None = None):
        self.job, self.parent, self.open_children = job, parent, 0
        self.wants = _wants(job, trials)


def _wants(job: PlannedJob, trials: Trials) -> Iterator[_Want]:
    for step in job.steps:
        if isinstance(step, tuple):
            yield step
            continue
        for piece in (trials.neutral(step), step) if step.neutral_tokens else (step,):
            yield _Turn(begins=True)
            for _ in range(trials.before(piece)):
                yield NO_BYTES
            if piece is not step:
                yield from piece.needs
            yield _Turn(begins=False)
        yield from step.needs


class SharedCount:
    """Counts the streams of jobs that run side by side.

    Args:
        budget: Room for passes that wait, and for what jobs hold.
        trials: What has been tried, which these jobs add to.
    """

    def __init__(self, budget: Budget, trials: Trials):
        self._budget, self._trials = budget, trials
        self._new: list[_Running] = []
        self._ready: deque[_Running] = deque()
        self._begun: list[_Running] = []
        self._parked: list[tuple[_Running, PassBytes]] = []
        self._owner: _Running | None = None
        self._queue: deque[_Running] = deque()

    def streams(self, jobs: Sequence[PlannedJob]) -> int:
        """How many streams all of them take."""
        self._new = [_Running(job, self._trials) for job in jobs]
        count = 0
        while self._new or self._begun:
            self._begin()
            while self._ready:
                self._advance(self._ready.popleft())
                self._begin()
            if self._parked:
                count += 1
                chosen = fitting([needs for _, needs in self._parked], self._budget)
                self._ready.extend(self._parked[index][0] for index in chosen)
                self._parked = [one for index, one in enumerate(self._parked) if index not in chosen]
        return count

    def _begin(self) -> None:
        later = []
        for one in self._new:
            held = sum(other.job.held_bytes for other in self._begun)
            if held and one.job.held_bytes and held + one.job.held_bytes > self._budget.held_bytes:
                later.append(one)
            else:
                self._begun.append(one)
                self._ready.append(one)
        self._new = later

    def _advance(self, one: _Running) -> None:
        """Let a job continue until it wants a stream, its turn, or the end of others."""
        for want in one.wants:
            if isinstance(want, PassBytes):
                self._parked.append((one, want))
                return
            if isinstance(want, tuple):
                children = [_Running(job, self._trials, one) for job in want]
                one.open_children = len(children)
                self._new += children
                if children:
                    return
            elif want.begins:
                if self._owner is not None:
                    self._queue.append(one)
                    return
                self._owner = one
            else:
                self._owner = self._queue.popleft() if self._queue else None
                if self._owner is not None:
                    self._ready.append(self._owner)
        self._begun.remove(one)
        if one.parent is not None:
            one.parent.open_children -= 1
            if not one.parent.open_children:
                self._ready.append(one.parent)


@dataclass(frozen=True)
class PlannedStreams:
    """The streams of everything that a study does with one model."""

    stream: StreamPlan
    phases: tuple[tuple[str, int], ...]
    """What follows one another in a run, and its streams, trials among them."""
    apart: int
    """Streams that its jobs would take one after the other, each by itself."""
    jobs: tuple[tuple[str, StreamedJob], ...]
    """Each step that takes some, by its name."""
    refused: tuple[tuple[str, str], ...] = ()
    """Steps that are not done with streamed weights, and why."""

    @property
    def streams(self) -> int:
        """All of them, that of loading among them."""
        return 1 + sum(count for _, count in self.phases)

    @property
    def reading_share(self) -> float:
        """What a job takes of the reading that it would take by itself, on average; trials count to it."""
        alone = sum(job.streams for _, job in self.jobs)
        return (self.streams - 1) / alone if alone else 1.0

    @property
    def held_bytes(self) -> int:
        """Weights that are in memory at once."""
        return self.stream.resident_bytes + self.stream.present_bytes

    @property
    def held(self) -> str:
        """The same in words."""
        return f"{size_of(self.stream.resident_bytes)} resident weights + {size_of(self.stream.present_bytes)} layers"

    def lines(self) -> list[str]:
        """For people."""
        stream, bound = self.stream, "at most " if any(job.tokens for _, job in self.jobs) else ""
        why = (
            f", since the whole model does not fit into memory: {stream.short}"
            if stream.short
            else " as the study says"
        )
        read = self.streams * stream.layer_bytes
        speed = "how fast its disk is, is not known, so no time for reading is in the sums"
        if stream.bytes_per_second is not None:
            hours = f"{stream.seconds(self.streams):,.3g} s at {stream.bytes_per_second / 1e9:.2g} GB/s"
            speed = f"{hours}, measured on its files; a step takes the longer of reading and computing"
        counts = ["load 1", *(f"{name} {count:,}" for name, count in self.phases if count)]
        apart = f"; one job after the other {self.apart:,}" if self.apart > self.streams else ""
        return [
            f"  streamed{why}",
            f"    {bound}{plural(self.streams, 'stream')} over the weights: {', '.join(counts)}{apart}",
            f"    {size_of(read)} read, {size_of(stream.layer_bytes)} each: {speed}",
            *(f"    {name}: {job.reason}" for name, job in self.jobs if job.reason),
            *(f"    {name} is refused: {reason}" for name, reason in self.refused),
        ]


def refusals(
    model: str, stream: StreamPlan, steps: Iterable[tuple[str, bool, StreamedJob]], max_hours: float
) -> tuple[tuple[str, str], ...]:
    """Steps of a run that are not done with streamed weights, and why.

    Args:
        model: For messages.
        stream: What one stream takes.
        steps: Of each step of the run its name, whether it trains, and all of its work.
        max_hours: What writing a text may take.
    """
    refused: list[tuple[str, str]] = []
    for name, trains, whole in steps:
        if trains:
            refused.append((name, "training needs the weights of all layers at once; load the model with stream=False"))
        if reason := refusal(model, whole.tokens, stream.layer_bytes, stream.seconds(1), max_hours):
            refused.append((name, reason))
    return tuple(refused)


def size_of(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB" if count < 1000 else f"{count / 1000:,.2f} TB"
