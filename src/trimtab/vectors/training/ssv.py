"""`ssv`: the supervised steering vector, maximum likelihood of the positive completions."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from trimtab.vectors.training.base import CompletionScores, Push, TrainedAggregation, add
from trimtab.vectors.training.settings import TrainingSettings


class SupervisedVector(TrainedAggregation):
    """Minimise −(1/|y⁺|) log p(y⁺ | x; h + v), averaged over the pairs (AxBench, Wu et al. 2025, section 3, SSV).

    The negative completions are not used, and −v is trained for nothing. The paper trains with AdamW, learning rate
    0.01 in the model's own units, 3 epochs of batches of 6, falling linearly; here rates are in units of the residual
    stream, and the mean is over each completion first, so that long ones do not count more.
    """

    name = "ssv"
    source = "AxBench, Wu et al. 2025 (2501.17148), section 3"
    uses_negative = False

    def pushes(self, settings: TrainingSettings, factor: float) -> Sequence[Push]:
        """Along v."""
        return (add(1.0),)

    def losses(self, scores: CompletionScores, settings: TrainingSettings) -> Tensor:
        """Negative log-likelihood of a token of the positive completion, [layers, pairs]."""
        return -scores.mean(0, positive=True)


SSV = SupervisedVector()
