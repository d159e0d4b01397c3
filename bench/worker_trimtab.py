"""trimtab, by its public functions, tokenizing and tables included."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from material import pairs, training_pairs, write

import trimtab as tt
from serve import serve, timed, with_peak
from trimtab.engines import Request
from trimtab.evaluation import parse_layers
from trimtab.steering import steering
from trimtab.vectors import AGGREGATIONS
from trimtab.vectors.training.trainer import begin

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


def sweep(clock: str, positions: Any, layers: str, strengths: list[float], stream: bool = False) -> dict[str, Any]:
    """Scores by cell; with `stream` the layers are read from disk, and what that took is in the reply."""
    model = _streamed() if stream else STATE["model"]
    layer_stream: Any = model.backbone.stream
    before = _reading(layer_stream)
    seconds, swept = timed(
        lambda: tt.sweep(
            model,
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
    read = [after - was for after, was in zip(_reading(layer_stream), before, strict=True)]
    return {"seconds": seconds, "scores": scores, "read": read}


def _streamed() -> Any:
    """The same model with its layers on disk; it has been tried what may run together."""
    if "streamed" not in STATE:
        STATE["streamed"] = tt.load(dtype="float32", device="cpu", stream=True)
        tt.sweep(STATE["streamed"], STATE["vector"], pairs(4), layers="0.5:", strengths=[1.0], balance="off")
    return STATE["streamed"]


def _reading(stream: Any) -> list[float]:
    """Streams, bytes read, seconds of reading, and seconds that passes waited for it, since the model was loaded."""
    if stream is None:
        return [0.0] * 4
    return [max(stream.reads), stream.bytes_read, stream.seconds_reading, stream.seconds_waiting]


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


def training_texts(behavior: str, count: int, batch_size: int) -> dict[str, Any]:
    """What the loop trains on, as tokens: the same texts in the same batches, and the unit of each layer's vector."""
    some = training_pairs(behavior, count)
    STATE["training"] = some
    form = "choice" if some.is_choice else "text"
    work = begin(
        STATE["model"], some, AGGREGATIONS.get("ssv"), None, {"held_back": 0.0, "batch_size": batch_size}, "auto", form,
        "off", 0,
    )  # fmt: skip
    texts = [item.texts[0] for item in work.items]
    steps = range(len(work.batches.batches))
    return {
        "tokens": [list(text.tokens) for text in texts],
        "starts": [text.prompt_length for text in texts],
        "prompts": [item.prompt_length for item in work.items],
        "batches": [list(work.batches.at(step, 0)) for step in steps],
        "units": work.vectors.unit[:, 0].tolist(),
    }


def train(clock: str, layers: list[int], steps: int, batch_size: int, positions: str) -> dict[str, Any]:
    """Steps of all layers at once; what is done once before them is timed apart, as it is the same for any number."""
    settings = {
        "held_back": 0.0, "batch_size": batch_size, "norm_bound": 100.0, "schedule": "constant", "positions": positions
    }  # fmt: skip
    some = STATE["training"]
    form, method = "choice" if some.is_choice else "text", AGGREGATIONS.get("ssv")

    def begun() -> Any:
        work = begin(STATE["model"], some, method, layers, settings, "auto", form, "off", 0)
        for step in range(min(steps, len(work.batches.batches))):
            work.passes.prepared(work.batches.at(step, 0), layers)
            work.loss(work.batches.at(step, 0), layers[-1:])  # tries the staircase, and scores the unsteered model
        return work

    before, work = timed(begun, clock)

    def stepped() -> None:
        for step in range(steps):
            _, gradient = work.gradient(work.batches.at(step, 0), layers, step)
            work.vectors.step(gradient, step)

    (seconds, _), peak = with_peak(lambda: timed(stepped, clock))
    vectors = work.vectors.vectors(layers).tolist()
    found = {str(layer): vector for layer, vector in zip(layers, vectors, strict=True)}
    return {"seconds": seconds, "before": before, "vectors": found, "mebibytes": peak}


def swept_layers(layers: str) -> dict[str, Any]:
    return {"layers": [layer for (layer,) in parse_layers(layers, STATE["model"].facts.layers)]}


if __name__ == "__main__":
    serve(
        {
            "prepare": prepare,
            "extract": extract,
            "sweep": sweep,
            "swept_layers": swept_layers,
            "training_texts": training_texts,
            "train": train,
            "answer": answer,
            "decode": decode,
        }
    )
