"""GGUF files: converted once into a cache, then loaded like any folder.

transformers reads these files, and drops what it does not know: scaled rotary frequencies, biases, numbers of the
configuration. So a conversion is compared with its file before it is stored.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from trimtab.errors import ModelError, TrimtabError, shortened
from trimtab.models._completeness import MAX_NAMED, load_whole
from trimtab.models.quiet import quiet_loading, without_reading_bars

_VERSION = "2"
"""Of conversions: those of version 1 were not compared with their files."""
_END_BYTES, _BLOCKS, _BLOCK_BYTES = 1 << 20, 1024, 4096

_READ_AS: dict[str, Callable[[Any], Any]] = {
    "attention.layer_norm_rms_epsilon": lambda config: _first_of(
        config, "rms_norm_eps", "layer_norm_epsilon", "norm_eps"
    ),
    "attention.layer_norm_epsilon": lambda config: _first_of(
        config, "layer_norm_eps", "layer_norm_epsilon", "norm_eps"
    ),
    "rope.freq_base": lambda config: _rope_of(config).get("rope_theta"),
    "attn_logit_softcapping": lambda config: getattr(config, "attn_logit_softcapping", None),
    "final_logit_softcapping": lambda config: getattr(config, "final_logit_softcapping", None),
    "logit_scale": lambda config: getattr(config, "logit_scale", None),
}
"""Numbers of a GGUF file that shape states or logits, and where the configuration has them."""

# The only scaling that files give as a tensor of factors and that transformers knows by its parameters.
_LLAMA3 = {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


def cache_folder() -> Path:
    """Where converted models live: `$TRIMTAB_CACHE`, else the user's cache folder."""
    if override := os.environ.get("TRIMTAB_CACHE"):
        return Path(override)
    from platformdirs import user_cache_path

    return user_cache_path("trimtab")


def convert_gguf(gguf: Path) -> Path:
    """Turn a GGUF file into a transformers folder in the cache, once.

    Safe when several processes do it at once: one converts under a lock, into a temporary folder that is renamed when
    it is whole; the others wait and use it.

    Raises:
        ModelError: when transformers cannot read the file, or not all that is in it.
    """
    target = cache_folder() / "models" / f"{gguf.stem}-{_VERSION}-{file_key(gguf)}"
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{target}.lock"):
        if not target.is_dir():
            workplace = target.with_name(f".converting-{target.name}")
            shutil.rmtree(workplace, ignore_errors=True)  # of a process that was killed
            workplace.mkdir()
            try:
                _convert(gguf, workplace)
                os.replace(workplace, target)
            finally:
                shutil.rmtree(workplace, ignore_errors=True)
    return target


def file_key(path: Path) -> str:
    """Changes when the file is replaced, without reading gigabytes.

    The key covers the size, both ends, and 1,024 blocks evenly between them: a change that spans a thousandth of the
    file is seen. The time of the last change is no part of it: a copy of a file is the same file.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        digest.update(file.read(_END_BYTES))
        for block in range(_BLOCKS):
            file.seek(size * block // _BLOCKS)
            digest.update(file.read(_BLOCK_BYTES))
        file.seek(max(0, size - _END_BYTES))
        digest.update(file.read(_END_BYTES))
    return digest.hexdigest()[:16]


def _convert(gguf: Path, folder: Path) -> None:
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        with quiet_loading(), without_reading_bars():
            load = functools.partial(AutoModelForCausalLM.from_pretrained, gguf.parent)
            model = load_whole(load, str(gguf), gguf_file=gguf.name, dtype=torch.float32)
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        rope = _compare(gguf, model)
    except TrimtabError:
        raise
    except Exception as error:  # transformers, gguf and accelerate raise whatever they like for a broken file
        raise ModelError(f"{gguf}: transformers cannot read this GGUF file: {error}") from error
    tokenizer.save_pretrained(folder)
    config = model.config.to_dict() | rope
    # The weights are plain now; left in, these keys would make transformers look for a quantizer.
    for key in ("quantization_config", "_name_or_path", "_model_name_or_path"):
        config.pop(key, None)
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=str), encoding="utf-8")
    model.generation_config.save_pretrained(folder)
    tied = set(model.all_tied_weights_keys) if model.config.tie_word_embeddings else set()
    weights = {k: v.contiguous() for k, v in model.state_dict().items() if k not in tied}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _compare(gguf: Path, model: Any) -> dict[str, Any]:
    """Refuse a file of which transformers leaves out what shapes the numbers.

    Returns:
        What the configuration lacks and the file makes known.

    Raises:
        ModelError: naming what is left out.
    """
    from gguf import GGUFReader

    reader = GGUFReader(gguf)
    config = model.config.get_text_config()
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    rope: dict[str, Any] = {}
    problems = []
    if (factors := tensors.get("rope_freqs.weight")) is not None and _rope_of(config).get("rope_type") == "default":
        rope = _llama3_rope(config, [float(factor) for factor in factors.data.flatten()])
    problems += [f"the tensor {name}" for name in tensors if "rope_f" in name and not rope]
    problems += _lost_biases(model, list(tensors))
    scaling = _text(reader, "rope.scaling.type")
    if scaling not in ("", "none") and not rope and _rope_of(config).get("rope_type", "default") == "default":
        problems.append(f"rotary positions scaled by {scaling!r}")
    for suffix, read in _READ_AS.items():
        stated, became = _number(reader, suffix), read(config)
        if stated is not None and (became is None or not math.isclose(stated, float(became), rel_tol=1e-4)):
            problems.append(f"{suffix} {stated:g} (its configuration says {became})")
    if problems:
        shown = "\n".join(f"  {problem}" for problem in shortened(problems, MAX_NAMED))
        raise ModelError(
            f"{gguf}: transformers leaves out of this GGUF file what shapes the numbers:\n{shown}\n"
            "Load the model from its original weights (safetensors) instead."
        )
    return {"rope_parameters": rope} if rope else {}


def _lost_biases(model: Any, names: list[str]) -> list[str]:
    """Biases that the file has in excess of the model; `exp_probs_b` is no bias of a layer there."""
    biases = [name for name in names if name.endswith(".bias") and "exp_probs_b" not in name]
    wanted = sum(name.endswith("bias") for name, _ in model.named_parameters())
    return [f"biases, such as {biases[0]}"] if len(biases) > wanted else []


def _llama3_rope(config: Any, factors: list[float]) -> dict[str, Any]:
    """The parameters behind factors of rotary frequencies, as Llama 3.1 and later scale them; {} if they are others."""
    import torch
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    plain = _rope_of(config)
    scaled = {**plain, **_LLAMA3, "factor": max(factors)}
    trial = type(config)(**{**config.to_dict(), "rope_parameters": scaled})
    found, _ = ROPE_INIT_FUNCTIONS["llama3"](trial, torch.device("cpu"))
    size = 2 * len(found)
    base = 1.0 / plain["rope_theta"] ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
    wanted = torch.tensor(factors)
    fits = len(factors) == len(found) and torch.allclose(base / found, wanted, rtol=1e-3)
    return scaled if fits else {}


def _rope_of(config: Any) -> dict[str, Any]:
    found = getattr(config, "rope_parameters", None)
    return found if isinstance(found, dict) else {}


def _first_of(config: Any, *names: str) -> Any:
    return next((value for name in names if (value := getattr(config, name, None)) is not None), None)


def _field(reader: Any, suffix: str) -> Any:
    architecture = reader.fields["general.architecture"].contents()
    field = reader.fields.get(f"{architecture}.{suffix}")
    return None if field is None else field.contents()


def _text(reader: Any, suffix: str) -> str:
    return str(_field(reader, suffix) or "")


def _number(reader: Any, suffix: str) -> float | None:
    found = _field(reader, suffix)
    return float(found) if isinstance(found, int | float) else None
