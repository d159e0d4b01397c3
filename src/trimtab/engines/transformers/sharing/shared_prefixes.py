"""Prompts before the first new token: run once for each intervention, in staircases, and cut into rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.engines.requests import Request
from trimtab.engines.transformers.packing.batches import Marks, Packed, Query
from trimtab.engines.transformers.packing.budget import Budget
from trimtab.engines.transformers.packing.schedule import filled, marks_for, shared_head, tall_tokens, unmarked
from trimtab.engines.transformers.sharing.shared_cache import Beginning
from trimtab.models import ThinkingMarkers
from trimtab.steering import Intervention, Positions, parse_positions

MAX_CELLS = 32
"""Cells of one staircase; more would need more free rows at once."""
BASE = -1
"""In place of a cell: the prompt as it is without steering."""

Policy = tuple[Positions, bool]


@dataclass(frozen=True, eq=False)
class Opening:
    """Prompts and cells that are run together."""

    queries: tuple[Query, ...]
    cells: tuple[Intervention, ...]
    marks: Marks
    head: tuple[int, ...]
    """What all prompts of this kind begin with."""
    wanted: tuple[tuple[int, int, int], ...]
    """(request, prompt, cell or `BASE`): the rows to be opened."""
    own_cells: tuple[Intervention | None, ...] = ()
    """An intervention for each query instead, which runs in a row of its own: there are no cells then."""
    beginning: Beginning | None = None
    """Of prompts in rows of their own: what has been run of them before, the same for all or a row for each."""


def openings(
    requests: Sequence[Request], rows: int, budget: Budget, markers: ThinkingMarkers | None = None
) -> list[Opening]:
    """How the prompts of some requests are run: the same prompt once, the same cells together.

    Args:
        requests: what will be written.
        rows: most rows that one opening may ask for.
        budget: limits of a pass.
        markers: of the model's thinking, where some positions need them.
    """
    by_policy: dict[Policy | None, list[int]] = {}
    for index, request in enumerate(requests):
        by_policy.setdefault(_policy(request), []).append(index)
    # Unsteered prompts are the lowest step of any staircase over them.
    if len(by_policy) > 1 and None in by_policy:
        plain = by_policy.pop(None)
        next(iter(by_policy.values())).extend(plain)
    found = []
    single: list[int] = []
    for policy, members in by_policy.items():
        marks = unmarked if policy is None else _marks(*policy, markers)
        for some in _same_cells(requests, members):
            if len(some) == 1 and _policy(requests[some[0]]) is not None:
                single += some
            else:
                found += _cut(requests, some, marks, rows, budget)
    return found + openings_in_rows(requests, single, rows, budget)


def openings_in_rows(
    requests: Sequence[Request],
    members: Sequence[int],
    rows: int,
    budget: Budget,
    beginnings: Sequence[Beginning] = (),
) -> list[Opening]:
    """How prompts are run of which each is wanted under one cell or none, in a row of its own.

    Args:
        requests: what will be written.
        members: which of them.
        rows: most rows that one opening may ask for.
        budget: limits of a pass.
        beginnings: what has been run of each member before, all of one length, in one row each.
    """
    length = beginnings[0].length if beginnings else 0
    found = []
    # Rows are as wide as the longest of them.
    for batch in filled([len(requests[i].prompt) - length for i in members], budget.tokens):
        for first in range(0, len(batch), rows):
            places = batch[first : first + rows]
            some = [requests[members[place]] for place in places]
            queries = tuple(Query((r.prompt,), ((0, len(r.prompt) - 1),), len(r.prompt)) for r in some)
            wanted = tuple((members[place], query, BASE) for query, place in enumerate(places))
            beginning = _side_by_side([beginnings[place] for place in places]) if beginnings else None
            cells = tuple(request.intervention for request in some)
            found.append(Opening(queries, (), unmarked, (), wanted, cells, beginning))
    return found


def _side_by_side(beginnings: Sequence[Beginning]) -> Beginning:
    """Beginnings of one length with a row for each; a single row where they are all the same one."""
    first = beginnings[0]
    if all(other is first for other in beginnings):
        return first
    keys = [torch.cat(rows) for rows in zip(*(beginning.keys for beginning in beginnings), strict=True)]
    values = [torch.cat(rows) for rows in zip(*(beginning.values for beginning in beginnings), strict=True)]
    return Beginning(keys, values)


def _marks(positions: Positions, first_token: bool, markers: ThinkingMarkers | None) -> Marks:
    return marks_for(positions, first_token, markers if parse_positions(positions).reads_tokens else None)


def _policy(request: Request) -> Policy | None:
    """What decides which prompt tokens are steered; None where none is."""
    cell = request.intervention
    if cell is None or not parse_positions(cell.positions).may_push_prompt:
        return None
    return cell.positions, cell.first_token


def _same_cells(requests: Sequence[Request], members: Sequence[int]) -> list[list[int]]:
    """Requests whose prompts are wanted under the same cells, together."""
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for index in members:
        by_prompt.setdefault(requests[index].prompt, []).append(index)
    groups: dict[tuple[int, ...], list[int]] = {}
    for indices in by_prompt.values():
        key = tuple(sorted({id(requests[i].intervention) for i in indices if _policy(requests[i])}))
        groups.setdefault(key, []).extend(indices)
    return list(groups.values())


def _cut(requests: Sequence[Request], members: Sequence[int], marks: Marks, rows: int, budget: Budget) -> list[Opening]:
    """One group into openings that fit: some cells, some prompts, no more than `rows` rows."""
    steered = {id(r.intervention): r.intervention for r in (requests[i] for i in members) if _policy(r)}
    cells = sorted((c for c in steered.values() if c is not None), key=lambda c: c.layers)
    most = min(MAX_CELLS, rows)
    prompts = list(dict.fromkeys(requests[i].prompt for i in members))
    queries = {p: Query((p,), ((0, len(p) - 1),), len(p)) for p in prompts}
    head = shared_head(list(queries.values()), marks)
    found = []
    for start in range(0, max(1, len(cells)), most):
        some = cells[start : start + most]
        place = {id(cell): number for number, cell in enumerate(some)}
        mine: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for index in members:
            request = requests[index]
            cell = place.get(id(request.intervention)) if _policy(request) else BASE if start == 0 else None
            if cell is not None:
                mine.setdefault(request.prompt, []).append((index, cell))
        used = list(mine)
        # As many prompts as both the tokens of a pass and the rows allow: cutting by rows alone would run them again.
        tall = [max(tall_tokens(queries[p], len(head), len(some), marks), 1) for p in used]
        costs = [max(t * rows, len(mine[p]) * budget.tokens) for t, p in zip(tall, used, strict=True)]
        for batch in filled(costs, budget.tokens * rows):
            wanted = [(index, place_, cell) for place_, p in enumerate(batch) for index, cell in mine[used[p]]]
            chosen = tuple(queries[used[p]] for p in batch)
            for first in range(0, len(wanted), rows):
                found.append(Opening(chosen, tuple(some), marks, head, tuple(wanted[first : first + rows])))
    return found


def row_parts(
    opening: Opening, packed: Packed, recorded: Beginning, prompt: int, cell: int
) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of one prompt under one cell, for each layer [kv_heads, tokens, head_size].

    Up to the layer at which a cell joins the staircase, its keys are those of the unsteered rows.
    """
    order = sorted(range(len(opening.cells)), key=lambda i: opening.cells[i].layers[0])
    step = 1 + order.index(cell) if cell != BASE else 0
    joins = opening.cells[cell].layers[0] if cell != BASE else 0
    row, columns = packed.paths[prompt]
    parts = []
    for layer, (keys, values) in enumerate(zip(recorded.keys, recorded.values, strict=True)):
        place = row + (step * packed.present.rows if layer > joins else 0)
        where = torch.from_numpy(columns).to(keys.device)
        parts.append((keys[place].index_select(1, where), values[place].index_select(1, where)))
    return parts
