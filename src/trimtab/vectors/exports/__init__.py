"""Vectors for elsewhere: a layout for each program that reads them, and what is lost on the way.

A layout from outside this package is a subclass of `VectorExport`, registered with `VECTOR_EXPORTS.register` or by an
entry point in the group `trimtab.vector_exports`. Its name is what `to` and `--to` take.
"""

from __future__ import annotations

from trimtab._util.registry import Entry, Registry
from trimtab.vectors.exports.base import Exported, Pushes, VectorExport

_HERE = "trimtab.vectors.exports"

VECTOR_EXPORTS: Registry[VectorExport] = Registry(
    "vector export",
    "trimtab.vector_exports",
    {
        "gguf": Entry(f"{_HERE}.gguf_export:GGUF", "GGUF control vector for llama.cpp, LM Studio, koboldcpp"),
        "easysteer": Entry(f"{_HERE}.gguf_export:EASYSTEER", "GGUF control vector as EasySteer's vLLM reads it"),
        "tensor": Entry(f"{_HERE}.tensor_export:TENSOR", "safetensors of one tensor `[n_layers, d]`, or `.npy`"),
        "lm-eval": Entry(f"{_HERE}.lm_eval_export:LM_EVAL", "`.pt` for lm-evaluation-harness' `--model steered`"),
        "neuronpedia": Entry(f"{_HERE}.neuronpedia_export:NEURONPEDIA", "JSON of one layer, for Neuronpedia"),
    },
)
"""Layouts by name."""

__all__ = ["VECTOR_EXPORTS", "Exported", "Pushes", "VectorExport"]
