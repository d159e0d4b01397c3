"""The cells of a sweep: which layers, which strengths, where."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from trimtab.errors import SettingError
from trimtab.steering import Intervention, Positions, Scale, at, check_one_of, check_strength
from trimtab.vectors import SteeringVector

LayerSets = tuple[tuple[int, ...], ...]
Cell = tuple[tuple[int, ...], float]
"""(layers, strength)."""
GridScale = Literal[Scale, "kl"]
"""What strengths of a grid mean; `kl`: each cell is pushed as far as moves the model's next-token distributions by so
many nats, see `trimtab.evaluation.dose`."""


@dataclass(frozen=True)
class Grid:
    """Every layer set at every strength; the unsteered cell is always measured beside them."""

    layers: LayerSets
    strengths: tuple[float, ...]
    scale: GridScale = "raw"
    positions: Positions = "all"
    first_token: bool = False
    share_strength: bool = False
    """Whether the layers of a set share the strength; else each is pushed by all of it."""
    vector_layer: int | None = None
    """Push along this layer's direction at every layer; None: along each layer's own."""
    alphas: Mapping[Cell, float] | None = None
    """For the scale `kl`, from `calibrated`: the relative strength of each cell; others are not run."""

    def __post_init__(self) -> None:
        """Refuse what cannot be swept."""
        check_one_of("scale", self.scale, GridScale)
        check_one_of("positions", self.positions, Positions)
        for strength in self.strengths:
            check_strength(strength)
        if not any(self.strengths):
            raise SettingError("a sweep needs at least one strength other than 0, such as --strengths=-1,1")

    @property
    def steered(self) -> list[Cell]:
        """(layers, strength) of every steered cell, layer by layer."""
        strengths = sorted({s for s in self.strengths if s != 0})
        cells = [(layers, strength) for layers in self.layers for strength in strengths]
        return cells if self.alphas is None else [cell for cell in cells if cell in self.alphas]

    def interventions(self, vector: SteeringVector) -> list[Intervention]:
        """One intervention for each steered cell, in the same order.

        Raises:
            SettingError: when the scale is `kl` and the grid has not been calibrated.
        """
        return [self.at(vector, cell) for cell in self.steered]

    def at(self, vector: SteeringVector, cell: Cell) -> Intervention:
        """The intervention of one cell.

        Raises:
            SettingError: as `interventions`.
        """
        layers, strength = cell
        scale: Scale = "relative" if self.scale == "kl" else self.scale
        if self.scale == "kl":
            if self.alphas is None:
                raise SettingError("strengths in KL are found for each model first: trimtab.evaluation.calibrated")
            strength = self.alphas[cell]
        return at(
            vector,
            layers,
            strength,
            scale=scale,
            positions=self.positions,
            first_token=self.first_token,
            share_strength=self.share_strength,
            vector_layer=self.vector_layer,
        )


def parse_layers(text: str | Sequence[int] | None, n_layers: int) -> LayerSets:
    """The layers that a text names.

    `all`; `9,13,17`; `9:18` (end excluded); `0.33:` or `0.3:0.7` (by depth (ℓ+1)/n_layers, both ends included);
    `9+10+11` is one set of layers steered together. Several, with commas between.

    Raises:
        SettingError: for a layer out of range, or text that names none.
    """
    if text is None or text == "all":
        return tuple((layer,) for layer in range(n_layers))
    if not isinstance(text, str):
        return _in_range(tuple((int(layer),) for layer in text), n_layers)
    found: list[tuple[int, ...]] = []
    for item in (part.strip() for part in text.split(",")):
        found += _parse_item(item, n_layers)
    if not found:
        raise SettingError(f"layers {text!r} name no layer of this model, which has {n_layers}")
    return _in_range(tuple(dict.fromkeys(found)), n_layers)


def _parse_item(item: str, n_layers: int) -> list[tuple[int, ...]]:
    if re.fullmatch(r"\d+(\+\d+)*", item):
        return [tuple(sorted({int(layer) for layer in item.split("+")}))]
    if not re.fullmatch(r"(\d*\.\d+|\d+)?:(\d*\.\d+|\d+)?", item):
        raise SettingError(
            f"layers {item!r} cannot be read; write all, 9,13,17 or 9:18 or 0.33: (from that depth on) or 9+10"
        )
    start, end = item.split(":")
    if "." in item:
        low, high = float(start or 0), float(end or 1)
        return [(layer,) for layer in range(n_layers) if low <= (layer + 1) / n_layers <= high]
    return [(layer,) for layer in range(int(start or 0), int(end) if end else n_layers)]


def _in_range(sets: LayerSets, n_layers: int) -> LayerSets:
    for layer in (layer for layers in sets for layer in layers):
        if not 0 <= layer < n_layers:
            raise SettingError(f"layer {layer} is out of range: this model has layers 0 to {n_layers - 1}")
    return sets


def parse_strengths(text: str | Sequence[float]) -> tuple[float, ...]:
    """Strengths from `-1,1` or a list of numbers.

    Raises:
        SettingError: when one is not a finite number.
    """
    items = text.split(",") if isinstance(text, str) else list(text)
    try:
        return tuple(check_strength(float(item)) for item in items)
    except (ValueError, TypeError):
        raise SettingError(f"strengths {text!r} are not numbers; write them like -1,1") from None
