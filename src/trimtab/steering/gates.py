"""Gates: a push only where a linear probe of the state says so.

At a pushed layer the probe of that layer reads the residual stream of a token before anything is pushed there, and the
push is applied where its probability is above a threshold. Same layer, same token: whether a token is pushed follows
from its hidden state alone, so caches, batches and the one-pass sweep stay exact.

A `PromptGate` is decided once instead, on the prompt as the unsteered model reads it, for the whole text (conditional
activation steering, arXiv 2409.05907).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from trimtab.errors import SettingError


class Condition(NamedTuple):
    """What a gate asks of the state of a token at one layer."""

    weight: Tensor
    """w [d_model], or one for each token [..., d_model]; float32."""
    bias: float | Tensor
    """b less the threshold's logit, or one for each token [...]. The condition holds where w·h + b is above 0."""

    def holds(self, hidden: Tensor) -> Tensor:
        """Which tokens fulfil it: boolean [...] for states [..., d_model] of any float type, worked out in float32."""
        bias = self.bias.to(hidden.device) if isinstance(self.bias, Tensor) else self.bias
        met: Tensor = (hidden.float() * self.weight.to(hidden.device)).sum(-1) + bias > 0
        return met


class Decided(NamedTuple):
    """A condition that has been decided for each row of a batch, whatever its tokens are."""

    opens: Tensor
    """Boolean [rows]."""

    def holds(self, hidden: Tensor) -> Tensor:
        """The decision at each token: boolean [rows, tokens] for states [rows, tokens, d_model]."""
        met: Tensor = self.opens.to(hidden.device)[:, None].expand(hidden.shape[:-1])
        return met


@dataclass(frozen=True, eq=False)
class Gate:
    """A linear probe for each of some layers, and the probability above which a push goes through."""

    weight: Mapping[int, Tensor]
    """Layer → w [d_model]. The probe's probability at a state h is 1 / (1 + exp(−(w·h + b)))."""
    bias: Mapping[int, float]
    threshold: float = 0.5
    """0 lets every push through, 1 none."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        if not 0 <= self.threshold <= 1:
            raise SettingError(f"threshold {self.threshold} is not a probability; give a number from 0 to 1")
        if set(self.weight) != set(self.bias):
            raise SettingError("a gate needs a weight and a bias for each of its layers")
        for layer, weight in self.weight.items():
            if weight.dim() != 1 or not (bool(torch.isfinite(weight).all()) and math.isfinite(self.bias[layer])):
                raise SettingError(f"the gate's probe at layer {layer} is not a direction and a bias of finite numbers")

    def __repr__(self) -> str:
        """In one line, without the probes."""
        layers = ", ".join(map(str, sorted(self.weight)))
        return f"Gate(layer{'s' * (len(self.weight) > 1)} {layers}: threshold {self.threshold:g})"

    def require_probe(self, layer: int, width: int) -> None:
        """Refuse a pushed layer that the gate cannot read.

        Raises:
            SettingError: when it has no probe there, or one of another width.
        """
        if layer not in self.weight:
            raise SettingError(f"the gate has no probe at layer {layer}, so it cannot tell when to push there")
        if len(self.weight[layer]) != width:
            raise SettingError(
                f"the gate's probe at layer {layer} is {len(self.weight[layer])} wide, the direction {width}; "
                "both must come from the same model"
            )

    def condition(self, layer: int) -> Condition:
        """What it asks at a layer, threshold included."""
        t = self.threshold
        bar = math.log(t / (1 - t)) if 0 < t < 1 else math.copysign(math.inf, t - 0.5)
        return Condition(self.weight[layer].float(), self.bias[layer] - bar)


@dataclass(frozen=True, eq=False)
class PromptGate:
    """A condition on the prompt: a text is pushed throughout where it holds, and not at all where it does not.

    It is decided on the states of the unsteered model, by w·h + b > 0, with h the mean state of the prompt's tokens
    behind the first one (the attention sink), or the state of its last token.
    """

    layer: int
    """Behind which layer the prompt is read; any, whichever layers are pushed."""
    weight: Tensor
    """w [d_model]."""
    bias: float
    read: Literal["mean", "last"] = "mean"
    opens_where: str = "projects above a bound"
    """What a prompt has to fulfil, in words: as in "only where the prompt scores above 0.5 for polite"."""

    def __post_init__(self) -> None:
        """Refuse values that are out of range or contradict each other."""
        if self.read not in ("mean", "last"):
            raise SettingError(f"read {self.read!r} is unknown; a prompt is read by its mean or last state")
        if self.layer < 0:
            raise SettingError(f"layer {self.layer} is out of range: layers count from 0")
        if self.weight.dim() != 1 or not (bool(torch.isfinite(self.weight).all()) and math.isfinite(self.bias)):
            raise SettingError("the gate on the prompt is not a direction and a bias of finite numbers")

    @classmethod
    def along(
        cls, direction: Tensor, layer: int, threshold: float, *, read: Literal["mean", "last"] = "mean"
    ) -> PromptGate:
        """Open where the prompt's projection on a direction is above a threshold: h·v̂ > threshold.

        Args:
            direction: v [d_model], such as a condition vector's at `layer`; for prompts below a threshold give −v and
                −threshold.
            layer: behind which layer the prompt is read.
            threshold: in the units of the states.
            read: `mean` or `last`.

        Raises:
            SettingError: for a direction of zeros, or values that are not finite.
        """
        if not bool(direction.any()):
            raise SettingError("the direction of the gate on the prompt is zero: nothing can be projected on it")
        return cls(layer, direction.float() / direction.float().norm(), -float(threshold), read)

    def __repr__(self) -> str:
        """In one line, without the weights."""
        return f"PromptGate(layer {self.layer}: {self.read} state)"

    def __str__(self) -> str:
        """In words, behind what is pushed."""
        return f"only where the prompt {self.opens_where} (its {self.read} state, layer {self.layer})"

    @property
    def content_hash(self) -> str:
        """Of everything that decides, threshold included."""
        about = json.dumps([self.layer, float(self.bias).hex(), self.read]).encode()
        weight = self.weight.detach().float().cpu().contiguous().numpy().tobytes()
        return hashlib.sha256(about + weight).hexdigest()[:16]

    def require_width(self, width: int) -> None:
        """Refuse states of another width.

        Raises:
            SettingError: with both widths.
        """
        if len(self.weight) != width:
            raise SettingError(
                f"the gate on the prompt is {len(self.weight)} wide, the direction {width}; both must come from the "
                "same model"
            )

    def opens(self, states: Tensor) -> bool:
        """Whether a prompt opens it, from the states of its tokens behind the first one, [tokens, d_model]."""
        state = states[-1].double() if self.read == "last" else states.double().mean(0)
        return float(state.cpu() @ self.weight.double().cpu()) + self.bias > 0


def require_readable(prompt: Sequence[int]) -> None:
    """Refuse a prompt of a single token: it is the attention sink, whose state says nothing.

    Raises:
        SettingError: for such a prompt.
    """
    if len(prompt) < 2:
        raise SettingError("a gate on the prompt reads the tokens behind its first, and this prompt has only one token")
