"""Vectors from elsewhere: a format for each program that writes them, each with its layer map.

A format from outside this package is a subclass of `VectorFormat`, registered with `VECTOR_FORMATS.register` or by an
entry point in the group `trimtab.vector_formats`. Its name is what `made_by` and `--made-by` take.
"""

from __future__ import annotations

from trimtab._util.registry import Entry, Registry
from trimtab.vectors.formats.base import Directions, Match, VectorFile, VectorFormat, Wanted

_PUBLISHED = "trimtab.vectors.formats.published"

VECTOR_FORMATS: Registry[VectorFormat] = Registry(
    "vector format",
    "trimtab.vector_formats",
    {
        "repeng": Entry(
            f"{_PUBLISHED}.control_vectors:REPENG",
            "GGUF; `direction.N` is layer N; the last layer, read behind the final norm, is left out",
        ),
        "saklas": Entry(f"{_PUBLISHED}.control_vectors:SAKLAS", "GGUF; `direction.N` is layer N"),
        "llama.cpp": Entry(
            f"{_PUBLISHED}.control_vectors:LLAMA_CPP", "GGUF of cvector-generator; `direction.N` is layer N−1"
        ),
        "jukofyork": Entry(
            f"{_PUBLISHED}.control_vectors:JUKOFYORK",
            "GGUF of differences between layers; layer L is the sum of `direction.1` to `direction.L+1`",
        ),
        "trimtab-gguf": Entry(
            f"{_PUBLISHED}.control_vectors:TRIMTAB", "GGUF that trimtab wrote; `direction.N` is layer N"
        ),
        "persona_vectors": Entry(
            f"{_PUBLISHED}.persona_vectors:PERSONA_VECTORS",
            "`{trait}_response_avg_diff.pt`, `[n_layers + 1, d]`; row R is layer R−1, the first and last are left out",
        ),
        "caa": Entry(
            f"{_PUBLISHED}.layer_files:CAA", "`vec_layer_15_….pt`, `[d]`, or a folder of them; layer as named"
        ),
        "bipo": Entry(f"{_PUBLISHED}.layer_files:BIPO", "`vec_ep20_layer15.pt`, `[d]`; layer as named"),
        "tensor": Entry(
            f"{_PUBLISHED}.plain_tensors:TENSOR",
            "`.pt`, `.npy` or safetensors of one tensor: `[n_layers, d]`, row N is layer N; `[d]` with `--layer`",
        ),
        "layers": Entry(
            f"{_PUBLISHED}.plain_tensors:BY_LAYER",
            "`.pt` or safetensors of directions by layer (`{15: …}`, `layer15`, `layers.15`); layer as named",
        ),
    },
)
"""Every format by the name of what writes it."""

__all__ = ["VECTOR_FORMATS", "Directions", "Match", "VectorFile", "VectorFormat", "Wanted"]
