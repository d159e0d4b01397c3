"""The peers, as their documentation shows them; this runs in their own environment."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from peer_models import load_peer_model
from repeng import ControlVector, DatasetEntry
from steering_vectors import SteeringVector, train_steering_vector

from serve import serve, timed

STATE: dict[str, Any] = {}


def load(path: str, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    material = json.loads(Path(path).read_text(encoding="utf-8"))
    model, tokenizer = load_peer_model(Path(material["model"]))
    STATE.update(material=material, model=model, tokenizer=tokenizer)
    with torch.no_grad():
        model(**tokenizer(material["prompts"][0], return_tensors="pt"))  # warms up
    names = ("torch", "transformers", "steering-vectors", "repeng")
    return {name: version(name) for name in names}


def steering_vectors_extract(clock: str, batch_size: int) -> dict[str, Any]:
    samples = [tuple(pair) for pair in STATE["material"]["completions"]]
    seconds, vector = timed(
        lambda: train_steering_vector(
            STATE["model"], STATE["tokenizer"], samples, read_token_index=-1, batch_size=batch_size
        ),
        clock,
    )
    return {
        "seconds": seconds,
        "vector": [vector.layer_activations[i].tolist() for i in sorted(vector.layer_activations)],
    }


def repeng_extract(clock: str) -> dict[str, Any]:
    entries = [DatasetEntry(*pair) for pair in STATE["material"]["completions"]]
    seconds, _ = timed(lambda: ControlVector.train(STATE["model"], STATE["tokenizer"], entries), clock)
    return {"seconds": seconds}


@torch.no_grad()
def steering_vectors_sweep(clock: str, cells: list[tuple[int, float]]) -> dict[str, Any]:
    """For every cell `apply`, and the prompts one at a time; the first token is left alone, as on the other sides."""
    material, directions = STATE["material"], torch.tensor(STATE["material"]["vector"])

    def work() -> list[list[float]]:
        scores = []
        for layer, strength in cells:
            vector = SteeringVector({layer: directions[layer]}, "decoder_block")
            with vector.apply(STATE["model"], multiplier=strength, min_token_index=1):
                scores.append([_score(*item) for item in zip(material["prompts"], material["answers"], strict=True)])
        return scores

    seconds, scores = timed(work, clock)
    return {"seconds": seconds, "scores": {f"{c[0]} {c[1]:g}": s for c, s in zip(cells, scores, strict=True)}}


def _score(prompt: str, answers: list[int]) -> float:
    logits = STATE["model"](**STATE["tokenizer"](prompt, return_tensors="pt")).logits[0, -1]
    return float(logits[answers[0]] - logits[answers[1]])


if __name__ == "__main__":
    serve(
        {
            "load": load,
            "steering_vectors_extract": steering_vectors_extract,
            "repeng_extract": repeng_extract,
            "steering_vectors_sweep": steering_vectors_sweep,
        }
    )
