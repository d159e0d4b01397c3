"""A packed batch's visibility in the form that a model's attention takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from trimtab.engines.transformers.packing.batches import Visibility


def attention_mask(config: Any, visibility: Visibility, dtype: torch.dtype, device: torch.device) -> Any:
    """Additive masks [rows, 1, tokens, keys]: one tensor, or one for each layer type where a model mixes types."""
    types = set(getattr(config, "layer_types", None) or ())
    window = getattr(config, "sliding_window", None)
    if "sliding_attention" in types:
        return {
            kind: _additive(visibility, window if kind == "sliding_attention" else None, dtype, device)
            for kind in types
        }
    return _additive(visibility, None if types else window, dtype, device)


def has_only_attention(config: Any) -> bool:
    """Whether every layer's state is keys and values, so that beginnings can be shared."""
    return set(getattr(config, "layer_types", None) or ()) <= {"full_attention", "sliding_attention"}


def _additive(visibility: Visibility, window: int | None, dtype: torch.dtype, device: torch.device) -> Tensor:
    sees = visibility.sees
    if window is not None:
        sees = sees & (visibility.distance < window)
    hidden = torch.from_numpy(np.logical_not(sees))[:, None].to(device)
    return torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, torch.finfo(dtype).min)
