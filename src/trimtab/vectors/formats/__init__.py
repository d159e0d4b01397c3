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
        "trimtab-hub": Entry(
            f"{_PUBLISHED}.shared_folders:SHARED_FOLDER",
            "a folder of `trimtab hub push`: `vectors.safetensors`, row N is layer N, and `steering.json`",
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
        "steering-vectors": Entry(
            f"{_PUBLISHED}.saved_steering_vectors:STEERING_VECTORS",
            "a `SteeringVector` saved with torch, of the layer type `decoder_block`; layer as named",
        ),
        "assistant-axis": Entry(
            f"{_PUBLISHED}.saved_steering_vectors:ASSISTANT_AXIS",
            '`.pt` with `{"axis": [n_layers, d]}`; row N is layer N',
        ),
        "refusal_direction": Entry(
            f"{_PUBLISHED}.refusal_direction:REFUSAL_DIRECTION",
            "`direction.pt` beside `direction_metadata.json`; read before block L, so layer L−1",
        ),
        "neuronpedia": Entry(
            f"{_PUBLISHED}.json_vectors:NEURONPEDIA",
            "JSON; `hook_resid_post` of block L is layer L, `hook_resid_pre` layer L−1",
        ),
        "activation-steering": Entry(
            f"{_PUBLISHED}.json_vectors:ACTIVATION_STEERING", "IBM's `.svec`, JSON; layer as named"
        ),
        "lm-eval": Entry(
            f"{_PUBLISHED}.lm_eval:LM_EVAL",
            '`.pt` of steered models, `{"layers.15": …}` with the action `add`; layer as named, times the coefficient',
        ),
        "axbench": Entry(
            f"{_PUBLISHED}.feature_rows:AXBENCH",
            "`DiffMean_weight.pt#7` or `LsReFT_weight.pt#7`, a row, with `--layer`: layer as given",
        ),
        "saelens": Entry(
            f"{_PUBLISHED}.feature_rows:SAE_LENS",
            "`FOLDER#7` with `sae_weights.safetensors` and `cfg.json`: a row of the decoder; layer by the hook",
        ),
        "steering-lite": Entry(
            f"{_PUBLISHED}.steering_lite:STEERING_LITE", "safetensors with `layer15.v`; layer as named"
        ),
    },
)
"""Every format by the name of what writes it."""

__all__ = ["VECTOR_FORMATS", "Directions", "Match", "VectorFile", "VectorFormat", "Wanted"]
