"""steering-vectors: a `SteeringVector` that was saved with torch, and assistant-axis' dict of one matrix."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from trimtab.vectors.formats._containers import as_json, number_tensor
from trimtab.vectors.formats._stand_ins import SavedSteeringVector
from trimtab.vectors.formats.base import AS_IS, Container, Directions, Match, VectorFile, VectorFormat, Wanted, only


class SavedSteeringVectors(VectorFormat):
    """An object with `layer_activations` and `layer_type`."""

    title: ClassVar[str] = "steering-vectors"
    containers: ClassVar[frozenset[Container]] = frozenset({"torch"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By its class."""
        return Match.CERTAIN if isinstance(file.content, SavedSteeringVector) else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Layers as they are.

        Raises:
            VectorError: for another layer type, or fields that are no directions.
        """
        fields: dict[str, Any] = vars(file.content) if isinstance(file.content, SavedSteeringVector) else {}
        if (site := fields.get("layer_type")) != "decoder_block":
            raise file.fault(
                f"its directions are of the layer type {site!s:.40}, not decoder_block, behind which trimtab steers"
            )
        found = fields.get("layer_activations")
        if not isinstance(found, dict) or not found:
            raise file.fault("holds no layer_activations")
        rows: dict[int, Tensor] = {}
        for layer, value in found.items():
            row = number_tensor(value)
            if not isinstance(layer, int) or isinstance(layer, bool) or layer < 0 or row is None or row.dim() != 1:
                raise file.fault(f"layer_activations[{layer!r:.40}] is no direction [d_model] of a layer")
            rows[layer] = row
        return Directions(only(dict(sorted(rows.items())), wanted), AS_IS)


class AssistantAxis(VectorFormat):
    """A dict with `axis`, a row for each layer."""

    title: ClassVar[str] = "assistant-axis"
    containers: ClassVar[frozenset[Container]] = frozenset({"torch"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By its keys."""
        return Match.CERTAIN if isinstance(file.content, dict) and "axis" in file.content else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Rows as they are.

        Raises:
            VectorError: when `axis` is no matrix with a row for each layer.
        """
        found = number_tensor(file.content.get("axis")) if isinstance(file.content, dict) else None
        if found is None or found.dim() != 2:
            raise file.fault("holds no axis [n_layers, d_model]")
        if wanted.n_layers not in (None, len(found)):
            raise file.fault(f"its axis has {len(found)} rows, and the model {wanted.n_layers} layers")
        about = file.content.get("metadata")
        notes = (f"its metadata: {as_json(about)}",) if isinstance(about, dict) and about else ()
        rows = only(dict(enumerate(found)), wanted)
        return Directions(
            rows, "row N of axis is the output of block N, layer N of trimtab", n_layers=len(found), notes=notes
        )


STEERING_VECTORS = SavedSteeringVectors()
ASSISTANT_AXIS = AssistantAxis()
