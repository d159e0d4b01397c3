"""What every trained method is: a loss over the log-probabilities of completions under pushes along its vector."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from trimtab.errors import SettingError
from trimtab.models import Text
from trimtab.vectors.aggregations.base import Aggregation, Differences
from trimtab.vectors.state_reading import Source
from trimtab.vectors.training.settings import TrainingSettings, read_settings


@dataclass(frozen=True)
class TrainingItem:
    """Completions behind one prompt."""

    texts: tuple[Text, ...]
    """Each with everything before its completion, the positive one first; their tokens count from their own
    `prompt_length` on."""
    prompt_length: int
    """Tokens of the prompt, which positions are counted from."""


Push = Callable[[Tensor, Tensor], Tensor]
"""(states [..., d_model] float32, v [d_model] float32) → states pushed along v, differentiable in v."""


@dataclass(frozen=True, eq=False)
class CompletionScores:
    """Log-probabilities of the tokens of some pairs' completions under pushes at some layers."""

    steered: Tensor
    """[layers, pushes, tokens] float32: at each layer under each push along that layer's vector."""
    unsteered: Tensor
    """[tokens] float32."""
    owners: Tensor
    """Number of each token's pair, [tokens]."""
    positive: Tensor
    """Whether it is a token of the positive completion, [tokens]."""
    pairs: int

    def total(self, push: int, *, positive: bool) -> Tensor:
        """Log-probability of each completion under a push, [layers, pairs]."""
        return self.summed(self.steered[:, push], positive=positive)

    def mean(self, push: int, *, positive: bool) -> Tensor:
        """The same for each token, [layers, pairs]."""
        return self.total(push, positive=positive) / self.lengths(positive=positive)

    def unsteered_total(self, *, positive: bool) -> Tensor:
        """Log-probability of each completion in the unsteered model, [pairs]."""
        return self.summed(self.unsteered[None], positive=positive)[0]

    def lengths(self, *, positive: bool) -> Tensor:
        """Tokens of each completion, [pairs]."""
        return torch.bincount(self.owners[self.positive == positive], minlength=self.pairs)

    def summed(self, values: Tensor, *, positive: bool) -> Tensor:
        """Sums over the tokens of each completion: [layers, tokens] to [layers, pairs]."""
        mine = self.positive == positive
        found = values.new_zeros(len(values), self.pairs)
        return found.index_add(1, self.owners[mine], values[:, mine])


class TrainedAggregation(Aggregation):
    """A method whose vector is trained on the model itself, layer by layer, and is no function of state differences.

    Instances hold no state. A method from elsewhere sets the class variables, `pushes` and `losses`.
    """

    length = "bound"
    trained = True
    settings_type: ClassVar[type[TrainingSettings]] = TrainingSettings
    uses_negative: ClassVar[bool] = True
    """Whether the negative completions are run, too."""
    negative_from_parting: ClassVar[bool] = False
    """Whether of negative completions only that counts which the positive one does not begin with, too."""
    both_ways: ClassVar[bool] = False
    """Whether the push along −v was trained for the opposite behavior. If not, nothing is known of −α."""
    starts_at_zero: ClassVar[bool] = True
    """Whether v begins as zeros; if not, as a random direction that is short."""

    @abstractmethod
    def pushes(self, settings: Any, factor: float) -> Sequence[Push]:
        """The pushes under which the completions are scored in a step; `factor` is that of `factor_at`."""

    @abstractmethod
    def losses(self, scores: CompletionScores, settings: Any) -> Tensor:
        """What is minimised, for each layer and pair: [layers, pairs]."""

    def factor_at(self, settings: Any, drawn: float) -> float:
        """Strength of a step's pushes, from a number drawn uniformly from [0, 1); held-back pairs are pushed by 1."""
        return 1.0

    def is_done(self, loss: float, settings: Any) -> bool:
        """Whether a layer stops because its loss on a batch is low enough."""
        return False

    def settings(self, given: Mapping[str, Any]) -> TrainingSettings:
        """The settings of this method, from some values by name.

        Raises:
            SettingError: For a name that it does not have, or a value that cannot be.
        """
        return read_settings(self.settings_type, given, self.name)

    def directions(self, differences: Differences, seed: int) -> Tensor:
        """Refused: differences of states are not enough.

        Raises:
            SettingError: Always.
        """
        raise SettingError(
            f"method {self.name}: it is trained on the model and cannot be computed from differences of states; use "
            f"trimtab.extract(model, pairs, method={self.name!r})"
        )

    def require_sets(self) -> None:
        """Refuse lists without pairs.

        Raises:
            SettingError: Always.
        """
        raise self.needs_completions("sets")

    def needs_completions(self, shape: str) -> SettingError:
        """The error for a contrast of another shape."""
        return SettingError(
            f"method {self.name}: it is trained to make given completions likely, and a contrast of {shape} has no "
            "pairs of completions; use a method of state differences, such as mean, or write pairs"
        )


@dataclass(frozen=True)
class TrainingPart:
    """A part of a batch that is run and differentiated at once."""

    items: tuple[int, ...]
    """Numbers of its items, in order."""
    layers: tuple[int, ...]
    """Layers that are trained in it, lowest first."""


class GradientPasses(Protocol):
    """Passes of a model through which vectors can be differentiated, over fixed items.

    The tokens of an item are those of its completions, text by text.
    """

    def parts(self, items: Sequence[int], layers: Sequence[int], pushes: int) -> list[TrainingPart]:
        """Divide a batch into parts that fit into memory."""
        ...

    def log_probs(self, part: TrainingPart, vectors: Tensor, pushes: Sequence[Push]) -> Tensor:
        """Log-probability of every token, [layers, pushes, tokens] float32; differentiable in `vectors` [layers, d]."""
        ...

    def unsteered(self, items: Sequence[int]) -> Tensor:
        """Log-probability of every token in the unsteered model, [tokens] float32."""
        ...


class Trainable(Source, Protocol):
    """What training needs of a model."""

    def gradient_passes(self, items: Sequence[TrainingItem], positions: str, first_token: bool) -> GradientPasses:
        """Passes over items, pushed at these positions.

        Raises:
            SettingError: Where the engine computes no gradients.
        """
        ...


def add(factor: float) -> Push:
    """The push h + factor·v."""
    return lambda states, vector: states + factor * vector


def remove(states: Tensor, vector: Tensor) -> Tensor:
    """The push h − (h·v̂) v̂, which removes the direction."""
    axis = vector / vector.norm().clamp_min(torch.finfo(torch.float32).tiny)
    found: Tensor = states - (states @ axis)[..., None] * axis
    return found
