"""Synthetic replies: a trade-off planted between change and coherence, as a run with an open behavior would hold it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis import DOSE, JUDGEMENTS, REPLIES

BEST_LAYER = 4
STRENGTHS = (-0.6, -0.4, -0.2, 0.2, 0.4, 0.6)


def spoken(
    layers: int = 9,
    *,
    strengths: tuple[float, ...] = STRENGTHS,
    prompts: int = 12,
    model: str = "tiny-135M",
    behavior: str = "cheerful",
    judges: tuple[str, ...] = ("classifier",),
    finalists: tuple[tuple[int, float], ...] = ((4, 0.4), (4, -0.4), (3, 0.2)),
    seed: int = 0,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Replies, judgements and dose: change grows with |strength| and is largest at `BEST_LAYER`; coherence falls with
    it, fastest in early layers. At ±0.6 no layer keeps a coherence of 7 that moves much."""
    rng = np.random.default_rng(seed)
    replies, judgements = [], []
    cells = [(-1, 0.0), *((layer, strength) for layer in range(layers) for strength in strengths)]
    for split in ("select", "test"):
        for layer, strength in cells:
            if split == "test" and strength and (layer, strength) not in finalists:
                continue
            for number in range(prompts):
                common = _common(model, behavior, layer, strength, split, f"{split}-{number}")
                nearness = np.exp(-(((layer - BEST_LAYER) / 2) ** 2))
                change = 10 * strength * nearness + rng.normal(0, 0.4) if strength else 0.0
                coherence = 9.5 - 12 * strength**2 - 0.1 * max(0, BEST_LAYER - layer) + rng.normal(0, 0.15)
                replies.append(_reply(common, layer, layers, strength, number, rng))
                for judge in judges:
                    judgements.append(
                        {
                            **common, "judge": judge, "score": float(np.clip(5 + change / 2, 0, 10)),
                            "change": float(np.clip(change, -10, 10)), "coherence": float(np.clip(coherence, 0, 10)),
                            "failure": "",
                        }
                    )  # fmt: skip
    dose = [
        {
            **_common(model, behavior, layer, strength, "", ""), "layer": layer, "depth": (layer + 1) / layers,
            "kl": 2 * strength**2 * (1 + layer / layers), "relative": strength, "alpha": 20 * strength * (1 + layer),
        }
        for layer, strength in cells[1:]
    ]  # fmt: skip
    return (
        pd.DataFrame(replies)[list(REPLIES)],
        pd.DataFrame(judgements)[list(JUDGEMENTS)],
        pd.DataFrame(dose)[list(DOSE)],
    )


def spoken_manifest(*, judges: tuple[str, ...] = ("classifier",), **changes: Any) -> dict[str, Any]:
    """What a manifest says of such replies."""
    entries = [
        {
            "model": "tiny-135M", "behavior": "cheerful", "name": name,
            "kind": name if name == "classifier" else "language model",
            "accuracy": 0.94 if name == "classifier" else None, "declined": "",
        }
        for name in judges
    ]  # fmt: skip
    return {"judges": entries, **changes}


def _common(model: str, behavior: str, layer: int, strength: float, split: str, prompt: str) -> dict[str, Any]:
    return {
        "model": model, "behavior": behavior, "engine": "transformers", "layers": "" if layer < 0 else str(layer),
        "scale": "relative", "strength": strength, "positions": "all", "split": split, "prompt_id": prompt,
    }  # fmt: skip


def _reply(
    common: dict[str, Any], layer: int, layers: int, strength: float, number: int, rng: np.random.Generator
) -> dict[str, Any]:
    mood = "wonderful, truly wonderful" if strength > 0 else "dreary" if strength < 0 else "fine"
    nll = 1.5 + 6 * strength**2 + abs(rng.normal(0, 0.1))
    return {
        **common, "layer": layer, "depth": (layer + 1) / layers, "prompt": f"What about topic {number}?",
        "reply": f"Topic {number} at layer {layer} and strength {strength:g} is {mood}.", "finish": "end", "tokens": 12,
        "nll": nll, "words": 9, "distinct": 0.97, "repeat": 0.1, "refusal": False, "nll_ordinary": 2.0,
        "nll_other": nll + 1.3 - 1.2 * abs(strength),
    }  # fmt: skip
