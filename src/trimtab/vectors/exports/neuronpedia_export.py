"""Neuronpedia's vectors: one JSON object with a model, a layer, a hook and the numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

from trimtab._util.atomic_files import write_whole
from trimtab.errors import VectorError
from trimtab.vectors.exports.base import Pushes, VectorExport, only_row


class NeuronpediaExport(VectorExport):
    """The body of its request for a new vector."""

    title: ClassVar[str] = "a vector of Neuronpedia"
    suffixes: ClassVar[tuple[str, ...]] = (".json",)

    def write(self, path: Path, pushes: Pushes) -> None:
        """One layer, at the hook behind it."""
        layer, row = only_row(pushes, self.title)
        made = pushes.vector.provenance
        content = {
            "modelId": made.model or "unknown",
            "layerNumber": layer,
            "hookType": "hook_resid_post",
            "vector": row.tolist(),
            "vectorDefaultSteerStrength": 1.0,
            "vectorLabel": made.behavior,
        }
        write_whole(path, json.dumps(content), what="the vector", error=VectorError)


NEURONPEDIA = NeuronpediaExport()
