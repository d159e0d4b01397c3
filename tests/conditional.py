"""A monitor's file whose condition holds for about half of a study's prompts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import torch

import oracle
from trimtab.models import Backbone, Identity
from trimtab.monitors import Monitor
from trimtab.monitors.monitor import MonitorProvenance

LAYER = 2


def monitor_of(backbone: Identity, weight: torch.Tensor, bias: float, layer: int = LAYER) -> Monitor:
    """A monitor whose probe is the same behind every layer; it reads one of them."""
    n = backbone.facts.layers
    made = MonitorProvenance(
        model=backbone.name, fingerprint=backbone.fingerprint, behavior="polite", pairs_hash="", pairs=8,
        token_position="mean_completion", form="text", balance="off", template_hash="", layer=layer, select_pairs=4,
        select_auroc=(0.9,) * n, select_token_auroc=(0.9,) * n, seen=(),
    )  # fmt: skip
    return Monitor(weight.expand(n, -1).clone(), torch.full((n,), bias), torch.ones(n), torch.zeros(n), made)


def projections(backbone: Backbone, prompts: Sequence[tuple[int, ...]], weight: torch.Tensor) -> list[float]:
    """Of the mean state of each prompt behind its first token, by plain passes."""
    return [float(oracle.forward(backbone, prompt)[1][LAYER, 1:].mean(0) @ weight) for prompt in prompts]


def half_open(backbone: Backbone, prompts: Sequence[tuple[int, ...]], file: Path, seed: int = 5) -> list[bool]:
    """Save a monitor that about half of the prompts score above one half by; returns which."""
    weight = torch.randn(backbone.facts.width, generator=torch.Generator().manual_seed(seed))
    along = projections(backbone, prompts, weight)
    unique = sorted(set(along))
    middle = statistics.mean(unique[len(unique) // 2 - 1 : len(unique) // 2 + 1])
    monitor_of(backbone, weight, -middle).save(file)
    return [one > middle for one in along]
