"""`one_shot`: promotion of given completions and suppression of others, from one pair or a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.vectors.training.base import CompletionScores, Push, TrainedAggregation, add
from trimtab.vectors.training.settings import TrainingSettings

_MIN_UNLIKELY = 1e-6
"""Added to 1 − p, which is 0 in float32 for tokens that are certain."""


@dataclass(frozen=True)
class OneShotSettings(TrainingSettings):
    """Settings of `one_shot`."""

    learning_rate: float = 0.05
    schedule: str = "constant"
    suppression: float = 1.0
    """Weight of the suppression of negative completions; 0 promotes only."""
    target_loss: float = 0.7
    """A layer stops where its loss is below it: by promotion alone, the completion then has half of the probability."""


class OneShot(TrainedAggregation):
    """Minimise −Σ log p(y⁺ₜ) − w Σ log(1 − p(y⁻ₜ)), sums over tokens, under h + v (Dunefsky & Cohan 2025, section 3).

    Negative tokens count from where the two completions part: what both begin with must be neither. v begins as a
    short random direction, is scaled back to the bound after each step, and ends early at a target loss, as in the
    paper, whose Adam has learning rate 0.01 to 0.1 in the model's own units. −v is trained for nothing.
    """

    name = "one_shot"
    source = "Dunefsky & Cohan 2025 (2502.18862), section 3"
    settings_type = OneShotSettings
    starts_at_zero = False
    negative_from_parting = True

    def pushes(self, settings: OneShotSettings, factor: float) -> Sequence[Push]:
        """Along v."""
        return (add(1.0),)

    def losses(self, scores: CompletionScores, settings: OneShotSettings) -> Tensor:
        """Of both completions, [layers, pairs]."""
        unlikely = torch.log(_MIN_UNLIKELY - torch.expm1(scores.steered[:, 0]))
        suppressed = scores.summed(unlikely, positive=False)
        return -scores.total(0, positive=True) - settings.suppression * suppressed

    def is_done(self, loss: float, settings: OneShotSettings) -> bool:
        """Whether the loss is below its target."""
        return loss < settings.target_loss


ONE_SHOT = OneShot()
