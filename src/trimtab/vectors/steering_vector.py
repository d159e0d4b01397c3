"""The steering vector: one direction for each layer, with where it came from; a safetensors file."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from trimtab._util.plot_registry import Plottable
from trimtab._util.summaries import Summarized, Summary
from trimtab.errors import TrimtabWarning, VectorError, shortened
from trimtab.vectors.tensor_file import NO_OTHER_FIELDS, naming, parsed, read_tensors, require_float32, write_tensors

_FORMAT = "trimtab-vectors-1"


@dataclass(frozen=True)
class LetterLeakage:
    """Where the vector lies to the answer letter, and how much of the data the letter was, by layer."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    cosine: tuple[float, ...]
    """|cos(v, v_letter)|, v_letter being half the mean difference of "A is positive" and "B is positive" rows.

    Where both letters count alike (`balance`), the letter of the data has cancelled, and what is left is the angle
    between the behavior's own direction and the letter's: steering can then move the letter too. It is relative to the
    length of the vector, so that it does not rank ways of balancing: without `both_orders`, pairs whose letters happen
    to be even give a longer vector, by what the letter does differently in each pair, and with about as much of the
    letter in it a smaller cosine.
    """
    share: tuple[float, ...]
    """The letter's share of the squared norm of the pairs' differences, before balancing; high in most A/B data, and no
    fault of a vector whose letters are balanced."""


@dataclass(frozen=True)
class Provenance:
    """Where a vector came from: enough to make it again and to know what it fits."""

    __pydantic_config__: ClassVar[Any] = NO_OTHER_FIELDS
    model: str
    fingerprint: str
    behavior: str
    pairs_hash: str
    pairs: int
    method: str
    token_position: str
    form: str
    balance: str
    template_hash: str
    versions: dict[str, str] = field(default_factory=dict)
    first_token_ratio: tuple[float, ...] = ()
    """Norm of the first token's residual stream (the attention sink) ÷ the mean residual norm, by layer."""
    letter: LetterLeakage | None = None
    seed: int | None = None
    """Of the methods that draw, `single` and `random`."""
    pair_id: str | None = None
    """Which pair `single` took."""


@dataclass(frozen=True, eq=False, repr=False)
class SteeringVector(Summarized, Plottable):
    """Directions of one behavior in one model, unnormalized: their norm is information."""

    _plots: ClassVar[str] = "vector"

    direction: Tensor
    """[n_layers, d_model] float32."""
    residual_norm: Tensor
    """[n_layers] mean norm of the residual stream at the tokens the vector was taken from."""
    provenance: Provenance

    def __post_init__(self) -> None:
        """Refuse shapes and values that cannot steer."""
        for name in ("direction", "residual_norm"):
            require_float32(name, getattr(self, name))
        shape = list(self.direction.shape)
        if len(shape) != 2 or 0 in shape or self.residual_norm.shape != self.direction.shape[:1]:
            raise VectorError(
                f"direction must be [n_layers, d_model] and residual_norm [n_layers], "
                f"not {shape} and {list(self.residual_norm.shape)}"
            )
        if not bool(torch.isfinite(self.direction).all()):
            raise VectorError("the directions hold NaN or infinite values")
        if not bool(torch.isfinite(self.norm).all()):
            raise VectorError("the directions are so long that their norm is infinite")
        if not bool((torch.isfinite(self.residual_norm) & (self.residual_norm >= 0)).all()):
            raise VectorError("the residual norms hold NaN, infinite or negative values")
        made, layers = self.provenance, len(self.direction)
        by_layer = {"first_token_ratio": made.first_token_ratio}
        if made.letter is not None:
            by_layer |= {"letter.cosine": made.letter.cosine, "letter.share": made.letter.share}
        for name, values in by_layer.items():
            if values and len(values) != layers:
                raise VectorError(f"{name} has {len(values)} values for {layers} layers")

    @property
    def n_layers(self) -> int:
        """Number of layers, each with its direction."""
        return int(self.direction.shape[0])

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
            "method": made.method,
            "shape": f"{self.n_layers} layers × {self.direction.shape[1]}",
            "model": f"from {made.model}",
        }
        read = f"{made.form}, token position {made.token_position}, balance {made.balance}"
        return Summary(facts, more={"pairs": f"{made.pairs:,}", "read as": read})

    def __add__(self, other: SteeringVector) -> SteeringVector:
        """Add layer by layer."""
        self._same_shape(other)
        return self._derived(self.direction + other.direction, f"{self._name} + {other._name}")

    def __sub__(self, other: SteeringVector) -> SteeringVector:
        """Subtract layer by layer."""
        self._same_shape(other)
        return self._derived(self.direction - other.direction, f"{self._name} - {other._name}")

    def __mul__(self, factor: float) -> SteeringVector:
        """Scale every layer."""
        return self._derived(self.direction * factor, f"{factor:g} * {self._name}")

    __rmul__ = __mul__

    def __neg__(self) -> SteeringVector:
        """The opposite behavior."""
        return self._derived(-self.direction, f"-{self._name}")

    def unit(self) -> SteeringVector:
        """Every layer's direction at norm 1."""
        norm = self.norm.clamp_min(torch.finfo(torch.float32).tiny)
        return self._derived(self.direction / norm[:, None], f"unit({self._name})")

    def cosine(self, other: SteeringVector) -> Tensor:
        """Cosine between the two at each layer [n_layers]; NaN where one of them is zero."""
        self._same_shape(other)
        return (self.direction * other.direction).sum(1) / (self.norm * other.norm)

    def project_out(self, other: SteeringVector) -> SteeringVector:
        """Remove the part along `other` at each layer: v − (v·ŵ) ŵ."""
        self._same_shape(other)
        axis = other.unit().direction
        rest = self.direction - (self.direction * axis).sum(1, keepdim=True) * axis
        return self._derived(rest, f"{self._name} without {other._name}")

    def save(self, path: str | Path) -> Path:
        """Write a safetensors file, whole or not at all.

        Raises:
            VectorError: when the folder is missing or not writable.
        """
        tensors = {"direction": self.direction, "residual_norm": self.residual_norm}
        return write_tensors(path, "vector", _FORMAT, tensors, {"provenance": asdict(self.provenance)})

    @classmethod
    def load(cls, path: str | Path) -> SteeringVector:
        """Read a file that `save` wrote.

        Raises:
            VectorError: when the file is missing, truncated, changed since, or something else.
        """
        tensors, header = read_tensors(path, "vector", _FORMAT, {"direction": 2, "residual_norm": 1})
        made = parsed(path, header.get("provenance", ""), Provenance)
        with naming(path):
            found = cls(tensors["direction"], tensors["residual_norm"], made)
            found._require_direction()
        return found

    def _require_direction(self) -> None:
        """Refuse a vector that is zero at every layer; warn of the layers at which it is."""
        zero = [layer for layer, row in enumerate(self.direction) if not bool(row.any())]
        if len(zero) == self.n_layers:
            raise VectorError("the direction is zero at every layer, so there is nothing to steer along")
        if zero:
            listed = ", ".join(shortened([str(layer) for layer in zero], 10))
            warnings.warn(
                f"{self!r}: the direction is zero at layer {listed}, so steering changes nothing there",
                TrimtabWarning,
                stacklevel=3,
            )

    @property
    def _name(self) -> str:
        name = self.provenance.behavior
        return f"({name})" if " " in name else name

    def _derived(self, direction: Tensor, name: str) -> SteeringVector:
        made = replace(self.provenance, behavior=name, letter=None)
        return replace(self, direction=direction, provenance=made)

    def _same_shape(self, other: SteeringVector) -> None:
        if self.direction.shape != other.direction.shape:
            raise VectorError(
                f"{self!r} and {other!r} have different shapes; vectors combine only within one model architecture"
            )
