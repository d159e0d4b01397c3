"""The fingerprint of a model: a hash of a sample of all its weights, and one of the configuration that shapes numbers.

Same weights, same fingerprint, whatever loads them. Values count as bfloat16 rounds them, which is what float32 and
bfloat16 have in common. float16 has another range and rounds otherwise: weights that are stored in 16 bits keep their
fingerprint in it, since what it cannot hold is cut off for every format; weights stored in float32 do not, and so
`load_backbone` reads theirs from the files when it loads them as float16.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from trimtab.models.kinds.placement import held
from trimtab.models.kinds.quantization import is_quantized, plain_values

_VERSION = "2"
"""Fingerprints of version 1, signs only, had no number in front."""
_VALUES_PER_TENSOR = 4096
# The range in which float16 holds every bfloat16 number.
_SMALLEST, _LARGEST = 2.0**-14, 2.0**15

_SHAPES_NO_NUMBER = re.compile(
    r"_.*|.*name_or_path|architectures|auto_map|.*dtype|transformers_version|quantization_config|.*attn_implementation"
    r"|.*_token_id|.*dropout.*|.*pdrop|.*initializer.*|init_.*|use_cache|output_.*|return_dict|use_return_dict"
    r"|id2label|label2id|num_labels|problem_type|tokenizer_class|task_specific_params|finetuning_task|.*_loss_coef"
    r"|chunk_size_feed_forward|gradient_checkpointing"
)
"""Keys of a configuration: where it is from, number formats, tokens, training. All others count, known or not."""

UNKNOWN = (
    "one of them has no fingerprint, as quantized weights in vLLM, or that of an earlier version of trimtab, which "
    "did not cover the size of weights and the configuration"
)
"""Why two fingerprints may tell nothing, in words."""

Difference = Literal["", "unknown", "weights", "configuration"]


def difference(one: str, other: str) -> Difference:
    """What tells two fingerprints apart: `unknown` where a model has none, or it is of an earlier version."""
    parts = [fingerprint.split("-") for fingerprint in (one, other)]
    if any(len(part) != 3 or part[0] != _VERSION for part in parts):
        return "unknown"
    if parts[0][1] != parts[1][1]:
        return "weights"
    return "configuration" if parts[0][2] != parts[1][2] else ""


def fingerprint_of(config: Any, samples: Iterable[Tensor], adapters: str = "") -> str:
    """The fingerprint of a configuration and sampled weights, in the order of `weights_of`.

    Args:
        config: of the model.
        samples: of its weights.
        adapters: which adapters act in which strength, as text.
    """
    weights = hashlib.sha256()
    for sample in samples:
        weights.update(f"{len(sample)}:".encode())
        weights.update(_rounded(sample).numpy().tobytes())
    numbers = hashlib.sha256(json.dumps(shaping(config), sort_keys=True, default=str).encode() + adapters.encode())
    return f"{_VERSION}-{weights.hexdigest()[:16]}-{numbers.hexdigest()[:8]}"


def weights_of(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor of everything that is stored of a model and shapes its numbers, by name: parameters and buffers.

    A tied tensor comes once.
    """
    named: dict[str, Tensor] = dict(model.named_parameters())
    # Offloaded ones are no longer one object; transformers knows which they were.
    tied: dict[str, str] = getattr(model, "all_tied_weights_keys", None) or {}
    named = {k: weight for k, weight in named.items() if weight.device.type != "meta" or tied.get(k) not in named}
    every = {name for name, _ in model.named_parameters(remove_duplicate=False)}
    stored = {k: v for k, v in model.state_dict(keep_vars=True).items() if k not in every and torch.is_tensor(v)}
    packed = is_quantized(model)  # its weights may be integers, and buffers
    named |= {name: buffer for name, buffer in stored.items() if packed or buffer.is_floating_point()}
    for name, weight in sorted(named.items()):
        yield name, held(model, name, weight)


def sampled(weight: Tensor) -> Tensor:
    """The elements of a weight that count, about 4,096 of them, evenly over it."""
    return plain_values(weight).flatten()[:: step_of(weight)]


def step_of(weight: Tensor) -> int:
    """Distance of the elements that count."""
    return max(1, weight.numel() // _VALUES_PER_TENSOR)


def shaping(config: Any) -> dict[str, Any]:
    """What a configuration says of the numbers, as far as it differs from the defaults of its class.

    Without the defaults, so that a later version of transformers, which knows more keys, gives the same.
    """
    own = config.get_text_config()
    try:
        usual = type(own)().to_dict()
    except Exception:  # classes of foreign code may need arguments, and fail in any way without them
        usual = {}
    told = {key: value for key, value in own.to_dict().items() if key not in usual or usual[key] != value}
    found: dict[str, Any] = _cleaned({**told, "model_type": own.model_type})
    return found


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _cleaned(v) for k, v in value.items() if not _SHAPES_NO_NUMBER.fullmatch(str(k))}
    return [_cleaned(inner) for inner in value] if isinstance(value, list | tuple) else value


def _rounded(values: Tensor) -> Tensor:
    """Values as every number format has them, as the bits of bfloat16."""
    short = values.cpu().float().clamp(-_LARGEST, _LARGEST).bfloat16()
    return torch.where(short.abs() < _SMALLEST, torch.copysign(torch.zeros_like(short), short), short).view(torch.int16)
