"""The fingerprint of a model: a hash of its shape and of the signs of a sample of all its weights.

Signs are what no rounding changes, and what even a light fine-tuning flips somewhere: the fingerprint is the same in
every dtype and on every engine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict

import torch
from torch import Tensor

from trimtab.models.architecture import Facts

_SIGNS_PER_TENSOR = 4096


def sampled(weight: Tensor) -> Tensor:
    """The elements of a weight that count, about 4,096 of them, evenly over it."""
    return weight.detach().flatten()[:: step_of(weight)]


def step_of(weight: Tensor) -> int:
    """Distance of the elements that count."""
    return max(1, weight.numel() // _SIGNS_PER_TENSOR)


def fingerprint_of(facts: Facts, samples: Iterable[Tensor]) -> str:
    """Hash of a shape and of sampled weights, in the order of the parameters' names."""
    shape = {k: v for k, v in asdict(facts).items() if k != "architecture"}
    digest = hashlib.sha256(json.dumps(shape, sort_keys=True).encode())
    for sample in samples:
        digest.update(torch.signbit(sample).cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
