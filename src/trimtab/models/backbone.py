"""A model taken apart: what it is, and where its weights and its parts are."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trimtab.errors import SettingError
from trimtab.models.architecture import ModelParts
from trimtab.models.context import NO_LIMIT, ContextLimit
from trimtab.models.eager import inference
from trimtab.models.facts import Facts
from trimtab.models.kinds.device_maps import layer_devices
from trimtab.models.kinds.placement import place_in_words
from trimtab.models.kinds.quantization import rounds_states
from trimtab.models.streaming.layer_stream import LayerStream


@dataclass(frozen=True, eq=False, kw_only=True)
class Identity:
    """What a model is, wherever its weights are."""

    name: str
    source: str
    tokenizer: Any
    facts: Facts
    fingerprint: str
    """Hashes of a sample of all weights and of the configuration, see `trimtab.models.fingerprint`; "" if unknown."""
    device: torch.device
    """Where the embeddings live, and so where token ids go."""
    dtype: torch.dtype
    """Number format of the weights."""
    ends: frozenset[int]
    """Tokens that end a text, by the model's own settings."""
    context: ContextLimit = NO_LIMIT
    """How long a text it takes."""

    @property
    def place(self) -> str:
        """Where it computes, in words."""
        return str(self.device)


@dataclass(frozen=True, eq=False, kw_only=True)
class Backbone(Identity):
    """A transformers model taken apart: the weights, the tokenizer, and where things are."""

    model: Any
    anatomy: ModelParts
    stream: LayerStream | None = None
    """Reads the decoder layers' weights when they are needed; None where the whole model is in memory."""

    @functools.cached_property
    def rounding(self) -> float:
        """Relative difference of states that is rounding: formats of 16 bits and fewer add up hundreds of them."""
        return 1e-4 if self.dtype == torch.float32 and not rounds_states(self.model) else 5e-2

    @functools.cached_property
    def devices(self) -> tuple[torch.device, ...]:
        """Devices that the decoder layers compute on, in their order."""
        return (self.device,) if self.stream is not None else tuple(layer_devices(self.anatomy.layers))

    @property
    def place(self) -> str:
        """Devices that it computes on, and whether weights are brought to them or are elsewhere too."""
        if self.stream is not None:
            return f"{self.device} (streamed)"
        return place_in_words(self.model, (self.device, *self.devices))

    def require_in_memory(self, purpose: str) -> None:
        """Refuse what needs the weights of all layers at once.

        Raises:
            SettingError: saying what needs them.
        """
        if self.stream is not None:
            raise SettingError(
                f"{self.name} is streamed, and {purpose} needs the weights of all layers in memory: load it with "
                "stream=False (--no-stream), where they fit"
            )

    def logits(self, hidden: Tensor) -> Tensor:
        """Unembed states of the residual stream behind the last layer: [n, d_model] → [n, vocabulary]."""
        with inference(self.model):
            logits: Tensor = self.anatomy.after_head(self.anatomy.head(self.anatomy.final_norm(hidden)))
        return logits

    def token_logits(self, hidden: Tensor, tokens: Tensor) -> Tensor:
        """Logits of single tokens in float32, whatever the model's dtype: [n, d_model], [n, k] → [n, k].

        A bfloat16 product would round logits to an eighth, far too coarse for their differences. An unembedding that is
        packed, offloaded or behind an adapter gives whole logits only, rounded as its format rounds them.
        """
        parts = self.anatomy
        if parts.head_weight is None:
            whole = self.logits(hidden).float()
            return whole.gather(1, tokens.to(whole.device))
        weight, bias = parts.head_weight, getattr(parts.head, "bias", None)
        with inference(self.model):
            normed, tokens = parts.final_norm(hidden).to(weight.device).float(), tokens.to(weight.device)
            logits = torch.einsum("nd,nkd->nk", normed, weight[tokens].float())
            if bias is not None:
                logits = logits + bias[tokens].float()
            return parts.after_head(logits)
