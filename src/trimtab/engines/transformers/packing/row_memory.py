"""Whether a packed row fits into memory: its attention mask grows with the square of its tokens."""

from __future__ import annotations

import os
from math import isqrt

from trimtab.errors import DataError

MASK_BYTES = 16
"""For each pair of tokens of a packed row: visibility, distance, and the mask in the dtype of the model."""
SHARE = 4
"""At most 1 / `SHARE` of the machine's memory goes into masks."""


def longest_row() -> int:
    """The largest number of tokens of a packed row that this machine has memory for."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return isqrt(memory // (SHARE * MASK_BYTES))


def too_long(tokens: int) -> str:
    """Why a text of that many tokens cannot be run here; "" if it can."""
    most = longest_row()
    if tokens <= most:
        return ""
    return (
        f"{tokens:,} tokens are more than this machine has memory for ({most:,}: the memory grows with their square); "
        "shorten the text"
    )


def require_memory(tokens: int) -> None:
    """Refuse a row that would take all memory, before any of it is taken.

    Raises:
        DataError: with its tokens, and how many would do.
    """
    if reason := too_long(tokens):
        raise DataError(reason)
