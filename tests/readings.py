"""Everything that an engine gives of a model, as tensors by name: for comparing one model in two places."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor

import trimtab as tt
from tiny import random_pairs, vector_for
from trimtab.engines import Scoring
from trimtab.models import Text
from trimtab.steering import steering

PROMPTS = ["hello there", "what is it", "a"]


def readings(model: tt.Model) -> dict[str, Tensor]:
    """States, scores, text scores, replies and steered passes of a tiny model."""
    pairs = random_pairs(5)
    vector = vector_for(model.backbone, layers=model.facts.layers)
    cells = [steering(vector, layer, strength) for layer in (0, 2, 3) for strength in (-0.4, 0.4)]
    texts = [Text(pair.positive, pair.prompt_length) for pair in pairs]
    found: dict[str, Tensor] = {}
    for batch in model.capture(pairs, "last"):
        for place, index in enumerate(batch.indices):
            found[f"capture {index}"] = torch.stack([batch.positive[place], batch.negative[place]])
    for index, states in model.states(texts, range(model.facts.layers)):
        found[f"states {index}"] = states
    for scoring in get_args(Scoring):
        for scored in model.score(pairs, cells, scoring):
            found |= {f"{scoring} {index}": scored.scores[:, i] for i, index in enumerate(scored.indices)}
    for told in model.score_texts(texts, cells):
        found |= {f"log-probability {index}": told.log_prob[:, i] for i, index in enumerate(told.indices)}
        found |= {f"divergence {index}": told.divergence[:, i] for i, index in enumerate(told.indices)}
    found["replies"] = _as_numbers(model.generate(PROMPTS, max_new_tokens=6))
    found["replies by cell"] = _as_numbers(model.generate(PROMPTS, interventions=cells[:3], max_new_tokens=6))
    with model.steer(vector, layer=2, strength=0.4):
        found["replies in a context"] = _as_numbers(model.generate(PROMPTS, max_new_tokens=6))
        if (network := getattr(model.backbone, "model", None)) is not None:
            ids = torch.tensor([pairs[0].positive], device=model.backbone.device)
            with torch.no_grad():
                found["steered pass"] = network(ids, use_cache=False).logits.float().cpu()
    assert any(float(table[0]) != float(table[1]) for name, table in found.items() if name.startswith("text "))
    return found


def _as_numbers(texts: list[str]) -> Tensor:
    return torch.tensor([ord(letter) for letter in "\n".join(texts)])
