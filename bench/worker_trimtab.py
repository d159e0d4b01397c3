"""trimtab, by its public functions, tokenizing and tables included."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from material import pairs, write

import trimtab as tt
from serve import serve, timed
from trimtab.engines import Request
from trimtab.evaluation import parse_layers
from trimtab.steering import steering

warnings.simplefilter("ignore")
STATE: dict[str, Any] = {}


def prepare(path: str, train: int, prompts: int, threads: int) -> dict[str, Any]:
    torch.set_num_threads(threads)
    model = tt.load(dtype="float32", device="cpu")
    STATE.update(model=model, train=pairs(train), prompts=pairs(prompts, skip=train))
    tt.extract(model, pairs(4), balance="off")  # warms up
    STATE["vector"] = tt.extract(model, STATE["train"], balance="off")
    about = write(Path(path), model, STATE["vector"], STATE["train"], STATE["prompts"])
    return about | {"torch": torch.__version__, "layers": model.facts.layers}


def extract(clock: str) -> dict[str, Any]:
    seconds, vector = timed(
        lambda: tt.extract(STATE["model"], STATE["train"], balance="off", token_position="answer"), clock
    )
    return {"seconds": seconds, "vector": vector.direction.tolist()}


def sweep(clock: str, positions: Any, layers: str, strengths: list[float]) -> dict[str, Any]:
    seconds, swept = timed(
        lambda: tt.sweep(
            STATE["model"],
            STATE["vector"],
            STATE["prompts"],
            layers=layers,
            strengths=strengths,
            positions=positions,
            balance="off",
        ),
        clock,
    )
    order = {pair.id: place for place, pair in enumerate(STATE["prompts"])}
    scores: dict[str, list[float]] = {}
    for (layer, strength), rows in swept.samples.groupby(["layer", "strength"]):
        ordered = rows.iloc[rows["prompt_id"].map(order).argsort()]
        scores[f"{layer} {strength:g}"] = ordered["score"].tolist()
    return {"seconds": seconds, "scores": scores}


def answer(clock: str, prompts: int, cells: list[tuple[int, float]], tokens: int) -> dict[str, Any]:
    """Every cell answers every prompt; the replies by cell."""
    pushes = [steering(STATE["vector"], layer, strength) for layer, strength in cells]
    requests = [Request(prompt, push, tokens) for prompt in _prompts(prompts) for push in pushes]
    seconds, replies = timed(lambda: dict(STATE["model"].replies(requests)), clock)
    found: dict[str, list[list[int]]] = {f"{layer} {strength:g}": [] for layer, strength in cells}
    for index in range(len(requests)):
        layer, strength = cells[index % len(cells)]
        found[f"{layer} {strength:g}"].append(list(replies[index].tokens))
    return {"seconds": seconds, "replies": found, "tokens": sum(len(reply.tokens) for reply in replies.values())}


def decode(clock: str, prompts: int, tokens: int, steer: bool) -> dict[str, Any]:
    """Write without any difference in the prompts: what is generated is steered, or nothing is."""
    push = steering(STATE["vector"], 15, 1e-6, positions="generated") if steer else None
    requests = [Request(prompt, push, tokens) for prompt in _prompts(prompts)]
    seconds, replies = timed(lambda: dict(STATE["model"].replies(requests)), clock)
    return {"seconds": seconds, "tokens": sum(len(reply.tokens) for reply in replies.values())}


def _prompts(count: int) -> list[tuple[int, ...]]:
    encoded = STATE["model"].encode(STATE["prompts"].pairs[:count], "choice")
    return [pair.positive[: pair.shared] for pair in encoded]


def swept_layers(layers: str) -> dict[str, Any]:
    return {"layers": [layer for (layer,) in parse_layers(layers, STATE["model"].facts.layers)]}


if __name__ == "__main__":
    serve(
        {
            "prepare": prepare,
            "extract": extract,
            "sweep": sweep,
            "swept_layers": swept_layers,
            "answer": answer,
            "decode": decode,
        }
    )
