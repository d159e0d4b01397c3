"""The steering vector: one direction for each layer, with where it came from; a safetensors file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from trimtab._util.plot_registry import Plottable
from trimtab._util.summaries import Summarized, Summary
from trimtab.errors import SettingError, VectorError
from trimtab.vectors._class_statistics import HOW_MEASURED, STATISTICS
from trimtab.vectors._provenance import Provenance, layer_ranges
from trimtab.vectors.tensor_file import naming, parsed, read_tensors, require_float32, write_tensors

if TYPE_CHECKING:
    from trimtab.vectors.state_reading import Source

_FORMAT = "trimtab-vectors-1"


@dataclass(frozen=True, eq=False, repr=False)
class SteeringVector(Summarized, Plottable):
    """Directions of one behavior in one model, unnormalized: their norm is information."""

    _plots: ClassVar[str] = "vector"

    direction: Tensor
    """[n_layers, d_model] float32; a row of zeros where there is no direction, see `layers`."""
    residual_norm: Tensor | None
    """[n_layers] mean norm of the residual stream at the tokens the vector was taken from, or of a vector that was made
    elsewhere at neutral prompts; None where no model has measured it."""
    provenance: Provenance
    statistics: Mapping[str, Tensor] = field(default_factory=dict)
    """What some scales need besides: a name of `STATISTICS` → [n_layers, d_model] float32."""

    def __post_init__(self) -> None:
        """Refuse shapes and values that cannot steer."""
        norms = self.residual_norm
        require_float32("direction", self.direction)
        if norms is not None:
            require_float32("residual_norm", norms)
        shape = list(self.direction.shape)
        if len(shape) != 2 or 0 in shape or (norms is not None and norms.shape != self.direction.shape[:1]):
            raise VectorError(
                f"direction must be [n_layers, d_model] and residual_norm [n_layers], "
                f"not {shape} and {None if norms is None else list(norms.shape)}"
            )
        if not bool(torch.isfinite(self.direction).all()):
            raise VectorError("the directions hold NaN or infinite values")
        if not bool(torch.isfinite(self.norm).all()):
            raise VectorError("the directions are so long that their norm is infinite")
        if norms is not None and not bool((torch.isfinite(norms) & (norms >= 0)).all()):
            raise VectorError("the residual norms hold NaN, infinite or negative values")
        for name, statistic in self.statistics.items():
            _require_statistic(name, statistic, self.direction)
        made, layers = self.provenance, len(self.direction)
        by_layer = {"first_token_ratio": made.first_token_ratio}
        if made.letter is not None:
            by_layer |= {"letter.cosine": made.letter.cosine, "letter.share": made.letter.share}
        for name, values in by_layer.items():
            if values and len(values) != layers:
                raise VectorError(f"{name} has {len(values)} values for {layers} layers")

    @property
    def n_layers(self) -> int:
        """Number of rows, one for each layer; of a vector made elsewhere the model may have more."""
        return int(self.direction.shape[0])

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers that have a direction; at the others there is nothing to steer along."""
        return tuple(torch.nonzero(self.direction.any(dim=1)).flatten().tolist())

    @property
    def is_whole(self) -> bool:
        """Whether there is a row for each layer of the model; unknown, and so False, of some files from elsewhere."""
        return self.provenance.origin is None or self.provenance.origin.is_whole

    def with_rows(self, n_layers: int) -> SteeringVector:
        """The vector with a row for each layer of its model, where its file did not say how many there are.

        Raises:
            VectorError: when it has another number of layers.
        """
        origin = self.provenance.origin
        if self.n_layers > n_layers or (self.n_layers != n_layers and self.is_whole) or origin is None:
            raise VectorError(f"the vector {self.provenance.behavior!r} has {self.n_layers} layers, not {n_layers}")
        direction = torch.zeros(n_layers, self.direction.shape[1])
        direction[: self.n_layers] = self.direction
        made = replace(self.provenance, origin=replace(origin, is_whole=True))
        return replace(self, direction=direction, residual_norm=None, provenance=made, statistics={})

    def require_residual_norm(self) -> Tensor:
        """The residual norms [n_layers].

        Raises:
            VectorError: where they are unknown.
        """
        if self.residual_norm is None:
            raise VectorError(
                f"the residual norms of the vector {self.provenance.behavior!r}, made elsewhere, are unknown: import "
                "it with --model (in Python SteeringVector.read(…, model=model)), which measures them"
            )
        return self.residual_norm

    def require_directions(self, layers: Iterable[int]) -> None:
        """Refuse layers at which the vector has no direction.

        Raises:
            SettingError: Naming the layers that have one.
        """
        there = self.layers
        for layer in layers:
            if layer not in there:
                raise SettingError(
                    f"the vector {self.provenance.behavior!r} has no direction at layer {layer}; it has one at "
                    f"{layer_ranges(there)}"
                )

    def statistics_at(self, names: Iterable[str], layers: Iterable[int], scale: str) -> dict[str, dict[int, Tensor]]:
        """Statistics by layer: name → layer → [d_model].

        Args:
            names: of `STATISTICS`.
            layers: which.
            scale: what needs them, for the message.

        Raises:
            SettingError: where the vector does not have one.
        """
        found = {}
        for name in names:
            if name not in self.statistics:
                raise SettingError(
                    f"the scale {scale} needs {STATISTICS[name]}, which the vector {self.provenance.behavior!r} does "
                    f"not have. {HOW_MEASURED[name]}"
                )
            found[name] = {layer: self.statistics[name][layer] for layer in layers}
        return found

    @property
    def content_hash(self) -> str:
        """Hash of directions and statistics, all that a push is made of: equal wherever the vector is stored."""
        found = hashlib.sha256(self.direction.contiguous().cpu().numpy().tobytes())
        for name, statistic in sorted(self.statistics.items()):
            found.update(name.encode() + b"\0" + statistic.contiguous().cpu().numpy().tobytes())
        return found.hexdigest()[:16]

    @property
    def norm(self) -> Tensor:
        """‖v‖ of each layer [n_layers]."""
        norm: Tensor = self.direction.norm(dim=1)
        return norm

    def _summary(self) -> Summary:
        """What it is, without numbers."""
        made = self.provenance
        facts = {
            "behavior": repr(made.behavior),
            "method": made.method or "unknown method",
            "shape": f"{self.n_layers} layers × {self.direction.shape[1]}",
            "model": f"from {made.model or 'an unknown model'}",
        }
        if len(self.layers) < self.n_layers:
            facts["directions"] = f"directions at {layer_ranges(self.layers)}"
        if made.origin is not None:
            facts["origin"] = f"made elsewhere ({made.origin.made_by})"
        place = f"token position {made.token_position or 'unknown'}"
        read = f"{made.form or 'unknown form'}, {place}, balance {made.balance or 'unknown'}"
        return Summary(facts, more={"pairs": "unknown" if made.pairs is None else f"{made.pairs:,}", "read as": read})

    def __add__(self, other: SteeringVector) -> SteeringVector:
        """Add layer by layer."""
        self._same_shape(other)
        return self._derived(self.direction + other.direction, f"{self._name} + {other._name}", other)

    def __sub__(self, other: SteeringVector) -> SteeringVector:
        """Subtract layer by layer."""
        self._same_shape(other)
        return self._derived(self.direction - other.direction, f"{self._name} - {other._name}", other)

    def __mul__(self, factor: float) -> SteeringVector:
        """Scale every layer."""
        made = self._derived(self.direction * factor, f"{factor:g} * {self._name}")
        return replace(made, statistics=self.statistics) if factor > 0 else made

    __rmul__ = __mul__

    def __neg__(self) -> SteeringVector:
        """The opposite behavior."""
        return self._derived(-self.direction, f"-{self._name}")

    def unit(self) -> SteeringVector:
        """Every layer's direction at norm 1."""
        norm = self.norm.clamp_min(torch.finfo(torch.float32).tiny)
        made = self._derived(self.direction / norm[:, None], f"unit({self._name})")
        return replace(made, statistics=self.statistics)

    def cosine(self, other: SteeringVector) -> Tensor:
        """Cosine between the two at each layer [n_layers]; NaN where one of them is zero."""
        self._same_shape(other)
        return (self.direction * other.direction).sum(1) / (self.norm * other.norm)

    def project_out(self, other: SteeringVector) -> SteeringVector:
        """Remove the part along `other` at each layer: v − (v·ŵ) ŵ."""
        self._same_shape(other)
        axis = other.unit().direction
        rest = self.direction - (self.direction * axis).sum(1, keepdim=True) * axis
        return self._derived(rest, f"{self._name} without {other._name}", other)

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file, whole or not at all.

        Raises:
            VectorError: when the folder is missing or not writable.
        """
        tensors = {"direction": self.direction}
        if self.residual_norm is not None:
            tensors["residual_norm"] = self.residual_norm
        tensors |= self.statistics
        return write_tensors(path, "vector", _FORMAT, tensors, {"provenance": asdict(self.provenance)})

    @classmethod
    def load(cls, path: str | Path) -> SteeringVector:
        """Read a file that `save` wrote.

        Raises:
            VectorError: when the file is missing, truncated, changed since, zero at every layer, or something else.
        """
        ranks = {"direction": 2, "residual_norm": 1, **dict.fromkeys(STATISTICS, 2)}
        tensors, header = read_tensors(path, "vector", _FORMAT, ranks, optional=set(ranks) - {"direction"})
        made = parsed(path, header.get("provenance", ""), Provenance)
        with naming(path):
            known = {name: tensors[name] for name in STATISTICS if name in tensors}
            found = cls(tensors["direction"], tensors.get("residual_norm"), made, known)
            if not found.layers:
                raise VectorError("the direction is zero at every layer, so there is nothing to steer along")
        return found

    @classmethod
    def read(
        cls, path: str | Path, made_by: str = "", layer: int | None = None, model: Source | None = None
    ) -> SteeringVector:
        """Read a vector that another program wrote, or trimtab's own file.

        Nothing is unpickled that could run code. What the file does not say stays unknown in the provenance; how its
        layers became those of trimtab stands in `provenance.origin.layer_map`.

        Args:
            path: of the file, or folder; `FILE#7` is row 7 where rows are concepts or features.
            made_by: a name of `trimtab.vectors.formats.VECTOR_FORMATS`, needed where files of several look alike.
            layer: of a file with a single direction the layer that it belongs to; else take this layer alone.
            model: from `trimtab.load`: its number of layers and width are compared, its residual norms measured.

        Raises:
            VectorError: when the file is damaged, holds no vector, is of another site than the residual stream behind a
                layer, or could be of several programs and `made_by` does not say which.
            SettingError: for an unknown `made_by`, or a layer that is missing or contradicts the file.
        """
        from trimtab.vectors.formats.imported_vectors import read_vector

        return read_vector(path, made_by, layer, model)

    @classmethod
    def from_directions(
        cls, directions: Mapping[int, Any], *, model: Source | None = None, name: str = "by hand"
    ) -> SteeringVector:
        """Make a vector of directions by layer.

        Args:
            directions: layer → direction [d_model], a tensor, an array or a list of numbers.
            model: from `trimtab.load`, the model they are for: gives the number of layers, and its residual norms are
                measured. Without it, there are as many rows as the last layer needs, and any model of that width fits.
            name: of the behavior.

        Raises:
            VectorError: for directions that are no finite numbers, are zero, or differ in width from each other or from
                the model.
            SettingError: for a layer that the model does not have.
        """
        from trimtab.vectors.formats.imported_vectors import vector_of_directions

        return vector_of_directions(directions, model, name)

    @property
    def _name(self) -> str:
        name = self.provenance.behavior
        return f"({name})" if " " in name else name

    def _derived(self, direction: Tensor, name: str, other: SteeringVector | None = None) -> SteeringVector:
        made = self.provenance
        origin = made.origin or (other.provenance.origin if other is not None else None)
        known = replace(made, behavior=name, letter=None, origin=origin)
        return replace(self, direction=direction, provenance=known, statistics={})

    def _same_shape(self, other: SteeringVector) -> None:
        if self.direction.shape != other.direction.shape:
            raise VectorError(
                f"{self!r} and {other!r} have different shapes; vectors combine only within one model architecture"
            )


def _require_statistic(name: str, values: Tensor, direction: Tensor) -> None:
    if name not in STATISTICS:
        raise VectorError(f"{name!r} is no statistic of a vector; those are {', '.join(STATISTICS)}")
    require_float32(name, values)
    if values.shape != direction.shape or not bool(torch.isfinite(values).all()):
        raise VectorError(
            f"{name} must be finite and {list(direction.shape)} as the directions, not {list(values.shape)}"
        )
