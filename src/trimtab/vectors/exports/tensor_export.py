"""One tensor [n_layers, d_model], row N behind decoder layer N: what any script can read."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from safetensors.torch import save

from trimtab._util.atomic_files import write_whole
from trimtab.errors import VectorError
from trimtab.vectors.exports.base import Pushes, VectorExport


class Tensors(VectorExport):
    """safetensors or NumPy, by the ending."""

    title: ClassVar[str] = "a plain tensor"
    suffixes: ClassVar[tuple[str, ...]] = (".safetensors", ".npy")
    pushes_first_token: ClassVar[bool] = False
    pushes_everywhere: ClassVar[bool] = False

    def write(self, path: Path, pushes: Pushes) -> None:
        """Rows of layers that are not pushed are zero."""
        made, stacked = pushes.vector.provenance, torch.zeros_like(pushes.vector.direction)
        for layer, row in pushes.rows.items():
            stacked[layer] = row
        if path.suffix == ".npy":
            buffer = io.BytesIO()
            np.save(buffer, stacked.numpy(), allow_pickle=False)
            content = buffer.getvalue()
        else:
            about = {"behavior": made.behavior, "model": made.model, "site": "resid_post"}
            content = save({"direction": stacked}, metadata={key: text for key, text in about.items() if text})
        write_whole(path, content, what="the tensor", error=VectorError)


TENSOR = Tensors()
