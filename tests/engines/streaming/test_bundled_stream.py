"""The bundled model, streamed from its files: a sweep is bit-identical, and each layer is read once for it."""

from __future__ import annotations

import pytest
import torch

from sweeps import swept
from trimtab.data import Pair
from trimtab.engines import TransformersEngine
from trimtab.models import Backbone, encode_pair, load_backbone
from trimtab.steering import Intervention

pytestmark = pytest.mark.bundled
PAIRS = [
    Pair("sea", "Should the ship turn now?", "Yes, turn.", "No, wait.", ("Yes, turn.", "No, wait.")),
    Pair("tea", "Is there tea left for the two of us?", "There is.", "None at all.", ("None at all.", "There is.")),
]


def test_a_streamed_sweep_of_the_bundled_model_is_bit_identical(smol: Backbone) -> None:
    streamed = load_backbone(dtype="float32", stream=True)
    assert streamed.stream is not None
    source = torch.Generator().manual_seed(0)
    directions = torch.randn(30, smol.facts.width, generator=source)
    cells = [Intervention({layer: directions[layer]}, 0.2, "relative", "after_prompt") for layer in (10, 20, 29)]
    pairs = [encode_pair(smol.tokenizer, pair, "text") for pair in PAIRS]
    swept(TransformersEngine(streamed), pairs, cells, "text")  # whatever has to be tried of the model has been
    before = list(streamed.stream.reads)
    found = swept(TransformersEngine(streamed), pairs, cells, "text")
    assert [now - then for now, then in zip(streamed.stream.reads, before, strict=True)] == [1] * 30
    assert torch.equal(found, swept(TransformersEngine(smol), pairs, cells, "text"))
