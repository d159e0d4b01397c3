"""Counting the streams over the weights of a model whose layers a run would read from its files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trimtab._util.wording import plural
from trimtab.engines.transformers.packing.batches import Query
from trimtab.engines.transformers.packing.budget import Budget
from trimtab.engines.transformers.packing.schedule import Schedule, most_columns
from trimtab.engines.transformers.probing.exactness import rounded_length
from trimtab.engines.transformers.streaming.stream_groups import share_streams, state_bytes
from trimtab.engines.transformers.streaming.writing_cost import MAX_WRITING_HOURS, refusal
from trimtab.models import StreamPlan

WRITING_TRIALS = 3
"""Streams in which it is tried at most how texts are written side by side, at each new length."""


@dataclass(frozen=True)
class StreamedJob:
    """A piece of work as streams over the weights."""

    streams: int = 0
    """Without those in which it is tried what may run together."""
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

    def __add__(self, other: StreamedJob) -> StreamedJob:
        """Both, one after the other."""
        return StreamedJob(
            self.streams + other.streams, max(self.tokens, other.tokens),
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
    return StreamedJob(len(shared.groups), columns=columns, cells=cells, reason=shared.reason)


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
        return StreamedJob(job.neutral_tokens, tokens=job.neutral_tokens)


@dataclass(frozen=True)
class PlannedStreams:
    """The streams of everything that a study does with one model."""

    stream: StreamPlan
    trials: int
    """In which it is tried what may run together."""
    jobs: tuple[tuple[str, StreamedJob], ...]
    """Each step that takes some, by its name."""
    refused: tuple[tuple[str, str], ...] = ()
    """Steps that are not done with streamed weights, and why."""

    @property
    def streams(self) -> int:
        """All of them, that of loading among them."""
        return 1 + self.trials + sum(job.streams for _, job in self.jobs)

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
        counts = ["load 1", f"trials of what may run together {self.trials:,}"]
        counts += [f"{name} {job.streams:,}" for name, job in self.jobs if job.streams]
        return [
            f"  streamed{why}",
            f"    {bound}{plural(self.streams, 'stream')} over the weights: {', '.join(counts)}",
            f"    {size_of(read)} read, {size_of(stream.layer_bytes)} each: {speed}",
            *(f"    {name}: {job.reason}" for name, job in self.jobs if job.reason),
            *(f"    {name} is refused: {reason}" for name, reason in self.refused),
        ]


def plan_streams(
    model: str,
    stream: StreamPlan,
    jobs: Iterable[tuple[str, bool, Sequence[StreamedJob]]],
    max_hours: float = MAX_WRITING_HOURS,
) -> PlannedStreams:
    """Put the jobs of a run together.

    Args:
        model: For messages.
        stream: What one stream takes.
        jobs: Of each step of the run, in its order: the name, whether it trains, and its pieces of work.
        max_hours: What writing a text may take.
    """
    trials, counted = Trials(), 0
    found: list[tuple[str, StreamedJob]] = []
    refused: list[tuple[str, str]] = []
    for name, trains, pieces in jobs:
        every = [one for piece in pieces for one in (trials.neutral(piece), piece)]
        counted += sum(trials.before(one) for one in every)
        whole = sum(every, NO_STREAMS)
        if trains:
            refused.append((name, "training needs the weights of all layers at once; load the model with stream=False"))
        if reason := refusal(model, whole.tokens, stream.layer_bytes, stream.seconds(1), max_hours):
            refused.append((name, reason))
        found.append((name, whole))
    return PlannedStreams(stream, counted, tuple(found), tuple(refused))


def size_of(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB" if count < 1000 else f"{count / 1000:,.2f} TB"
