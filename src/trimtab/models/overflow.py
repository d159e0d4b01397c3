"""States that are not finite, in words: what overflowed, in which number format, and what to use instead."""

from __future__ import annotations

import torch
from torch import Tensor


def is_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    return bool(torch.isfinite(values).all())


def not_finite(what: str, dtype: torch.dtype) -> str:
    """What to say and to do about values that are NaN or infinite.

    Args:
        what: is not finite, such as "the states behind layer 3".
        dtype: that the model computes in.
    """
    name = str(dtype).removeprefix("torch.")
    if dtype == torch.float16:
        return (
            f"{what} are not finite: they are larger than {torch.finfo(dtype).max:,.0f}, the largest number in {name}. "
            "Load the model with dtype bfloat16 or float32"
        )
    return f"{what} are not finite in {name}; its weights may hold NaN or infinite values: get its files again"
