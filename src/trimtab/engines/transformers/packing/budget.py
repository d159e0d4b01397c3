"""How much of the work goes into one forward pass: enough to be fast, not so much that memory or cache overflow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from trimtab.models import Facts

CPU_TOKENS = 1024
"""Tokens of a batch at its tallest. More are no faster on a CPU, and take more memory (see bench/README.md)."""
CPU_ROW_TOKENS = 96
"""Tokens of one packed row: attention reads every key of its row, so long rows cost more than they share."""
CPU_BYTES = 1 << 30
CPU_ROWS = 128
"""Rows that are written at once: enough to read the weights seldom, see bench/README.md."""
NUMBERS_PER_WIDTH = 16
"""Numbers a token holds at once, in widths of the residual stream: the stream, its norm, queries, keys, values,
attention output and a gated MLP."""


@dataclass(frozen=True)
class Budget:
    """Limits of one forward pass."""

    tokens: int
    """Tokens to aim for at the tallest step, all rows together: the fast amount."""
    ceiling: int
    """Tokens at the tallest step that memory allows."""
    row_tokens: int
    """Tokens after which a packed row is closed."""
    rows: int
    """Texts that are written side by side."""
    cache_bytes: int
    """What their keys and values may take."""
    recurring: bool
    """Whether packed rows come in few widths, for kernels that are prepared for each shape (see bench/README.md)."""
    waiting_bytes: int = CPU_BYTES // 4
    """What states that wait for streamed weights may take in memory."""
    held_bytes: int = CPU_BYTES // 4
    """What masks and results of passes that wait may take."""
    file_bytes: int | None = None
    """What they may take in a temporary file; None: a share of what is free on its disk."""


def free(device: torch.device) -> int:
    """Bytes that are free on a GPU."""
    return torch.cuda.mem_get_info(device)[0]


def budget_for(
    facts: Facts,
    devices: Sequence[torch.device],
    dtype: torch.dtype,
    memory_bytes: int | None = None,
    free_bytes: Callable[[torch.device], int] = free,
) -> Budget:
    """Limits for a model whose layers are on these devices.

    A batch goes through all layers, so the device with the least free memory decides how tall it may be.

    Args:
        facts: of the model.
        devices: that its layers compute on.
        dtype: of its states.
        memory_bytes: overrides what activations may take.
        free_bytes: of a GPU.
    """
    gpus = [device for device in devices if device.type == "cuda"]
    if memory_bytes is None:
        memory_bytes = min(map(free_bytes, gpus)) // 2 if gpus else CPU_BYTES
    ceiling = max(256, memory_bytes // (NUMBERS_PER_WIDTH * facts.width * dtype.itemsize))
    waiting = memory_bytes // 4, memory_bytes // 4
    if all(device.type == "cpu" for device in devices):
        tokens = min(CPU_TOKENS, ceiling)
        return Budget(tokens, ceiling, CPU_ROW_TOKENS, CPU_ROWS, memory_bytes, dtype != torch.float32, *waiting)
    return Budget(min(1 << 17, ceiling), ceiling, 512, 256, memory_bytes, True, *waiting)
