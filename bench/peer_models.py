"""A checkpoint of today's transformers in the older one that the peers want."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast


def load_peer_model(folder: Path) -> tuple[Any, Any]:
    """Model in float32 and tokenizer of a folder."""
    special = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    # The folder names a tokenizer class that older transformers do not know; the tokenizer itself is in its file.
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        bos_token=special["bos_token"],
        eos_token=special["eos_token"],
        pad_token=special["pad_token"],
    )
    # Nor do they read the rotary base from where newer ones write it; with the default they compute another model.
    config = AutoConfig.from_pretrained(folder)
    rope = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("rope_parameters") or {}
    if "rope_theta" in rope:
        config.rope_theta = rope["rope_theta"]
    model = AutoModelForCausalLM.from_pretrained(folder, config=config, torch_dtype=torch.float32).eval()
    return model, tokenizer
