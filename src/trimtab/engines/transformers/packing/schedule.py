"""Which queries go into one pass, and what is run once for all of them: decided before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from trimtab.engines.transformers.packing._token_tree import common_head
from trimtab.engines.transformers.packing.batches import Marks, Query
from trimtab.engines.transformers.packing.budget import Budget
from trimtab.errors import SettingError
from trimtab.models import Identity, ThinkingMarkers
from trimtab.steering import Intervention, Positions, is_steered
from trimtab.steering.phases import markers_for, steered_tokens


@dataclass(frozen=True)
class Schedule:
    """The passes of one job over some queries."""

    head: tuple[int, ...]
    """What all sequences begin with, run once."""
    batches: tuple[tuple[int, ...], ...]
    """Indices of the queries of each pass, similar lengths together."""
    groups: tuple[range, ...]
    """Cells that climb together: all of them, unless memory forbids."""
    tokens: tuple[int, ...] = ()
    """Tokens of each batch at the top of its staircase."""


def schedule(queries: Sequence[Query], cells: int, marks: Marks, budget: Budget, *, share: bool) -> Schedule:
    """Plan a job: `cells` steered copies of every query, 0 for plain reading."""
    head = shared_head(queries, marks) if share else ()
    most = max(1, budget.ceiling // max(q.tokens for q in queries) - 1)
    count = max(1, -(-cells // most))
    size = max(1, -(-cells // count))
    groups = tuple(range(start, min(start + size, cells)) for start in range(0, cells, size))
    height = 1 + (size if cells else 0)
    costs = [tall_tokens(q, len(head), height - 1, marks) if share else q.tokens * height for q in queries]
    batches = filled(costs, budget.tokens, by=[q.tokens for q in queries])
    return Schedule(head, batches, groups, tuple(sum(costs[i] for i in batch) for batch in batches))


def most_columns(queries: Sequence[Query], budget: Budget) -> int:
    """Columns of the widest row that packing could make: one that is almost full, the largest query, rounded up."""
    return (budget.row_tokens + max(query.tokens for query in queries)) * 9 // 8 + 2


def filled(costs: Sequence[int], limit: int, *, by: Sequence[int] | None = None) -> tuple[tuple[int, ...], ...]:
    """Batches of indices whose costs sum up to no more than `limit` (or that hold one index), in the order of `by`."""
    order = costs if by is None else by
    batches: list[list[int]] = []
    spent = limit + 1  # so that the first one opens the first batch
    for index in sorted(range(len(costs)), key=lambda i: (order[i], i)):
        if spent + costs[index] > limit:
            batches.append([])
            spent = 0
        batches[-1].append(index)
        spent += costs[index]
    return tuple(tuple(batch) for batch in batches)


def shared_head(queries: Sequence[Query], marks: Marks) -> tuple[int, ...]:
    """What all sequences begin with, tokens and marks alike, before the first token that is read."""
    if len(queries) < 2:
        return ()
    marked = [
        [2 * token + mark for token, mark in zip(s, marks(s, q.prompt_length), strict=True)]
        for q in queries
        for s in q.sequences
    ]
    return queries[0].sequences[0][: min(common_head(marked), *(q.first_read for q in queries))]


def own_tokens(query: Query, head: int) -> int:
    """Tokens that a query adds to a pass: its sequences share their prompt, and all share the head."""
    shared = query.prompt_length if len(query.sequences) > 1 else 0
    return query.tokens - head - (len(query.sequences) - 1) * shared


def moved_tokens(query: Query, head: int, marks: Marks) -> int:
    """Those of them that every cell has its own copy of, from the first steered token on."""
    shared = query.prompt_length if len(query.sequences) > 1 else 0
    starts = [head] + [max(head, shared)] * (len(query.sequences) - 1)
    moved = 0
    for sequence, start in zip(query.sequences, starts, strict=True):
        marked = marks(sequence, query.prompt_length)
        first = next((i for i, mark in enumerate(marked) if mark), len(marked))
        moved += max(0, len(sequence) - max(start, first))
    return moved


def unmoved_beginnings(query: Query, marks: Marks) -> list[range]:
    """Of each sequence the tokens before the first that is steered or read: the same in every cell."""
    found = []
    for number, sequence in enumerate(query.sequences):
        marked = [i for i, mark in enumerate(marks(sequence, query.prompt_length)) if mark]
        read = [index for owner, index in query.reads if owner == number]
        found.append(range(min((len(sequence), *marked, *read))))
    return found


def tall_tokens(query: Query, head: int, cells: int, marks: Marks) -> int:
    """Tokens of a query at the top of the staircase."""
    return own_tokens(query, head) + (moved_tokens(query, head, marks) * cells if cells else 0)


def unmarked(tokens: Sequence[int], prompt_length: int) -> tuple[bool, ...]:
    """No token is steered."""
    return (False,) * len(tokens)


def marks_for(positions: Positions, first_token: bool, markers: ThinkingMarkers | None = None) -> Marks:
    """Which tokens a position policy steers, of any sequence.

    Args:
        positions: a form of `trimtab.steering.POSITIONS`.
        first_token: whether token 0 may be steered.
        markers: of the model's thinking, for the positions that need them.
    """

    @lru_cache(maxsize=4096)
    def by_length(length: int, prompt_length: int) -> tuple[bool, ...]:
        where = is_steered(positions, torch.arange(length), torch.tensor(prompt_length), first_token)
        return tuple(where.tolist())

    @lru_cache(maxsize=4096)
    def by_tokens(tokens: tuple[int, ...], prompt_length: int) -> tuple[bool, ...]:
        return tuple(steered_tokens(positions, tokens, prompt_length, first_token, markers).tolist())

    def marks(tokens: Sequence[int], prompt_length: int) -> tuple[bool, ...]:
        if markers is not None:
            return by_tokens(tuple(tokens), prompt_length)
        return by_length(len(tokens), prompt_length)

    return marks


def marks_of(cells: Sequence[Intervention], identity: Identity) -> Marks:
    """Which tokens the cells of one sweep steer.

    Raises:
        SettingError: when they differ in their positions, there are none, or the model has no thinking to steer.
    """
    policies = {(cell.positions, cell.first_token) for cell in cells}
    if not policies:
        raise SettingError("a sweep needs at least one cell: a layer and a strength other than 0")
    if len(policies) != 1:
        raise SettingError("one sweep steers at the same positions in all of its cells; run one sweep for each policy")
    return marks_for(*policies.pop(), markers_for(cells, identity))


def require_reach(queries: Sequence[Query], marks: Marks) -> None:
    """Refuse positions that come after everything that is scored: the sweep would be flat, and say nothing.

    Raises:
        SettingError: when no cell can change any score.
    """
    if any(any(marks(s, q.prompt_length)) for q in queries for s in q.sequences):
        return
    raise SettingError(
        "these positions steer no token before the one whose logits are compared, so no cell can change; "
        "use positions all, prompt or after_prompt, or score by text (positions thinking needs texts that think)"
    )
