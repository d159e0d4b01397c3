"""Log-probabilities of given tokens from states behind the last layer, differentiable without whole distributions.

Every log-probability depends on one state alone. So its gradient by that state is computed together with it, block by
block, and what is held for the backward pass is as wide as the model and not as its vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from trimtab.models import Backbone

_CPU_LOGIT_BYTES = 24 << 20
"""Of one block. Larger ones are no faster, and from 32 MiB on every block is mapped and zeroed by the system anew."""
_DEVICE_LOGIT_BYTES = 1 << 28


def token_log_probs(backbone: Backbone, states: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of one token at each state, [n] float32.

    Args:
        backbone: the model, for its unembedding.
        states: output of the last layer, [n, d_model].
        tokens: [n].
    """
    found: Tensor = _TokenLogProbs.apply(states, tokens, backbone)  # type: ignore[no-untyped-call]
    return found


class _TokenLogProbs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, tokens: Tensor, backbone: Backbone) -> Tensor:
        block = _CPU_LOGIT_BYTES if states.device.type == "cpu" else _DEVICE_LOGIT_BYTES
        step = max(1, block // (4 * backbone.anatomy.vocabulary))
        differentiates = ctx.needs_input_grad[0]
        found, slopes = [], []
        for start in range(0, len(states), step):
            with torch.set_grad_enabled(differentiates):
                part = states[start : start + step].detach().requires_grad_(differentiates)
                log_probs = _log_probs(backbone, part, tokens[start : start + step])
                if differentiates:
                    slopes.append(torch.autograd.grad(log_probs.sum(), part)[0].to(states.device))
            found.append(log_probs.detach().to(states.device))
        if differentiates:
            ctx.save_for_backward(torch.cat(slopes))
        return torch.cat(found)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return (gradients[0][:, None] * slopes.float()).to(slopes.dtype), None, None


class _LogSumExp(torch.autograd.Function):
    """log Σ exp of each row [n, vocabulary]; its gradient, the softmax, takes the place of what was held for it."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor) -> Tensor:
        ctx.log_probs = logits.log_softmax(-1)
        found: Tensor = logits.amax(-1) - ctx.log_probs.amax(-1)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        found: Tensor = ctx.log_probs.exp_().mul_(gradients[0][:, None])
        del ctx.log_probs
        return found


def _log_probs(backbone: Backbone, states: Tensor, tokens: Tensor) -> Tensor:
    """As text scores are computed: whole logits in the model's type, the token's own logit in float32."""
    parts = backbone.anatomy
    normed = parts.final_norm(states)
    logits = parts.after_head(parts.head(normed)).float()
    total: Tensor = _LogSumExp.apply(logits)  # type: ignore[no-untyped-call]
    tokens = tokens.to(total.device)
    weight = parts.head_weight
    if weight is None:
        return logits.gather(1, tokens[:, None])[:, 0] - total
    own = (normed.to(weight.device).float() * weight[tokens].float()).sum(-1, keepdim=True)
    bias = getattr(parts.head, "bias", None)
    if bias is not None:
        own = own + bias[tokens, None].float()
    return parts.after_head(own)[:, 0].to(total.device) - total
