"""`reps`: reference-free preference steering, a vector that promotes when added and suppresses when removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import logsigmoid

from trimtab.errors import SettingError
from trimtab.vectors.training.base import CompletionScores, Push, TrainedAggregation, add, remove
from trimtab.vectors.training.settings import TrainingSettings


@dataclass(frozen=True)
class RePSSettings(TrainingSettings):
    """Settings of `reps`."""

    least_factor: float = 0.5
    """Steps push by a strength between this one, drawn anew each time, …"""
    most_factor: float = 1.5
    """… and this one, so that the vector does not serve a single strength only."""

    def __post_init__(self) -> None:
        """Refuse factors that are no range."""
        super().__post_init__()
        if not 0 < self.least_factor <= self.most_factor:
            raise SettingError(
                f"training: least_factor is {self.least_factor:g} and most_factor {self.most_factor:g}; the first must "
                "be above 0 and no larger than the second"
            )


class RePS(TrainedAggregation):
    """Minimise −log σ(Δ⁺) − log σ(Δ⁻) (RePS, Wu et al. 2025, section 3), with log p⁺, log p⁻ of the two completions.

    Δ⁺ = β⁺/|y⁺|·log p⁺ − 1/|y⁻|·log p⁻ under h + f·v, β⁺ = max(log p⁻ − log p⁺ of the unsteered model, 1);
    Δ⁻ = β⁻/|y⁻|·log p⁻ − 1/|y⁺|·log p⁺ with the direction removed, h − (h·v̂)v̂, β⁻ = max(log p⁺ − log p⁻, 1).
    The factor f is drawn in each step, as in the paper, around the strength 1 at which bounded vectors are used. So
    trained are +α and the scale `project_out`; −α is trained for nothing.
    """

    name = "reps"
    source = "RePS, Wu et al. 2025 (2505.20809), section 3"
    settings_type = RePSSettings
    starts_at_zero = False

    def factor_at(self, settings: RePSSettings, drawn: float) -> float:
        """Between the least and the most."""
        return settings.least_factor + (settings.most_factor - settings.least_factor) * drawn

    def pushes(self, settings: RePSSettings, factor: float) -> Sequence[Push]:
        """Along v, and v removed."""
        return (add(factor), remove)

    def losses(self, scores: CompletionScores, settings: RePSSettings) -> Tensor:
        """Of both interventions, [layers, pairs]."""
        gap = scores.unsteered_total(positive=True) - scores.unsteered_total(positive=False)
        more, less = (-gap).clamp_min(1.0), gap.clamp_min(1.0)
        up = more * scores.mean(0, positive=True) - scores.mean(0, positive=False)
        down = less * scores.mean(1, positive=False) - scores.mean(1, positive=True)
        return -logsigmoid(up) - logsigmoid(down)


REPS = RePS()
