"""Following given texts: how likely they are in every cell, and how far its distributions are from the unsteered."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import oracle
from sweeps import TOLERANCE, make_cells
from tiny import random_pairs
from trimtab.engines import TransformersEngine
from trimtab.errors import DataError
from trimtab.models import Backbone, Text
from trimtab.steering import Intervention, Positions


def texts(count: int = 4) -> list[Text]:
    return [Text(pair.positive, pair.prompt_length) for pair in random_pairs(count)]


def followed(engine: TransformersEngine, wanted: list[Text], cells: list[Intervention]) -> tuple[Tensor, Tensor]:
    log_prob = torch.full((1 + len(cells), len(wanted)), torch.nan)
    divergence = torch.full((len(cells), len(wanted)), torch.nan)
    for found in engine.score_texts(wanted, cells):
        log_prob[:, found.indices] = found.log_prob
        divergence[:, found.indices] = found.divergence
    return log_prob, divergence


def slowly(backbone: Backbone, text: Text, cell: Intervention | None) -> Tensor:
    """Log-probabilities [tokens behind the prompt, vocabulary]."""
    logits, _ = oracle.forward(backbone, text.tokens, cell, text.prompt_length)
    return logits[text.prompt_length - 1 : -1].double().log_softmax(-1)


@pytest.mark.parametrize("positions", ["all", "after_prompt", "generated"])
def test_it_equals_the_slow_loop(backbone: Backbone, positions: Positions) -> None:
    wanted, cells = texts(), make_cells(backbone, positions)[3:9]
    log_prob, divergence = followed(TransformersEngine(backbone), wanted, cells)
    for column, text in enumerate(wanted):
        plain = slowly(backbone, text, None)
        behind = torch.tensor(text.tokens[text.prompt_length :])[:, None]
        assert log_prob[0, column].item() == pytest.approx(plain.gather(1, behind).mean().item(), abs=TOLERANCE)
        for row, cell in enumerate(cells):
            moved = slowly(backbone, text, cell)
            expected = (moved.exp() * (moved - plain)).sum(-1).mean().item()
            assert divergence[row, column].item() == pytest.approx(expected, abs=TOLERANCE)
            assert log_prob[1 + row, column].item() == pytest.approx(
                moved.gather(1, behind).mean().item(), abs=TOLERANCE
            )
    assert divergence.max() > 100 * TOLERANCE


def test_without_cells_only_the_unsteered_model_follows(llama: Backbone) -> None:
    wanted = texts()
    log_prob, divergence = followed(TransformersEngine(llama), wanted, [])
    with_cells, _ = followed(TransformersEngine(llama), wanted, make_cells(llama)[:2])
    assert divergence.shape == (0, len(wanted))
    torch.testing.assert_close(log_prob, with_cells[:1], atol=TOLERANCE, rtol=0)


def test_a_strength_of_zero_diverges_by_nothing(llama: Backbone) -> None:
    cells = [Intervention({1: torch.ones(llama.facts.width)}, 0.0)]
    _, divergence = followed(TransformersEngine(llama), texts(), cells)
    assert divergence.abs().max() < 1e-9


def test_a_text_without_anything_behind_its_prompt_is_refused() -> None:
    with pytest.raises(DataError, match="at least one token behind"):
        Text((1, 2, 3), 3)
