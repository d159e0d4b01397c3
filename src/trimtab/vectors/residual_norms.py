"""Residual norms of vectors that were made elsewhere: measured at neutral prompts, where a model is at hand."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from trimtab.data import NEUTRAL_PROMPTS, Example
from trimtab.vectors.state_reading import Source
from trimtab.vectors.steering_vector import SteeringVector


def neutral_norms(model: Source) -> Tensor:
    """Mean norm of the residual stream at every layer [n_layers], over the tokens of neutral prompts but the first."""
    examples = [Example(f"neutral-{i}", prompt) for i, prompt in enumerate(NEUTRAL_PROMPTS)]
    texts = [one.read("mean_prompt") for one in model.encode_examples(examples)]
    read = model.states(texts, range(model.facts.layers))
    return torch.stack([states.float().norm(dim=-1).mean(0) for _, states in read]).mean(0)


def with_residual_norms(vector: SteeringVector, model: Source) -> SteeringVector:
    """The vector, with residual norms measured at neutral prompts where it has none; it must fit the model."""
    return vector if vector.residual_norm is not None else replace(vector, residual_norm=neutral_norms(model))
