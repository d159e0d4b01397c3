"""Prompts are run once under each staircase of cells, however many rows they open."""

from collections import Counter

import pytest
import torch

from trimtab.engines import Request
from trimtab.engines.transformers.packing.budget import Budget
from trimtab.engines.transformers.sharing.shared_prefixes import BASE, MAX_CELLS, openings
from trimtab.steering import Intervention, Positions

PROMPTS = [(1, 2, 3, 10 + i, *range(50, 70)) for i in range(40)]
BUDGET = Budget(tokens=1 << 17, ceiling=1 << 18, row_tokens=512, rows=64, cache_bytes=1 << 30, recurring=True)


@pytest.mark.parametrize(("positions", "staircases"), [("all", 2), ("generated", 1)])
def test_a_pass_with_room_for_many_prompts_runs_none_of_them_twice(positions: Positions, staircases: int) -> None:
    cells = [Intervention({i: torch.ones(4)}, 1.0, positions=positions) for i in range(MAX_CELLS + 8)]
    requests = [Request(prompt, cell, 8) for prompt in PROMPTS for cell in [None, *cells]]
    found = openings(requests, BUDGET.rows, BUDGET)
    run = Counter(query.sequences[0] for opening in found for query in opening.queries)
    assert run == dict.fromkeys(PROMPTS, staircases)
    wanted = Counter(index for opening in found for index, _, _ in opening.wanted)
    assert wanted == dict.fromkeys(range(len(requests)), 1)
    assert max(len(opening.wanted) for opening in found) <= BUDGET.rows


def test_prompts_under_interventions_of_their_own_run_together_in_rows_and_no_unsteered_one_with_them() -> None:
    cells = [Intervention({i: torch.ones(4)}, 1.0, positions=("all", "after_prompt")[i % 2]) for i in range(40)]
    own = [Request(prompt, cell, 8) for prompt, cell in zip(PROMPTS, cells, strict=True)]
    twice = [Request(PROMPTS[0][:10], cell, 8) for cell in (cells[2], cells[4])]  # one prompt, two cells: a staircase
    found = openings([*own, *twice, Request(PROMPTS[1][:9], None, 8)], 16, BUDGET)
    rows = [opening for opening in found if opening.own_cells]
    assert [len(opening.queries) for opening in rows] == [16, 16, 8]
    for opening in rows:
        for (index, place, cell), query, intervention in zip(
            opening.wanted, opening.queries, opening.own_cells, strict=True
        ):
            assert (query.sequences[0], intervention) == (own[index].prompt, own[index].intervention)
            assert (opening.queries[place], cell) == (query, BASE)
    wanted = Counter(index for opening in found for index, _, _ in opening.wanted)
    assert wanted == dict.fromkeys(range(43), 1)
