"""The steering options, in one place: how a vector is pushed with, whatever the layers and the strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

from trimtab._util.suggest import hint
from trimtab.errors import SettingError
from trimtab.steering.cell import Cell
from trimtab.steering.gates import Gate, PromptGate
from trimtab.steering.interventions import Intervention, require_layers
from trimtab.steering.positions import Positions, parse_positions, require_first_token
from trimtab.steering.scales import DEFAULT_SCALE, SCALES
from trimtab.vectors.steering_vector import SteeringVector

if TYPE_CHECKING:
    from typing_extensions import Unpack


class SteeringOptions(TypedDict, total=False):
    """The fields of `SteeringSetting` that plain values can stand for, as keyword arguments."""

    scale: str
    positions: Positions
    first_token: bool
    share_strength: bool
    vector_layer: int | None


@dataclass(frozen=True)
class SteeringSetting:
    """How a vector is pushed with: everything but the vector, the layers and the strength.

    Raises:
        SettingError: For an unknown scale or position policy, a layer below 0, or a shared strength where the scale
            sets a projection.
    """

    scale: str = DEFAULT_SCALE
    """What a strength α means; see `trimtab.steering.scales`."""
    positions: Positions = "all"
    """Which tokens are pushed: `all`, `after_prompt`, `prompt`, `generated`, or another of `POSITIONS`."""
    first_token: bool = False
    """Whether the first token of the sequence, the attention sink, is pushed too."""
    share_strength: bool = False
    """Whether several layers share the strength, each pushed by its part; else each is pushed by all of it."""
    vector_layer: int | None = None
    """Push along the direction of this layer everywhere; None: along each layer's own."""
    gate: Gate | PromptGate | None = None
    """Push only the tokens whose state opens it, or the texts whose prompt does; see `trimtab.steering.gates`."""

    def __post_init__(self) -> None:
        """Refuse options that cannot be combined with any vector."""
        scale = SCALES.get(self.scale)
        where = parse_positions(self.positions)
        object.__setattr__(self, "positions", where.text)
        require_first_token(where, self.first_token)
        if self.share_strength and not scale.shares_strength:
            raise SettingError(f"layers cannot share a strength of the scale {self.scale}")
        if self.vector_layer is not None and scale.per_neuron:
            raise SettingError(f"the scale {self.scale} uses no direction, so vector_layer would do nothing")
        if self.vector_layer is not None and self.vector_layer < 0:
            raise SettingError(f"layer {self.vector_layer} is out of range: layers count from 0")

    def intervention(self, vector: SteeringVector, cell: Cell) -> Intervention:
        """The push along a vector in one cell.

        Raises:
            SettingError: For a layer at which the vector has no direction or that the gate cannot read, a strength that
                is not finite, or a scale whose strengths must be calibrated first.
        """
        layers, strength = cell
        if not layers:
            raise SettingError("no layer to steer at was given")
        source = self.vector_layer
        require_layers((*layers, *([] if source is None else [source])), vector.n_layers if vector.is_whole else None)
        vector.require_directions(layers if source is None else [source])
        directions = {layer: vector.direction[layer if source is None else source] for layer in layers}
        each = self.strength_of_each(strength, len(directions))
        known = vector.statistics_at(SCALES.get(self.scale).needs, directions, self.scale)
        return Intervention(directions, each, self.scale, self.positions, self.first_token, self.gate, statistics=known)

    def strength_of_each(self, strength: float, layers: int) -> float:
        """The strength at each of some layers that are steered together."""
        return float(strength) / max(layers, 1) if self.share_strength else float(strength)

    @classmethod
    def from_mapping(cls, options: Mapping[str, Any]) -> SteeringSetting:
        """Parse what a file or a request holds; options that are absent have their defaults.

        Raises:
            SettingError: For an unknown key, a value of another kind, or as the class does.
        """
        kinds = {"scale": str, "positions": str, "first_token": bool, "share_strength": bool, "vector_layer": int}
        for name, value in options.items():
            if name not in kinds:
                raise SettingError(f"unknown steering option {str(name)!r}{hint(str(name), kinds, 'options')}")
            is_kind = isinstance(value, kinds[name]) and not (kinds[name] is int and isinstance(value, bool))
            if not is_kind and not (name == "vector_layer" and value is None):
                raise SettingError(f"{name}: {value!r} is not of type {kinds[name].__name__}")
        return cls(**options)


def steering(
    vector: SteeringVector,
    layers: int | Sequence[int],
    strength: float,
    *,
    gate: Gate | PromptGate | None = None,
    **options: Unpack[SteeringOptions],
) -> Intervention:
    """Push along `vector` behind one layer, or behind each of several.

    Args:
        vector: One direction for each layer.
        layers: The decoder layers to push behind.
        strength: α.
        gate: Push only tokens whose state opens it, or texts whose prompt does; see `trimtab.steering.gates`.
        options: The fields of `SteeringSetting`: scale, positions, first_token, share_strength, vector_layer.

    Raises:
        SettingError: As `SteeringSetting` and `SteeringSetting.intervention` do.
    """
    chosen = (layers,) if isinstance(layers, int) else tuple(layers)
    return SteeringSetting(**options, gate=gate).intervention(vector, Cell(chosen, strength))
