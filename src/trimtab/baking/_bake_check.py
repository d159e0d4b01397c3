"""How far the logits of a baked model are from those of the steered one, text by text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trimtab.data.neutral import NEUTRAL_PROMPTS, NEUTRAL_TEXTS
from trimtab.errors import ModelError
from trimtab.models import Backbone, load_backbone
from trimtab.models.eager import inference
from trimtab.steering import SteeringSetting

if TYPE_CHECKING:
    from trimtab.engines import Model
    from trimtab.vectors import SteeringVector

TEXTS = 6
REPLY_TOKENS = 32
EXACT = 1e-4
"""Between logits in float32; of those above 10, a tenth of it relatively."""
ROUNDED = 0.02
"""In 16 bits the bias is rounded, and what the push does with it: by this share of the push's own effect at most."""


@dataclass(frozen=True)
class BakeCheck:
    """What was compared, in float32, on prompts that no behavior is about, each with a text behind it."""

    texts: int
    tokens: int
    largest: float
    """Largest difference between logits of the baked model and of the steered one."""
    allowed: float
    """What `largest` may be."""
    effect: float
    """Largest difference between logits of the steered model and of the plain one."""
    asked_effect: float
    """KL divergence of the plain model from what was asked for, mean nats a token."""
    from_asked: float
    """KL divergence of the baked model from what was asked for, mean nats a token: what becoming a constant costs."""

    def require_equal(self) -> None:
        """Refuse a baked model that does something else than steering does.

        Raises:
            ModelError: With both numbers.
        """
        if not self.effect > 10 * EXACT:
            raise ModelError(
                f"this push changes no logit by more than {self.effect:.1e}, so a baked model could not be "
                "distinguished from a plain one; choose a larger strength or another layer"
            )
        if not self.largest <= self.allowed:
            raise ModelError(
                f"the baked model's logits differ from the steered one's by up to {self.largest:.2g}, where "
                f"{self.allowed:.2g} would be rounding and the push itself changes them by {self.effect:.2g}; "
                "nothing was written"
            )


@dataclass(frozen=True)
class Asked:
    """The steering that was asked for."""

    layers: tuple[int, ...]
    strength: float
    setting: SteeringSetting


def check_baked(
    model: Model, folder: Path, vector: SteeringVector, pushes: Mapping[int, Tensor], asked: Asked, *, rounded: bool
) -> BakeCheck:
    """Load a folder and compare it with steering.

    Args:
        model: What was baked, in float32.
        folder: With the baked model.
        vector: What it was made from.
        pushes: Layer → what was added behind it [d_model].
        asked: As it would be steered without baking.
        rounded: Whether the folder's weights have 16 bits.
    """
    backbone = model.backbone
    assert isinstance(backbone, Backbone)
    baked = load_backbone(str(folder), dtype="float32", device=str(backbone.device), stream=False)
    added = torch.zeros_like(vector.direction)
    for layer, push in pushes.items():
        added[layer] = push
    exact = {"layer": list(pushes), "strength": 1.0, "scale": "raw", "first_token": True}
    as_asked = {"layer": list(asked.layers), "strength": asked.strength, "scale": asked.setting.scale,
                "share_strength": asked.setting.share_strength, "first_token": asked.setting.first_token}  # fmt: skip
    largest = effect = scale = 0.0
    diverged: list[tuple[float, float, int]] = []
    texts = list(check_texts(model))
    for ids in texts:
        plain = logits_of(backbone, ids)
        with model.steer(replace(vector, direction=added), **exact):  # type: ignore[arg-type]
            steered = logits_of(backbone, ids)
        with model.steer(vector, **as_asked):  # type: ignore[arg-type]
            wanted = logits_of(backbone, ids)
        found = logits_of(baked, ids)
        largest = max(largest, float((found - steered).abs().max()))
        effect = max(effect, float((steered - plain).abs().max()))
        scale = max(scale, float(steered.abs().max()))
        diverged.append((divergence(wanted, plain), divergence(wanted, found), ids.shape[1] - 1))
    allowed = max(EXACT, scale * EXACT / 10) + ROUNDED * effect * rounded
    tokens = sum(count for _, _, count in diverged)
    return BakeCheck(
        len(texts), tokens, largest, allowed, effect,
        sum(kl for kl, _, _ in diverged) / tokens, sum(kl for _, kl, _ in diverged) / tokens,
    )  # fmt: skip


def check_texts(model: Model) -> Iterator[Tensor]:
    """Token ids [1, tokens]: a prompt as the model is asked, and the beginning of a text behind it."""
    tokenizer: Any = model.backbone.tokenizer
    for prompt, text in zip(NEUTRAL_PROMPTS[:TEXTS], NEUTRAL_TEXTS[:TEXTS], strict=True):
        behind = tokenizer(text, add_special_tokens=False)["input_ids"][:REPLY_TOKENS]
        yield torch.tensor([[*model.tokens(prompt), *behind]], device=model.backbone.device)


def logits_of(backbone: Backbone, ids: Tensor) -> Tensor:
    """[tokens, vocabulary] in float32."""
    with inference(backbone.model):
        logits: Tensor = backbone.model(input_ids=ids, use_cache=False).logits[0].float()
    return logits


def divergence(wanted: Tensor, found: Tensor) -> float:
    """Σ over tokens but the first of KL(wanted ‖ found), in nats: the first is pushed by baking alone."""
    p, q = wanted[1:].log_softmax(-1), found[1:].log_softmax(-1)
    return float((p.exp() * (p - q)).sum())
