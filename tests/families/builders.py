"""A small random model of every causal family that the installed transformers knows.

A family's own default configuration is shrunk by the names of its settings, as `sizes.py` has them: `hidden_size` is a
width wherever it stands. What this cannot know stands in `special.py`. Windows, chunks and the lengths that rope is
scaled from become shorter than the texts in `cases.py`, so that whatever depends on them is seen.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers import CONFIG_MAPPING, MODEL_FOR_CAUSAL_LM_MAPPING, PreTrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from transformers.utils import logging

from families.sizes import (
    BY_NAME,
    BY_PATTERN,
    HEAD_SIZE,
    HEADS,
    LAYER_COUNT,
    LAYERS,
    LEFT_ALONE,
    ROPE_CONTEXT,
    WIDTH,
)
from families.special import SPECIAL, VARIANTS, WEIGHTS
from trimtab.models.kinds.multimodal import class_for

FAMILIES: tuple[str, ...] = tuple(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
WRAPPERS = (
    "aya_vision", "idefics3", "internvl", "llava", "llava_onevision", "mistral3", "paligemma", "qwen2_5_vl", "qwen2_vl",
    "qwen3_vl", "smolvlm",
)  # fmt: skip
"""Families that read text beside images, for which transformers has another auto class."""


def shrunk(
    kind: type[PreTrainedConfig], given: Mapping[str, Any] | None = None, count: int = LAYERS
) -> PreTrainedConfig:
    """A configuration of the same kind, small, with `count` layers; what is `given` is taken as it is."""
    given = {**SPECIAL.get(kind.model_type, {}), **(given or {})}
    default = _default(kind, given)
    values = {name: _get(default, name) for name in {*default.to_dict(), *default.attribute_map}}
    layers = next((n for name, n in values.items() if re.fullmatch(LAYER_COUNT, name) and n), 0)
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, PreTrainedConfig):
            # Towers beside the language model have another number of layers than it, as they have in what is published.
            beside = re.search("vision|audio|encoder", name) is not None
            changes[name] = shrunk(type(value), given.get(name), LAYERS // 2 if beside else LAYERS)
        elif name not in given and _settable(kind, name):
            small = _small(name, value, layers, count)
            if small is not None:
                changes[name] = small
    for name, standard in default.attribute_map.items():
        if name in changes and (standard in changes or standard in given):
            del changes[name]
    heads = next((n for name in ("num_attention_heads", "n_head", "n_heads") if (n := values.get(name))), 0)
    for name in ("num_key_value_heads", "num_kv_heads"):
        if name in changes and values[name] == heads:
            changes[name] = HEADS
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    return kind(**{**special, **{k: v for k, v in given.items() if k not in changes}, **changes})


def _default(kind: type[PreTrainedConfig], given: Mapping[str, Any]) -> PreTrainedConfig:
    """The family's own defaults; nested settings that it does not accept are given as they must be."""
    try:
        return kind()
    except Exception:
        return kind(**given)


def _get(config: Any, name: str) -> Any:
    try:
        return getattr(config, name, None)
    except Exception:  # settings that differ between layers refuse to be read
        return vars(config).get(name)


def _settable(kind: type, name: str) -> bool:
    standard = getattr(kind, "attribute_map", {}).get(name, name)
    found = getattr(kind, standard, None)
    return not (isinstance(found, property) and found.fset is None)


def _small(name: str, value: Any, layers: int, count: int) -> Any:
    """The small value of a setting; None: leave it to the family."""
    if isinstance(value, bool) or value is None or LEFT_ALONE.fullmatch(name):
        return None
    if isinstance(value, int):
        by_pattern = (n for pattern, n in ((LAYER_COUNT, count), *BY_PATTERN) if re.fullmatch(pattern, name))
        small = BY_NAME.get(name) or next(by_pattern, None)
        return None if small is None or value < 1 else min(value, small)
    if isinstance(value, (list, tuple)) and layers > count and len(value) == layers:
        return [_small(name, v, 0, count) or v for v in _pattern(list(value), count)]
    if isinstance(value, dict) and "rope" in name:
        return _small_rope(value)
    return None


def _pattern(values: list[Any], count: int) -> list[Any]:
    """As many as there are layers, every kind among them, in the order in which they come."""
    kinds = list(dict.fromkeys(v for v in values if not isinstance(v, list)))
    return [kinds[i % len(kinds)] for i in range(count)] if kinds else values[:count]


def _small_rope(rope: dict[str, Any]) -> dict[str, Any] | None:
    if rope and all(isinstance(v, dict) for v in rope.values()):
        return {k: _small_rope(v) or v for k, v in rope.items()}
    changed = dict(rope)
    if "original_max_position_embeddings" in changed:
        changed["original_max_position_embeddings"] = ROPE_CONTEXT
    for name in ("short_factor", "long_factor"):
        if name in changed:
            changed[name] = changed[name][: HEAD_SIZE // 2]
    if "mrope_section" in changed:
        changed["mrope_section"] = [4, 2, 2]
    if changed.get("rope_theta", 0) > 100:
        changed["rope_theta"] = 100.0  # so that positions a few tokens apart differ
    return changed


def family_config(name: str) -> PreTrainedConfig:
    """The small configuration of a family or of one of `VARIANTS`."""
    family, given = VARIANTS.get(name, (name, {}))
    return shrunk(CONFIG_MAPPING[family], given)


def family_model(name: str, seed: int = 0) -> Any:
    """A random causal language model of a family, float32."""
    logging.set_verbosity_error()
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        torch.manual_seed(seed)
        config = family_config(name)
        if hasattr(config, "audio_encoder"):  # Musicgen's language model is not reached through the auto class
            model = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)](config.decoder)
        else:
            model = class_for(config).from_config(config, dtype=torch.float32)
    return randomize(model, seed, WEIGHTS.get(name, 1.2)).eval()


@torch.no_grad()
def randomize(model: nn.Module, seed: int, scale: float) -> nn.Module:
    """Draw weights so that every part of a layer matters and logits are of order 1 to 10."""
    source = torch.Generator().manual_seed(seed)
    embedding = getattr(model.get_input_embeddings(), "weight", None)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=source)
        if parameter is embedding:
            parameter.copy_(0.7 * noise)
        elif parameter.dim() >= 2:
            parameter.copy_(scale * noise / WIDTH**0.5)
        else:
            parameter.add_(0.1 * noise)
    return model
