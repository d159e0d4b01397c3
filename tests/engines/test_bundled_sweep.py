"""The bundled model, real text: the sweep equals hooks."""

from __future__ import annotations

import pytest
import torch

from sweeps import TOLERANCE, hooked, mode_of, swept
from trimtab.data import Form, Pair
from trimtab.engines import TransformersEngine
from trimtab.models import Backbone, encode_pair
from trimtab.steering import Intervention, Positions

PAIRS = [
    Pair("sea", "Should the ship turn now?", "Yes, turn.", "No, wait.", ("Yes, turn.", "No, wait.")),
    Pair("tea", "Is there tea left for the two of us?", "There is.", "None at all.", ("None at all.", "There is.")),
]


@pytest.fixture(scope="module")
def engine(smol: Backbone) -> TransformersEngine:
    return TransformersEngine(smol)


def test_the_bundled_model_shares_beginnings(engine: TransformersEngine) -> None:
    pairs = [encode_pair(engine.backbone.tokenizer, pair, "text") for pair in PAIRS]
    assert mode_of(engine, pairs) == "packed"


@pytest.mark.parametrize(
    ("form", "positions"), [("choice", "all"), ("choice", "after_prompt"), ("text", "all"), ("text", "generated")]
)
def test_sweep_equals_hooks_on_the_bundled_model(engine: TransformersEngine, form: Form, positions: Positions) -> None:
    source = torch.Generator().manual_seed(0)
    directions = torch.randn(30, engine.backbone.facts.width, generator=source)
    cells = [Intervention({10: directions[10]}, 0.2, "relative", positions)]
    cells.append(Intervention({20: directions[20], 29: directions[29]}, -2.0, "raw", positions))
    pairs = [encode_pair(engine.backbone.tokenizer, pair, form) for pair in PAIRS]
    table = swept(engine, pairs, cells, form)
    torch.testing.assert_close(table, hooked(engine, pairs, cells, form), atol=TOLERANCE, rtol=0)
    assert bool(((table[1:] - table[0]).abs() > 0.01).all())


def test_the_first_token_is_an_attention_sink(engine: TransformersEngine) -> None:
    """Why a relative push leaves it alone: its norm is many times that of the others."""
    pairs = [encode_pair(engine.backbone.tokenizer, pair, "choice") for pair in PAIRS]
    (states,) = engine.capture(pairs, "last")
    ratio = engine.first_token_norm(pairs)[15] / states.positive[:, 15].norm(dim=-1).mean()
    assert float(ratio) > 10
