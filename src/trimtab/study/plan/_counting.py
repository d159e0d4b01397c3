"""Counting pieces of work, from the engine's own way of dividing them: rows, passes, tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from trimtab.data import Presentation, present
from trimtab.engines import Scoring
from trimtab.engines.queries import capture_query, score_query, state_query, text_query
from trimtab.engines.transformers.packing.batches import Marks, Query
from trimtab.engines.transformers.packing.schedule import (
    Schedule,
    marks_for,
    moved_tokens,
    own_tokens,
    schedule,
    unmarked,
)
from trimtab.engines.transformers.streaming.together import NO_BYTES
from trimtab.evaluation import Grid, form_of
from trimtab.models import EncodedPair, Text, encode, encode_examples, encode_pairs, render_prompt
from trimtab.steering.phases import markers_of
from trimtab.study.measures.work import ReadExamples, ReadPairs, ReadTexts, ScoreRows, TrainVectors, Work, WriteReplies
from trimtab.study.plan._counted_training import count_training
from trimtab.study.plan._counted_writing import CountedWriting, count_writing
from trimtab.study.plan._planned_streams import NO_STREAMS, StreamedJob, count_streams
from trimtab.study.plan._targets import Target
from trimtab.study.settings.study_file import Study
from trimtab.vectors import default_position, require_pairs_position


@dataclass(frozen=True)
class Counted:
    """A piece of work, counted."""

    rows: int = 0
    cells: int = 0
    """Steered ones, of rows that are scored."""
    passes: int = 0
    """Forward passes; or requests, where each cell of each row is one."""
    tokens: int = 0
    """Tokens through the whole model: a step of the staircase counts its own layers only."""
    naive_tokens: int = 0
    """The same for a loop that runs every cell of every row on its own."""
    kept_tokens: int = 0
    """Tokens whose keys and values are held at once."""
    scores: int = 0
    """Rows times cells, the unsteered one among them."""
    writing: CountedWriting | None = None
    """Replies that are generated."""
    gradient_bytes: int = 0
    """What a training holds at once for its backward passes, and of the unsteered model's states."""
    streamed: StreamedJob = NO_STREAMS
    """Where the weights are streamed: how often they are read."""


def count(work: Work, study: Study, target: Target) -> Counted:
    """Count a piece of work.

    Args:
        work: The piece.
        study: For how pairs are presented.
        target: The model and what it runs on.
    """
    if isinstance(work, ScoreRows):
        return _scores(work, target)
    if isinstance(work, ReadPairs):
        return _pairs(work, study, target)
    if isinstance(work, ReadExamples):
        return _examples(work, target)
    if isinstance(work, TrainVectors):
        return _training(work, study, target)
    if isinstance(work, ReadTexts):
        return _texts(work, target)
    return _writing(work, target)


def _scores(work: ScoreRows, target: Target) -> Counted:
    grid = work.grid
    steered = grid.steered if grid else []
    cells = work.vectors * len(steered)
    if not work.rows:
        return Counted()
    queries = [
        score_query(pair, work.scoring) for pair in _encoded(target, [row.shown for row in work.rows], work.scoring)
    ]
    scores = len(queries) * (1 + cells)
    naive = sum(q.tokens for q in queries) * (1 + cells)
    if target.by_requests:
        requests = sum(len(q.sequences) for q in queries) * (1 + cells)
        return Counted(len(queries), cells, requests, naive, naive, scores=scores)
    marks = _marks(grid, target) if grid else unmarked
    planned = schedule(queries, cells, marks, target.budget, share=True)
    climbed = work.vectors * target.passes_of(layers for layers, _ in steered)
    head = len(planned.head)
    swept = head * (1 + climbed)
    swept += sum(own_tokens(q, head) + moved_tokens(q, head, marks) * climbed for q in queries)
    return Counted(
        rows=len(queries),
        cells=cells,
        passes=len(planned.batches) * len(planned.groups),
        tokens=int(swept),
        naive_tokens=naive,
        kept_tokens=int(head * (1 + climbed)),
        scores=scores,
        streamed=_streams(queries, planned, target, cells=cells > 0),
    )


def _pairs(work: ReadPairs, study: Study, target: Target) -> Counted:
    form = form_of(work.scoring)
    pairs = _encoded(target, present(work.behavior, form, study.balance, study.seed), work.scoring)
    position = work.token_position or require_pairs_position(work.behavior, study.token_position)
    queries = [capture_query(pair, default_position(form) if position == "auto" else position) for pair in pairs]
    naive = sum(q.tokens for q in queries)
    if target.by_requests:
        return Counted(rows=len(pairs), passes=2 * len(pairs), tokens=naive, naive_tokens=naive)
    first = schedule(queries, 0, unmarked, target.budget, share=True)
    head = len(first.head)
    tokens = head + sum(own_tokens(q, head) for q in queries)
    streamed = _streams(queries, first, target, layers=target.facts.layers)
    return Counted(
        rows=len(pairs), passes=len(first.batches), tokens=tokens, naive_tokens=naive, streamed=streamed
    )  # fmt: skip


def _examples(work: ReadExamples, target: Target) -> Counted:
    encoded = encode_examples(target.reached.tokenizer, work.examples, target.asking)
    naive = sum(len(one.tokens) for one in encoded)
    if target.by_requests:
        return Counted(rows=len(encoded), passes=len(encoded), tokens=naive, naive_tokens=naive)
    queries = [state_query([one.read("last")]) for one in encoded]
    first = schedule(queries, 0, unmarked, target.budget, share=True)
    tokens = len(first.head) + sum(own_tokens(q, len(first.head)) for q in queries)
    streamed = _streams(queries, first, target, layers=target.facts.layers)
    return Counted(
        rows=len(encoded), passes=len(first.batches), tokens=tokens, naive_tokens=naive, streamed=streamed
    )  # fmt: skip


def _training(work: TrainVectors, study: Study, target: Target) -> Counted:
    presented = present(work.behavior, form_of(work.scoring), study.balance, study.seed)
    found = count_training(work, presented, _encoded(target, presented, work.scoring), study.seed, target)
    return Counted(
        rows=found.rows, passes=found.passes, tokens=found.tokens, naive_tokens=found.naive_tokens,
        gradient_bytes=found.held_bytes,
    )  # fmt: skip


def _texts(work: ReadTexts, target: Target) -> Counted:
    tokenizer, grid = target.reached.tokenizer, work.grid
    marks = _marks(grid, target)
    rendered = [render_prompt(tokenizer, text, target.asking) if work.chat else text for text in work.texts]
    begun = [encode(tokenizer, text, target.asking) for text in rendered]
    # Of a plain text the first token is the prompt.
    queries = [
        text_query(Text((*tokens, *[0] * work.reply_tokens), len(tokens) if work.reply_tokens else 1))
        for tokens in begun
    ]
    climbed = target.passes_of(layers for layers, _ in grid.steered)
    if target.by_requests:
        return Counted(rows=len(queries), tokens=round(work.passes * sum(q.tokens for q in queries) * (1 + climbed)))
    tokens = round(work.passes * sum(own_tokens(q, 0) + moved_tokens(q, 0, marks) * climbed for q in queries))
    planned = schedule(queries, len(grid.steered), marks, target.budget, share=True)
    once = _streams(queries, planned, target, cells=bool(grid.steered))
    streamed = replace(once, needs=once.needs * work.passes, neutral_tokens=work.reply_tokens)
    return Counted(rows=len(queries), tokens=tokens, streamed=streamed)


def _streams(
    queries: Sequence[Query], planned: Schedule, target: Target, *, cells: bool = False, layers: int = 0
) -> StreamedJob:
    """Nothing for a model in memory."""
    if target.stream is None or not queries:
        return NO_STREAMS
    width, size = target.facts.width, target.dtype.itemsize
    return count_streams(queries, planned, target.budget, width, size, cells=cells, layers=layers)


def _writing(work: WriteReplies, target: Target) -> Counted:
    writing = count_writing(work, target)
    return Counted(
        rows=writing.rows, passes=writing.passes, tokens=writing.tokens, kept_tokens=writing.kept_tokens,
        writing=writing, streamed=_written_streams(writing) if target.stream else NO_STREAMS,
    )  # fmt: skip


def _written_streams(writing: CountedWriting) -> StreamedJob:
    """One for each token of all replies at hand; one for reading them again, and one for trying their length."""
    turns = -(-writing.replies // writing.side_by_side)
    streams = turns * writing.max_new_tokens + 2 * bool(writing.read_tokens)
    return StreamedJob((NO_BYTES,) * streams, tokens=writing.max_new_tokens)


def _encoded(target: Target, shown: Sequence[Presentation], scoring: Scoring) -> list[EncodedPair]:
    """Rows as tokens."""
    return encode_pairs(target.reached.tokenizer, [s.pair for s in shown], form_of(scoring), target.asking)


def _marks(grid: Grid, target: Target) -> Marks:
    markers = markers_of({grid.positions}, target.reached.tokenizer, "the model")
    return marks_for(grid.positions, grid.setting.first_token, markers)
