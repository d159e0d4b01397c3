"""`bipo`: bi-directional preference optimisation, one vector for both directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from trimtab.vectors.training.base import CompletionScores, Push, TrainedAggregation, add
from trimtab.vectors.training.settings import TrainingSettings


@dataclass(frozen=True)
class BiPOSettings(TrainingSettings):
    """Settings of `bipo`; β, weight decay, batch and schedule are those of the paper's code."""

    batch_size: int = 4
    weight_decay: float = 0.05
    warmup: int = 5
    schedule: str = "cosine"
    beta: float = 0.1
    """β of direct preference optimisation: how far the preference may move from the unsteered model's."""


class BiPO(TrainedAggregation):
    """Minimise −E_d log σ(d·β·[Δ⁺(d) − Δ⁻(d)]) over d ∈ {1, −1} (Cao et al. 2024, section 3.2).

    Δ(d) = log p(y; h + d·v) − log p(y; h) is how much a completion gains. Each step takes both directions, where the
    paper draws one: the same expectation with less noise. So +α is trained for the positive completions and −α for the
    negative ones. The paper's AdamW has learning rate 5e-4 in the model's own units and 100 steps of warm-up for its
    thousands.
    """

    name = "bipo"
    source = "BiPO, Cao et al. 2024 (2406.00045), section 3.2"
    settings_type = BiPOSettings
    both_ways = True

    def pushes(self, settings: BiPOSettings, factor: float) -> Sequence[Push]:
        """Along v and against it."""
        return (add(1.0), add(-1.0))

    def losses(self, scores: CompletionScores, settings: BiPOSettings) -> Tensor:
        """Mean over both directions, [layers, pairs]."""
        before = scores.unsteered_total(positive=True) - scores.unsteered_total(positive=False)
        found = []
        for push, direction in enumerate((1.0, -1.0)):
            now = scores.total(push, positive=True) - scores.total(push, positive=False)
            found.append(-logsigmoid(direction * settings.beta * (now - before)))
        return torch.stack(found).mean(0)


BIPO = BiPO()
