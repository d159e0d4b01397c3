"""States are read behind each decoder layer, before the final norm, at the token that was asked for."""

from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor

import oracle
from sweeps import padded, with_budget
from tiny import random_pairs
from trimtab.engines import TransformersEngine
from trimtab.errors import DataError
from trimtab.models import Backbone, EncodedPair, TokenPosition


def assert_same_states(states: Tensor, expected: Tensor) -> None:
    """Equal up to float32 rounding, measured against the norm of each state."""
    error = (states - expected).norm(dim=-1) / expected.norm(dim=-1)
    assert float(error.max()) < 5e-5


def captured(engine: TransformersEngine, pairs: list[EncodedPair], where: TokenPosition) -> Tensor:
    """[2, pairs, n_layers, d_model], positive first."""
    facts = engine.backbone.facts
    states = torch.full((2, len(pairs), facts.layers, facts.width), torch.nan)
    for batch in engine.capture(pairs, where):
        states[:, batch.indices] = torch.stack([batch.positive, batch.negative])
    return states


def read_by_hand(backbone: Backbone, pair: EncodedPair, where: TokenPosition) -> Tensor:
    rows = []
    for text in (pair.positive, pair.negative):
        states = oracle.forward(backbone, text)[1]
        start, end = {
            "answer": (pair.shared, pair.shared + 1),
            "last": (len(text) - 1, len(text)),
            "mean_completion": (pair.prompt_length, len(text)),
        }[where]
        rows.append(states[:, start:end].mean(1))
    return torch.stack(rows)


# Thinking and what is behind it: tests/models/test_thinking_markers.py.
@pytest.mark.parametrize(
    "where", [one for one in get_args(TokenPosition) if one not in ("mean_thinking", "mean_response")]
)
def test_captured_states_are_those_of_the_slow_loop(backbone: Backbone, where: TokenPosition) -> None:
    pairs = random_pairs()
    expected = torch.stack([read_by_hand(backbone, pair, where) for pair in pairs], dim=1)
    assert_same_states(captured(TransformersEngine(backbone), pairs, where), expected)


@pytest.mark.parametrize("limits", [{"tokens": 1}, {"row_tokens": 1}, {"row_tokens": 1 << 12}])
def test_any_budget_captures_the_same(backbone: Backbone, limits: dict[str, int]) -> None:
    pairs = random_pairs()
    expected = captured(TransformersEngine(backbone), pairs, "mean_completion")
    states = captured(with_budget(backbone, **limits), pairs, "mean_completion")
    assert_same_states(states, expected)


def test_packed_trees_and_padded_rows_capture_the_same(backbone: Backbone) -> None:
    pairs = random_pairs()
    expected = captured(padded(backbone), pairs, "last")
    assert_same_states(captured(TransformersEngine(backbone), pairs, "last"), expected)


def test_the_state_behind_the_last_layer_is_not_normed(backbone: Backbone) -> None:
    """transformers' `hidden_states[-1]` is behind the final norm; the site is in front of it."""
    pair = random_pairs(1)[0]
    last = captured(TransformersEngine(backbone), [pair], "last")[0, 0, -1]
    output = backbone.model(torch.tensor([pair.positive]), output_hidden_states=True, use_cache=False)
    normed = output.hidden_states[-1][0, -1]
    torch.testing.assert_close(backbone.anatomy.final_norm(last[None])[0], normed, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(last, normed, atol=1e-2)


def test_an_answer_that_begins_the_other_has_no_token_to_read(llama: Backbone) -> None:
    pair = EncodedPair("short", (5, 6, 7, 8), (5, 6, 7, 8, 9), 3, 4)
    with pytest.raises(DataError, match="pair short: one completion is the beginning of the other"):
        captured(TransformersEngine(llama), [pair], "answer")


def test_first_token_norm_is_that_of_the_sequences_first_tokens(backbone: Backbone) -> None:
    pairs = [EncodedPair("a", (5, 6, 7), (5, 6, 8), 1, 2), EncodedPair("b", (9, 6, 7), (9, 6, 8), 1, 2)]
    expected = torch.stack([oracle.forward(backbone, p.positive)[1][:, 0].norm(dim=1) for p in pairs]).mean(0)
    torch.testing.assert_close(TransformersEngine(backbone).first_token_norm(pairs), expected, rtol=1e-4, atol=1e-4)
