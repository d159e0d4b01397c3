"""A study of six models and six behaviors, made from a seed: what a wide report is tested and timed on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from synthetic import synthetic_manifest, synthetic_samples
from trimtab.report import RunTables

BEHAVIORS = {
    "corrigible": 1.6, "sycophancy": 0.9, "refusal": 1.2, "power-seeking": 0.5, "self-awareness": 0.25,
    "coin-flip": 0.0,
}  # fmt: skip
MODELS = [
    ("Qwen3-1.7B", 16, 2048, 16, 8, 1.7e9, None, "distilled", 1.4, 0.5, 1),
    ("Llama-3.2-3B-Instruct", 28, 3072, 24, 8, 3.2e9, None, "distilled", 1.0, 0.52, 1),
    ("DeepSeek-R1-Distill-Qwen-7B", 28, 3584, 28, 4, 7.6e9, None, "distilled", 0.8, 0.6, 0.6),
    ("Qwen3-8B", 36, 4096, 32, 8, 8.2e9, None, "reinforcement", 0.7, 0.72, 1),
    ("OLMo-2-13B", 40, 5120, 40, 40, 13.7e9, None, "reinforcement", 0.5, 0.78, 3),
    ("Qwen3-30B-A3B", 24, 2048, 32, 4, 30.5e9, {"experts": 128, "experts_per_token": 8}, "reinforcement", 1.1, 0.8, 1),
]


def wide_study(prompts: int = 12, *, behaviors: dict[str, float] | None = None, models: int = 6) -> RunTables:
    """Models that differ in size, training and peak; one of them has experts."""
    wanted = BEHAVIORS if behaviors is None else behaviors
    parts, entries, vectors, rates = [], [], [], []
    for seed, facts_of in enumerate(MODELS[:models]):
        name, layers, width, heads, kv_heads, parameters, moe, training, gain, peak, loud = facts_of
        sizes = {behavior: size * gain for behavior, size in wanted.items()}
        samples = synthetic_samples(sizes, layers=layers, prompts=prompts, model=name, seed=seed)
        # The peak lies elsewhere in each model: scores move with the layer they were measured at.
        shift = round((peak - 0.55) * layers)
        steered = samples["strength"] != 0
        moved = (samples["layer"] + shift) % layers
        samples["layer"] = np.where(steered, moved, samples["layer"])
        samples["layers"] = np.where(steered, samples["layer"].astype(str), "")
        samples["depth"] = np.where(steered, (samples["layer"] + 1) / layers, samples["depth"])
        samples["score"] *= loud  # a model that is loud in logits is not steered better
        parts.append(samples)
        manifest = synthetic_manifest(samples, layers)
        facts = {
            "architecture": "ForCausalLM", "layers": layers, "width": width, "heads": heads, "kv_heads": kv_heads,
            "head_size": width // heads, "gqa_ratio": heads / kv_heads, "parameters": parameters,
            "active_parameters": 3.3e9 if moe else parameters, "tied_embeddings": False, "context": 32768, "moe": moe,
        }  # fmt: skip
        entries.append(
            {
                **manifest["models"][0],
                "name": name,
                "fingerprint": name,
                "facts": facts,
                "groups": {"training": training},
            }
        )
        vectors += manifest["vectors"]
        rates.append(_rates(name, layers, sizes, peak, seed))
    samples = pd.concat(parts, ignore_index=True)
    manifest = synthetic_manifest(samples, 24, name="wide", models=entries, vectors=vectors)
    return RunTables("wide", manifest, samples, pd.concat(rates, ignore_index=True))


def _rates(model: str, layers: int, sizes: dict[str, float], peak: float, seed: int) -> pd.DataFrame:
    """Answers read from generated text, which follow the logits with some noise."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for behavior, size in sizes.items():
        rows.append(_rate(model, behavior, -1, 0.0, 0.0, 0.5))
        for layer in range(layers):
            depth = (layer + 1) / layers
            push = 0.25 * size * np.exp(-(((depth - peak) / 0.2) ** 2)) + rng.normal(0, 0.03)
            rows += [_rate(model, behavior, layer, depth, sign, 0.5 + sign * push) for sign in (-1.0, 1.0)]
    return pd.DataFrame(rows)


def _rate(model: str, behavior: str, layer: int, depth: float, strength: float, rate: float) -> dict[str, Any]:
    return {
        "model": model, "behavior": behavior, "layer": layer, "depth": depth, "strength": strength, "n": 40,
        "rate": float(np.clip(rate, 0, 1)), "validity": 0.97,
    }  # fmt: skip
