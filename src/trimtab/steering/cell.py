"""Cells: one layer, or several steered together, at one strength."""

from __future__ import annotations

from typing import Any, NamedTuple

UNSTEERED_LAYER = -1
"""Stands for a layer in tables where nothing is pushed: unsteered rows belong to every layer."""


class Cell(NamedTuple):
    """One cell of a sweep. Equal to the tuple of its two values."""

    layers: tuple[int, ...]
    """Steered together; empty in the unsteered cell."""
    strength: float

    @property
    def layers_label(self) -> str:
        """The layers as tables have them: "9+10"; "" for the unsteered cell."""
        return layers_label(self.layers)

    @property
    def label(self) -> str:
        """The cell for people: "9+10 at +0.3"."""
        strength = f"{self.strength:+}".removesuffix(".0")
        return f"{self.layers_label} at {strength}" if self.layers else "unsteered"

    @property
    def first_layer(self) -> int:
        """The lowest steered layer; `UNSTEERED_LAYER` in the unsteered cell."""
        return self.layers[0] if self.layers else UNSTEERED_LAYER

    def columns(self, n_layers: int) -> dict[str, Any]:
        """The columns by which tables name a cell: layer, layers, depth, strength."""
        first = self.first_layer
        return {
            "layer": first,
            "layers": self.layers_label,
            "depth": (first + 1) / n_layers,
            "strength": self.strength,
        }


UNSTEERED = Cell((), 0.0)
"""The cell in which nothing is pushed."""


def layers_label(layers: tuple[int, ...]) -> str:
    """Layers as tables have them: "9+10"."""
    return "+".join(map(str, layers))
