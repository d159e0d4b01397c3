"""The texts that every family is asked about, and the model with what it is asked by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from families.reference import Positions, Push, Reference
from tiny import tiny_tokenizer
from trimtab.engines import TransformersEngine
from trimtab.models import Backbone, EncodedPair, wrap
from trimtab.steering import Intervention

TOKENS = range(3, 256)
"""What texts are made of: no special token, and bytes for models of bytes."""


def make_pairs(seed: int = 0) -> tuple[list[EncodedPair], list[EncodedPair]]:
    """Pairs of up to `WINDOW` tokens, and pairs that are longer than `ROPE_CONTEXT`; all begin alike."""
    source = torch.Generator().manual_seed(seed)

    def tokens(count: int) -> list[int]:
        drawn: list[int] = torch.randint(TOKENS.start, TOKENS.stop, (count,), generator=source).tolist()
        return drawn

    start = tokens(5)

    def pair(name: str, length: int, shared: int, endings: tuple[int, int]) -> EncodedPair:
        prompt = [*start, *tokens(length - len(start))]
        positive, negative = tokens(endings[0]), tokens(endings[1])
        negative[0] = TOKENS.start + (positive[0] - 2) % len(TOKENS)
        together = [*prompt, *tokens(shared)]
        return EncodedPair(name, (*together, *positive), (*together, *negative), length, len(together))

    short = [pair(f"short{i}", 7 + i, i % 3, (1 + i % 4, 1 + i % 3)) for i in range(8)]
    long = [pair(f"long{i}", 26 + 5 * i, i % 3, (2 + i % 4, 1 + i % 3)) for i in range(8)]
    return short, long


SHORT, LONG = make_pairs()
MIXED = [pair for both in zip(LONG, SHORT, strict=True) for pair in both]


@dataclass
class Subject:
    """One family's model, the engine under test, and the reference."""

    backbone: Backbone
    reference: Reference

    @property
    def layers(self) -> tuple[int, int, int]:
        """The first, the middle and the last one."""
        count = self.backbone.facts.layers
        return 0, count // 2, count - 1

    def engine(self, **limits: Any) -> TransformersEngine:
        """A fresh engine with limits of its budget."""
        engine = TransformersEngine(self.backbone)
        engine.budget = replace(engine.budget, **limits)
        return engine

    def pushes(self, positions: Positions) -> list[Push]:
        """Both scales and both signs, at all three layers; not in the order of layers."""
        first, middle, last = self.layers
        return [
            Push(last, "relative", 0.5, positions),
            Push(first, "raw", 0.7, positions),
            Push(middle, "raw", -0.7, positions),
            Push(first, "relative", -0.5, positions),
        ]

    def intervention(self, push: Push | None) -> Intervention | None:
        """The same for the engine."""
        if push is None:
            return None
        directions = {push.layer: self.reference.directions[push.layer]}
        return Intervention(directions, push.strength, push.scale, push.positions)


def take_apart(model: Any, name: str) -> Subject:
    """A model ready to be asked."""
    backbone = wrap(model, tiny_tokenizer(), name=name)
    source = torch.Generator().manual_seed(5)
    directions = torch.randn(backbone.facts.layers, backbone.facts.width, generator=source)
    return Subject(backbone, Reference(model, backbone.anatomy.layers, directions))


def sample(pairs: Sequence[EncodedPair]) -> list[int]:
    """The pairs that are compared: of different lengths, at the beginning, the middle and the end of a row."""
    return [0, len(pairs) // 2 - 1, len(pairs) - 2]
