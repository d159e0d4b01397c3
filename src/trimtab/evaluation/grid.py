"""The cells of a sweep: layers, strengths and the other steering options."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from trimtab.errors import SettingError, TrimtabWarning
from trimtab.steering import SCALES, Cell, Intervention, Positions, SteeringSetting, check_strength, require_layers
from trimtab.vectors import SteeringVector, layer_ranges

MAX_LAYER_TEXT = 4096
MAX_STRENGTHS = 1000
_LAYER_SET = re.compile(r"\d{1,6}(\+\d{1,6})*", re.ASCII)
_LAYER_RANGE = re.compile(r"(\d{0,6}\.\d{1,12}|\d{1,6})?:(\d{0,6}\.\d{1,12}|\d{1,6})?", re.ASCII)

LayerSets = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Grid:
    """Every layer set at every strength; the unsteered cell is always measured as well."""

    layers: LayerSets
    strengths: tuple[float, ...]
    setting: SteeringSetting = field(default_factory=SteeringSetting)
    """How every cell is pushed."""
    alphas: Mapping[Cell, float] | None = None
    """For a calibrated scale, the strength of each cell as its `pushed_as` takes it; cells without one are not run."""

    def __post_init__(self) -> None:
        """Refuse values that cannot be swept."""
        for strength in self.strengths:
            check_strength(strength)
        if not any(self.strengths):
            raise SettingError("a sweep needs at least one strength other than 0, such as --strengths=-1,1")

    @property
    def scale(self) -> str:
        """What the strengths mean."""
        return self.setting.scale

    @property
    def positions(self) -> Positions:
        """Which tokens are pushed."""
        return self.setting.positions

    @property
    def is_calibrated(self) -> bool:
        """Whether the strengths must be translated for each model, as doses and percentiles are."""
        return SCALES.get(self.scale).calibrated

    @property
    def steered(self) -> list[Cell]:
        """Every steered cell, layer by layer."""
        strengths = sorted({s for s in self.strengths if s != 0})
        cells = [Cell(layers, strength) for layers in self.layers for strength in strengths]
        return cells if self.alphas is None else [cell for cell in cells if cell in self.alphas]

    def interventions(self, vector: SteeringVector) -> list[Intervention]:
        """One intervention for each steered cell, in the same order.

        Raises:
            SettingError: When the scale is calibrated and the grid has not been.
        """
        return [self.intervention(vector, cell) for cell in self.steered]

    def intervention(self, vector: SteeringVector, cell: Cell) -> Intervention:
        """The intervention of one cell.

        Raises:
            SettingError: As `interventions`.
        """
        if self.is_calibrated and self.alphas is not None:
            return self.pushed_by.intervention(vector, Cell(cell.layers, self.alphas[cell]))
        return self.setting.intervention(vector, cell)

    @property
    def pushed_by(self) -> SteeringSetting:
        """The setting that pushes: with the scale that strengths are translated to where they are calibrated."""
        return replace(self.setting, scale=SCALES.get(self.scale).pushed_as) if self.is_calibrated else self.setting


def parse_layers(
    text: str | Sequence[int] | Sequence[str] | None, n_layers: int, there: Collection[int] | None = None
) -> LayerSets:
    """Parse layers.

    `all`; `9,13,17`; `9:18` (end excluded); `0.33:` or `0.3:0.7` (by depth (ℓ+1)/n_layers, both ends included);
    `9+10+11` is one set of layers steered together. Several, with commas between.

    Args:
        text: as above, or layers as numbers, or a list of such texts.
        n_layers: of the model.
        there: the layers that a vector has a direction at: `all` and ranges stand for those of them; None: for all.

    Raises:
        SettingError: for a layer out of range, or text that names none.
    """
    if text is None or text == "all":
        return tuple((layer,) for layer in range(n_layers) if there is None or layer in there)
    if not isinstance(text, str) and any(isinstance(layer, str) for layer in text):
        text = ",".join(map(str, text))  # a list of such texts, as ["9+10", "17"]
    if not isinstance(text, str):
        return _in_range(tuple((int(layer),) for layer in text), n_layers)
    check_layer_text(text)
    found: list[tuple[int, ...]] = []
    for item in (part.strip() for part in text.split(",")):
        sets = _parse_item(item, n_layers)
        kept = there if there is not None and ":" in item else range(n_layers)
        found += [layers for layers in sets if layers[0] in kept or ":" not in item]
    if not found and there is not None and len(there) < n_layers:
        raise SettingError(f"layers {text!r} name none of the vector's, which has {layer_ranges(sorted(there))}")
    if not found:
        raise SettingError(f"layers {text!r} name no layer of this model, which has {n_layers}")
    return _in_range(tuple(dict.fromkeys(found)), n_layers)


def layers_of(text: str | Sequence[int] | Sequence[str] | None, n_layers: int, vector: SteeringVector) -> LayerSets:
    """The layers that a text names, of those at which a vector has a direction; see `parse_layers`.

    Warns:
        TrimtabWarning: with the layers that `all` or a range would have named and that the vector lacks.

    Raises:
        SettingError: as `parse_layers`.
    """
    found = parse_layers(text, n_layers, vector.layers)
    if missing := [layers for layers in parse_layers(text, n_layers) if layers not in found]:
        name = vector.provenance.behavior
        warnings.warn(
            f"the vector {name!r} has no direction at {layer_ranges([layer for (layer,) in missing])}, which "
            f"{'is' if len(missing) == 1 else 'are'} left out; it has one at {layer_ranges(vector.layers)}",
            TrimtabWarning,
            stacklevel=3,
        )
    return found


def check_layer_text(text: str) -> str:
    """Refuse a text that names layers of no model at all; see `parse_layers` for what it may be.

    Raises:
        SettingError: with the part that cannot be read.
    """
    if len(text) > MAX_LAYER_TEXT:
        raise SettingError(
            f"layers have {len(text):,} characters, more than {MAX_LAYER_TEXT:,}; write a range, as 9:18"
        )
    for item in (part.strip() for part in text.split(",")):
        if text != "all" and not _LAYER_SET.fullmatch(item) and not _LAYER_RANGE.fullmatch(item):
            raise SettingError(
                f"layers {item[:80]!r} cannot be read; write all, 9,13,17 or 9:18 or 0.33: (from that depth on) or 9+10"
            )
    return text


def _parse_item(item: str, n_layers: int) -> list[tuple[int, ...]]:
    if _LAYER_SET.fullmatch(item):
        return [tuple(sorted({int(layer) for layer in item.split("+")}))]
    start, end = item.split(":")
    if "." in item:
        low, high = float(start or 0), float(end or 1)
        return [(layer,) for layer in range(n_layers) if low <= (layer + 1) / n_layers <= high]
    first, behind = int(start or 0), int(end) if end else n_layers
    _in_range(((layer,) for layer in (first, behind - 1) if first < behind), n_layers)  # before they are counted out
    return [(layer,) for layer in range(first, behind)]


def _in_range(sets: Iterable[tuple[int, ...]], n_layers: int) -> LayerSets:
    found = tuple(sets)
    require_layers((layer for layers in found for layer in layers), n_layers)
    return found


def parse_strengths(text: str | Sequence[float]) -> tuple[float, ...]:
    """Strengths from `-1,1` or a list of numbers.

    Raises:
        SettingError: when one is not a finite number.
    """
    items: list[Any] = text.split(",") if isinstance(text, str) else list(text)
    if len(items) > MAX_STRENGTHS:
        raise SettingError(f"{len(items):,} strengths are given, more than {MAX_STRENGTHS:,}; give a few, such as -1,1")
    try:
        # True is 1 to Python, and no strength to a person.
        return tuple(check_strength(float("" if isinstance(item, bool) else item)) for item in items)
    except (ValueError, TypeError, OverflowError):
        shown = text if len(str(text)) <= 80 else f"{str(text)[:80]}…"
        raise SettingError(f"strengths {shown!r} are not numbers; write them like -1,1") from None
