"""What every scale is: how the residual stream of a token is pushed along a direction by a strength."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor


class Scale(ABC):
    """The meaning of a strength α. Instances hold no state: one serves every model and thread."""

    name: ClassVar[str]
    formula: ClassVar[str]
    """What h becomes, for the docs."""
    source: ClassVar[str]
    """Where it comes from, for the docs."""
    length: ClassVar[Literal["vector", "residual"] | None] = None
    """What a push of strength 1 is as long as: the vector, or the residual stream of the token. None: neither, the
    length depends on the state. With a length, the push is `h + amount·direction` and the amount α, or α·‖h‖."""
    normalizes: ClassVar[bool] = True
    """Whether only the direction of v counts, so that a zero vector cannot be pushed along even at strength 0."""
    shares_strength: ClassVar[bool] = True
    """Whether several layers can share a strength, each pushed by its part."""
    may_rest: ClassVar[bool] = False
    """Whether a push may rightly change no state, as where a projection has its value already."""
    usual_strength: ClassVar[float] = 1.0
    """The strength that is taken where none is given; sweeps take it with both signs."""
    usual_range: ClassVar[tuple[float, float] | None] = None
    """Sizes of strengths that are usual, from and up to, where they are multiples of each state's length; None: they
    depend on the vector and the layer, or nothing is known."""
    needs: ClassVar[tuple[str, ...]] = ()
    """What it has to know of a vector besides its direction: names of `trimtab.vectors.STATISTICS`."""
    per_neuron: ClassVar[bool] = False
    """Whether it pushes each neuron by its own map and not along a direction, so that `aim` gives [2·d_model], and
    directions of other methods, or drawn at random, would be no comparison."""
    calibrated: ClassVar[bool] = False
    """Whether its strengths must be translated for each model first; such a scale cannot push."""
    pushed_as: ClassVar[str] = ""
    """Of a calibrated scale, the scale of the strengths that its own are translated to."""
    in_nats: ClassVar[bool] = False
    """Whether its strengths are doses, found on neutral prompts."""

    def check(self, strength: float) -> None:  # noqa: B027  # most scales take every strength
        """Refuse a strength that this scale cannot push by.

        Raises:
            SettingError: With the reason.
        """

    def aim(self, direction: Tensor, strength: float, **statistics: Tensor) -> tuple[Tensor, float]:
        """Direction and strength as `push` takes them: what does not depend on h, computed once.

        Args:
            direction: v [d_model].
            strength: α.
            statistics: what the scale `needs`, by name, of the pushed layer, [d_model] each; none else.

        Returns:
            By default v̂ in float32, and α. Of a scale that is `per_neuron`, [2·d_model] in place of v̂.
        """
        return unit(direction), strength

    def amount(self, hidden: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """How much of the direction is added to each token, [...]: α, or α·‖h‖, and 0 at tokens that are not marked.

        Only of scales with a `length`: their pushes are `h + amount·direction`.

        Args:
            hidden: The states that the push is measured on [..., d_model].
            strength: From `aim`, or one for each token [...].
            steered: True where a token is pushed [...].
        """
        amount = steered.float() * strength
        if self.length == "vector":
            return amount
        length: Tensor = torch.linalg.vector_norm(hidden, dim=-1, dtype=torch.float32)
        return amount * length

    @abstractmethod
    def push(self, hidden: Tensor, direction: Tensor, strength: float | Tensor, steered: Tensor) -> Tensor:
        """Push the tokens that `steered` marks. Each row is pushed independently of the others in its batch.

        Args:
            hidden: Residual stream [..., d_model], any float type.
            direction: From `aim`, or one for each token [..., d_model]; float32.
            strength: From `aim`, or one for each token [...].
            steered: True where a token is pushed, [...] as `hidden` without its last dimension.

        Returns:
            A new tensor like `hidden`; unmarked tokens keep their exact values.
        """


def unit(direction: Tensor) -> Tensor:
    """v̂ = v / ‖v‖ in float32, over the last dimension."""
    normed: Tensor = direction.float() / direction.float().norm(dim=-1, keepdim=True)
    return normed


def add(hidden: Tensor, amount: Tensor, direction: Tensor) -> Tensor:
    """H + amount·direction in the type of h: amounts [...], states [..., d_model]."""
    return hidden + (amount.unsqueeze(-1) * direction).to(hidden.dtype)
