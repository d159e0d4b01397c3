"""What GPUs can do, for planning runs on machines that are not this one."""

from __future__ import annotations

import math
from dataclasses import dataclass

UTILISATION = 0.35
"""Assumed share of the data sheet's peak that forward passes reach. Mixtures of experts tend to reach less."""
USABLE = 0.9
"""Share of a GPU's memory that is left for weights and activations."""


@dataclass(frozen=True)
class Accelerator:
    """One GPU, as its maker's data sheet has it."""

    name: str
    tflops: float
    """Peak of dense bfloat16 matrix products, 10^12 operations a second."""
    gigabytes: float
    gigabytes_per_second: float
    """Memory bandwidth."""

    @property
    def memory_bytes(self) -> int:
        """All of its memory."""
        return round(self.gigabytes * 1e9)

    @property
    def flops(self) -> float:
        """Operations a second to plan with."""
        return self.tflops * 1e12 * UTILISATION

    @property
    def bytes_per_second(self) -> float:
        """At which weights are read."""
        return self.gigabytes_per_second * 1e9

    def needed(self, count_bytes: float) -> int:
        """How many of them hold this many bytes."""
        return math.ceil(count_bytes / (self.memory_bytes * USABLE))

    def needed_in_words(self, count_bytes: float) -> str:
        """The same, and how a model that needs several comes onto them."""
        count = self.needed(count_bytes)
        divide = " (divide it: tensor_parallel, device: balanced, or engine: vllm)" if count > 1 else ""
        return f"{count} × {self.name}{divide}"


# Sheets print tensor-core figures "with sparsity"; dense ones are half of them.
ACCELERATORS = {
    "a100": Accelerator("A100 80 GB", 312, 80, 2039),  # NVIDIA A100 Tensor Core GPU data sheet
    "a100-40gb": Accelerator("A100 40 GB", 312, 40, 1555),  # the same
    "h100": Accelerator("H100 80 GB", 989, 80, 3350),  # NVIDIA H100 Tensor Core GPU data sheet, SXM
    "h200": Accelerator("H200 141 GB", 989, 141, 4800),  # NVIDIA H200 Tensor Core GPU data sheet, SXM
    "b200": Accelerator("B200 180 GB", 2250, 180, 8000),  # NVIDIA HGX B200 data sheet, an eighth of the board
    "l40s": Accelerator("L40S 48 GB", 362, 48, 864),  # NVIDIA L40S data sheet
    "mi300x": Accelerator("MI300X 192 GB", 1307, 192, 5300),  # AMD Instinct MI300X accelerator data sheet
}
