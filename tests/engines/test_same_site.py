"""Reading at site ℓ and writing at site ℓ agree, the last layer included."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tiny import random_pairs
from trimtab.engines import TransformersEngine
from trimtab.models import Backbone, EncodedPair
from trimtab.steering import Intervention, steered

PROMPT = random_pairs(1)[0].positive[:12]
PAIR = EncodedPair("ab", (*PROMPT, 100), (*PROMPT, 200), len(PROMPT), len(PROMPT))
"""Two runs, a and b, that part in their last token."""


@torch.no_grad()
def last_logits(backbone: Backbone, tokens: tuple[int, ...]) -> Tensor:
    logits: Tensor = backbone.model(torch.tensor([tokens]), use_cache=False).logits[0, -1]
    return logits


@pytest.mark.parametrize("layer", range(4))
def test_adding_a_minus_b_to_run_b_gives_the_logits_of_run_a(backbone: Backbone, layer: int) -> None:
    (states,) = TransformersEngine(backbone).capture([PAIR], "last")
    step = Intervention({layer: (states.positive - states.negative)[0, layer]}, 1.0, "raw", "generated")
    run_a, run_b = (last_logits(backbone, tokens) for tokens in (PAIR.positive, PAIR.negative))
    with steered(backbone, [step], [len(PROMPT)]):
        steered_b = last_logits(backbone, PAIR.negative)
    torch.testing.assert_close(steered_b, run_a, atol=1e-4, rtol=1e-4)
    assert float((run_a - run_b).abs().max()) > 0.1
