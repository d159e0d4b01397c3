"""A score depends on its pair and its cell alone: not on batch size, order, company or memory."""

from __future__ import annotations

import pytest
import torch

from sweeps import TOLERANCE, make_cells, padded, score_rows, swept, with_budget
from tiny import random_pairs
from trimtab.engines import TransformersEngine
from trimtab.errors import SettingError
from trimtab.models import Backbone
from trimtab.steering import Intervention, Positions

LIMITS = {
    "one pair at a time": {"tokens": 1},
    "all pairs at once": {"tokens": 1 << 20},
    "one pair a row": {"row_tokens": 1},
    "all pairs in one row": {"tokens": 1 << 20, "row_tokens": 1 << 12},
    "one cell at a time": {"ceiling": 1},
    "cells in groups": {"ceiling": 150, "tokens": 300},
}


@pytest.mark.parametrize("positions", ["all", "after_prompt"])
def test_any_budget_gives_the_same(backbone: Backbone, positions: Positions) -> None:
    pairs, cells = random_pairs(), make_cells(backbone, positions)
    expected = swept(TransformersEngine(backbone), pairs, cells, "text")
    for name, limits in LIMITS.items():
        table = swept(with_budget(backbone, **limits), pairs, cells, "text")
        assert torch.allclose(table, expected, atol=TOLERANCE, rtol=0), name


def test_little_memory_makes_groups_of_cells(llama: Backbone) -> None:
    from trimtab.engines.queries import score_query
    from trimtab.engines.transformers.packing.schedule import marks_of, schedule

    queries = [score_query(pair, "text") for pair in random_pairs()]
    cells = make_cells(llama)
    budget = with_budget(llama, ceiling=150).budget
    groups = schedule(queries, len(cells), marks_of(cells, llama), budget, share=True).groups
    assert len(groups) > 1
    assert [cell for group in groups for cell in group] == list(range(len(cells)))


def test_padded_rows_are_counted_whole_in_every_cell(llama: Backbone) -> None:
    """A model that cannot share beginnings runs the whole prompt in every cell, whatever is steered."""
    engine = padded(llama)
    engine.budget = with_budget(llama, tokens=500).budget
    pairs, cells = random_pairs(12), make_cells(llama, "after_prompt")
    for scored in engine.sweep(pairs, cells, "choice"):
        longest = max(pairs[i].shared for i in scored.indices)
        assert len(scored.indices) == 1 or len(scored.indices) * longest * (1 + len(cells)) <= 1.5 * 500


def test_the_order_of_pairs_does_not_matter(backbone: Backbone) -> None:
    engine, pairs, cells = TransformersEngine(backbone), random_pairs(), make_cells(backbone)
    order = [4, 0, 5, 2, 1, 3]
    table = swept(engine, [pairs[i] for i in order], cells, "choice")
    torch.testing.assert_close(table, swept(engine, pairs, cells, "choice")[:, order], atol=TOLERANCE, rtol=0)


def test_a_pair_alone_scores_as_in_company(backbone: Backbone) -> None:
    engine, pairs, cells = TransformersEngine(backbone), random_pairs(), make_cells(backbone, "after_prompt")
    together = swept(engine, pairs, cells, "text")
    alone = torch.cat([swept(engine, [pair], cells, "text") for pair in pairs], dim=1)
    torch.testing.assert_close(together, alone, atol=TOLERANCE, rtol=0)


def test_hooks_give_each_row_its_own_intervention(backbone: Backbone) -> None:
    engine, pairs = TransformersEngine(backbone), random_pairs()
    cells: list[Intervention | None] = [*make_cells(backbone)[:5], None]
    mixed = score_rows(engine, pairs, cells, "text")
    alone = torch.cat([score_rows(engine, [p], [c], "text") for p, c in zip(pairs, cells, strict=True)])
    torch.testing.assert_close(mixed, alone, atol=TOLERANCE, rtol=0)


def test_done_batches_are_left_out_and_the_others_stay_the_same(llama: Backbone) -> None:
    engine, pairs, cells = with_budget(llama, tokens=300), random_pairs(), make_cells(llama)
    batches = list(engine.sweep(pairs, cells, "choice"))
    assert len(batches) > 2
    rest = list(engine.sweep(pairs, cells, "choice", done=batches[0].indices))
    assert [b.indices for b in rest] == [b.indices for b in batches[1:]]
    assert all(torch.equal(a.scores, b.scores) for a, b in zip(rest, batches[1:], strict=True))


def test_cells_of_different_positions_are_refused(llama: Backbone) -> None:
    cells = [make_cells(llama, "all")[0], make_cells(llama, "prompt")[0]]
    with pytest.raises(SettingError, match="one sweep for each policy"):
        swept(TransformersEngine(llama), random_pairs(), cells, "choice")


def test_positions_behind_everything_that_is_scored_are_refused(llama: Backbone) -> None:
    from dataclasses import replace

    pairs = [replace(p, prompt_length=p.shared) for p in random_pairs()]
    with pytest.raises(SettingError, match="steer no token"):
        swept(TransformersEngine(llama), pairs, make_cells(llama, "generated"), "choice")


def test_a_layer_the_model_does_not_have_is_refused(llama: Backbone) -> None:
    with pytest.raises(SettingError, match="layer 9 is out of range: this model has layers 0 to 3"):
        swept(TransformersEngine(llama), random_pairs(), [Intervention({9: torch.ones(48)}, 1.0)], "choice")


def test_a_sweep_without_cells_scores_the_unsteered_model(llama: Backbone) -> None:
    alone = swept(TransformersEngine(llama), random_pairs(), [], "choice")
    beside = swept(TransformersEngine(llama), random_pairs(), make_cells(llama), "choice")
    assert torch.allclose(alone, beside[:1], atol=1e-4)


def test_no_pairs_give_no_batches(llama: Backbone) -> None:
    engine = TransformersEngine(llama)
    assert list(engine.sweep([], make_cells(llama), "choice")) == []
    assert list(engine.capture([], "answer")) == []
    assert score_rows(engine, [], [], "choice").shape == (0,)
