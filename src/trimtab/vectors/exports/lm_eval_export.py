"""lm-evaluation-harness' `--model steered`: a dict with a vector, a coefficient and an action for each hook point."""

from __future__ import annotations

import io
import shlex
from pathlib import Path
from typing import ClassVar

import torch

from trimtab._util.atomic_files import write_whole
from trimtab.errors import VectorError
from trimtab.vectors.exports.base import Pushes, VectorExport


class LmEvalExport(VectorExport):
    """A .pt file of tensors and numbers."""

    title: ClassVar[str] = "a steering file of lm-evaluation-harness"
    suffixes: ClassVar[tuple[str, ...]] = (".pt",)
    is_typed: ClassVar[bool] = True

    def write(self, path: Path, pushes: Pushes) -> None:
        """Keys are `layers.N`, the output of decoder layer N."""
        content = {
            f"layers.{layer}": {
                "steering_vector": row.reshape(1, -1).clone(), "steering_coefficient": 1.0, "action": "add",
                "bias": None, "head_index": None,
            }
            for layer, row in sorted(pushes.rows.items())
        }  # fmt: skip
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_whole(path, buffer.getvalue(), what="the steering file", error=VectorError)

    def usage(self, path: Path, pushes: Pushes) -> tuple[str, ...]:
        """The harness' own command."""
        given = shlex.quote(f"pretrained=MODEL,steer_path={path}")
        return (f"lm_eval --model steered --model_args {given} --tasks TASK",)


LM_EVAL = LmEvalExport()
