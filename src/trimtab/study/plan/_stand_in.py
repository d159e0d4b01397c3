"""The model that a plan measures: the model itself where it is small and here, else a stand-in of its shapes."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from typing import Any

import torch

from trimtab.engines import Model, load
from trimtab.models import Facts, Quantization, wrap
from trimtab.models.bundled import resolve

MAX_OWN_BYTES = 1_500_000_000
"""Weights beyond this are not loaded for a plan."""
MAX_LAYER_PARAMETERS, MAX_HEAD_PARAMETERS = 200_000_000, 100_000_000
MIN_PARAMETERS = 60_000_000
"""The layers of a stand-in have at least as many: more than a processor's cache holds."""
DISK_BYTES_PER_SECOND = 500_000_000
VOCABULARY = 128_000
"""Where the tokenizer could not be reached."""
ASSUMED = (
    "assumed: the model takes as long as a dense one of its width, heads and active parameters, of which a few layers "
    "with random weights were timed; its weights are on this disk and read at 0.5 GB/s"
)


@dataclass(frozen=True, eq=False)
class Measurable:
    """A model to measure, and what its times are worth."""

    model: Model
    load_seconds: float
    layers: float = 1.0
    """A pass through the real model's layers takes this many times as long."""
    whole: float = 1.0
    """The same for a pass in which every token is unembedded."""
    assumed: str = ""
    """What that rests on; empty for the model itself."""


def measurable(
    name: str,
    facts: Facts,
    vocabulary: int,
    dtype: torch.dtype,
    device: torch.device,
    weight_bytes: int,
    quantization: Quantization = "",
    *,
    fits: bool = True,
) -> Measurable:
    """The model itself where it `fits` into memory, or its stand-in, whose weights are not quantized."""
    if not fits or weight_bytes > MAX_OWN_BYTES or not os.path.isdir(resolve(name)):
        return stand_in(facts, vocabulary, dtype, device, weight_bytes)
    started = time.perf_counter()
    number_format: Any = str(dtype).removeprefix("torch.")
    model = load(name, dtype=number_format, device=str(device), quantization=quantization)
    return Measurable(model, time.perf_counter() - started)


def vocabulary_size(tokenizer: Any) -> int:
    """How many tokens a model has to choose from; a usual number where its tokenizer is not here."""
    return len(tokenizer) if hasattr(tokenizer, "__len__") else VOCABULARY


def stand_in(facts: Facts, vocabulary: int, dtype: torch.dtype, device: torch.device, weight_bytes: int) -> Measurable:
    """A dense model with random weights: the width, heads and vocabulary of another, and a few layers of its size."""
    from transformers import LlamaConfig, LlamaForCausalLM

    head = vocabulary * facts.width
    in_layers = max(facts.active_parameters - head * (1 if facts.tied_embeddings else 2), facts.active_parameters // 2)
    each = min(in_layers / facts.layers, MAX_LAYER_PARAMETERS)
    heads, kv_heads = max(1, facts.heads), max(1, facts.kv_heads)
    head_size = max(2, (facts.head_size or facts.width // heads) // 2 * 2)
    attention = 2 * facts.width * head_size * (heads + kv_heads)
    config = LlamaConfig(
        vocab_size=max(64, min(head, MAX_HEAD_PARAMETERS) // facts.width),
        hidden_size=facts.width,
        intermediate_size=max(16, round((each - attention) / (3 * facts.width))),
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=head_size,
        num_hidden_layers=min(facts.layers, math.ceil(MIN_PARAMETERS / each)),
        tie_word_embeddings=True,
    )
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    backbone = wrap(model, _NoTokenizer(), name="stand-in", fingerprint="stand-in")
    own_head = model.lm_head.weight.numel()
    own_layers = sum(p.numel() for p in model.parameters()) - own_head
    return Measurable(
        Model(backbone),
        weight_bytes / DISK_BYTES_PER_SECOND,
        in_layers / own_layers,
        (in_layers + head) / (own_layers + own_head),
        ASSUMED,
    )


class _NoTokenizer:
    """In place of a tokenizer: the stand-in runs on token ids."""

    chat_template = None
    pad_token_id = eos_token_id = bos_token_id = None
