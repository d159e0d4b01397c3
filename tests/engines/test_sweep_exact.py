"""The one-pass sweep gives what hooks give, and hooks give what the slow loop gives, for every family of models."""

from __future__ import annotations

import pytest
import torch

import oracle
from sweeps import TOLERANCE, hooked, make_cells, mode_of, padded, score_rows, swept
from tiny import HYBRID, random_pairs
from trimtab.engines import Scoring, TransformersEngine
from trimtab.models import Backbone
from trimtab.steering import Positions

POSITIONS = ("all", "after_prompt", "prompt", "generated")


def test_beginnings_are_shared_by_every_family_with_attention_only(backbone: Backbone) -> None:
    expected = "padded" if backbone.name == f"tiny-{HYBRID}" else "packed"
    assert mode_of(TransformersEngine(backbone), random_pairs()) == expected


@pytest.mark.parametrize("scoring", ["choice", "text"])
@pytest.mark.parametrize("positions", POSITIONS)
def test_sweep_equals_hooks(backbone: Backbone, positions: Positions, scoring: Scoring) -> None:
    engine, pairs, cells = TransformersEngine(backbone), random_pairs(), make_cells(backbone, positions)
    table = swept(engine, pairs, cells, scoring)
    torch.testing.assert_close(table, hooked(engine, pairs, cells, scoring), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("positions", POSITIONS)
def test_packed_trees_equal_padded_rows(backbone: Backbone, positions: Positions) -> None:
    pairs, cells = random_pairs(), make_cells(backbone, positions)
    table = swept(TransformersEngine(backbone), pairs, cells, "text")
    torch.testing.assert_close(table, swept(padded(backbone), pairs, cells, "text"), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("scoring", ["choice", "text"])
@pytest.mark.parametrize("positions", POSITIONS)
def test_hooks_equal_the_slow_loop(backbone: Backbone, positions: Positions, scoring: Scoring) -> None:
    pairs, cells = random_pairs(3), make_cells(backbone, positions)
    for cell in (None, cells[3], cells[4], *cells[10:]):
        scores = score_rows(TransformersEngine(backbone), pairs, [cell] * len(pairs), scoring)
        expected = [oracle.score(backbone, pair, cell, scoring) for pair in pairs]
        torch.testing.assert_close(scores, torch.tensor(expected), atol=TOLERANCE, rtol=0)


def test_the_text_score_may_be_summed_instead_of_averaged(llama: Backbone) -> None:
    pairs, cells = random_pairs(3), make_cells(llama)[:1]
    expected = [[oracle.score(llama, pair, cell, "text_sum") for pair in pairs] for cell in (None, *cells)]
    table = swept(TransformersEngine(llama), pairs, cells, "text_sum")
    torch.testing.assert_close(table, torch.tensor(expected), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("positions", POSITIONS)
def test_every_cell_moves_the_scores(backbone: Backbone, positions: Positions) -> None:
    """So that the comparisons above compare something."""
    table = swept(TransformersEngine(backbone), random_pairs(), make_cells(backbone, positions), "text")
    moved = (table[1:] - table[0]).abs().amax(dim=1)
    if positions == "prompt":
        moved = moved[2:]  # behind the last layer only the last prompt token is read
    assert bool((moved > 100 * TOLERANCE).all())


@pytest.mark.parametrize("positions", ["all", "prompt"])
def test_the_first_token_is_steered_only_when_asked(llama: Backbone, positions: Positions) -> None:
    engine, pairs = TransformersEngine(llama), random_pairs()
    without, included = (make_cells(llama, positions, first_token=asked) for asked in (False, True))
    table = swept(engine, pairs, included, "choice")
    torch.testing.assert_close(table, hooked(engine, pairs, included, "choice"), atol=TOLERANCE, rtol=0)
    first_layer = 3
    assert bool((table[first_layer] - swept(engine, pairs, without, "choice")[first_layer]).abs().max() > 0.01)


def test_a_prompt_that_all_pairs_share_is_steered_once_and_exactly(backbone: Backbone) -> None:
    """The head is steered, and unsteered tokens that nobody reads come behind it."""
    from trimtab.models import EncodedPair

    prompt = tuple(range(20, 32))
    pairs = [
        EncodedPair(f"p{i}", (*prompt, 40 + i, 50, 60), (*prompt, 40 + i, 50, 61), len(prompt), len(prompt) + 2)
        for i in range(3)
    ]
    for positions in ("prompt", "all"):
        engine, cells = TransformersEngine(backbone), make_cells(backbone, positions)
        table = swept(engine, pairs, cells, "choice")
        torch.testing.assert_close(table, hooked(engine, pairs, cells, "choice"), atol=TOLERANCE, rtol=0)


def test_bfloat16_sweeps_and_agrees_with_float32_but_for_rounding(backbone: Backbone) -> None:
    from tiny import tiny_model
    from trimtab.models import wrap

    rounded = wrap(tiny_model(backbone.name[5:]).to(torch.bfloat16), backbone.tokenizer, name="rounded")
    pairs, cells = random_pairs(), make_cells(backbone)
    exact, coarse = (swept(TransformersEngine(b), pairs, cells, "choice").flatten() for b in (backbone, rounded))
    correlation = float(torch.corrcoef(torch.stack([exact, coarse]))[0, 1])
    assert correlation > 0.97  # rounding may send a token to another expert
