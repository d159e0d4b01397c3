"""Measuring how fast a model is on this machine, by about a second of its own passes of each kind."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

import torch

from trimtab.engines import Model, Request
from trimtab.engines.queries import capture_query, score_query, text_query
from trimtab.engines.transformers.packing.batches import Query
from trimtab.engines.transformers.packing.schedule import (
    marks_for,
    moved_tokens,
    own_tokens,
    shared_head,
    unmarked,
)
from trimtab.inputs.json_text import parse_json
from trimtab.models import EncodedPair, Facts, Text
from trimtab.steering import Intervention
from trimtab.study._file_locations import located
from trimtab.study.plan._pace import UNKNOWN, Pace, data_sheet_pace
from trimtab.study.plan._stand_in import Measurable, measurable, vocabulary_size
from trimtab.study.plan._targets import Target
from trimtab.study.plan.accelerators import Accelerator
from trimtab.study.settings.model_setting import ModelSetting

PROMPT, COMPLETION = 36, 12
"""Tokens of a sample's prompt and of its completion."""
LAYERS_SAMPLED, PAIRS_SAMPLED = 4, 3
ROWS_WRITTEN = (4, 24)
STEPS_WRITTEN = 3
SCALE_OF_GPU = 16
"""Samples are this much larger on an accelerator, which is idle during small ones."""


def pace_of(model: ModelSetting, target: Target, gpu: Accelerator | None, folder: Path) -> Pace:
    """How long work takes a model, by a GPU's data sheet or by passes on this machine.

    Args:
        model: The model.
        target: What it would run on.
        gpu: The GPU that the plan is for; None for this machine.
        folder: The folder that the study's paths are relative to.
    """
    if model.by_requests:
        return UNKNOWN
    if gpu is not None:
        return data_sheet_pace(gpu, target.facts.active_parameters, target.weight_bytes)
    return _calibrated(
        located(model.id, folder), target.facts, target.dtype, target.device, target.weight_bytes,
        vocabulary_size(target.reached.tokenizer), json.dumps(model.quantization),
        fits=target.stream is None or not target.stream.short,
    )  # fmt: skip


@cache
def _calibrated(
    name: str,
    facts: Facts,
    dtype: torch.dtype,
    device: torch.device,
    weight_bytes: int,
    vocabulary: int,
    quantization: str,
    *,
    fits: bool,
) -> Pace:
    """The pace of a model on this machine, measured once a process."""
    target = measurable(name, facts, vocabulary, dtype, device, weight_bytes, parse_json(quantization), fits=fits)
    try:
        return _measured(target, SCALE_OF_GPU if device.type == "cuda" else 1)
    finally:
        target.model.close()


def _measured(target: Measurable, scale: int) -> Pace:
    model, drawn = target.model, random.Random(0)
    pairs = [_pair(model, drawn, place) for place in range(PAIRS_SAMPLED * scale)]
    texts = [Text(pair.positive, pair.prompt_length) for pair in pairs]
    cells = _cells(model)
    climbed = sum(model.facts.layers - 1 - cell.layers[0] for cell in cells) / model.facts.layers
    marks = marks_for("all", False)

    def tokens(queries: list[Query], steered: bool) -> float:
        head = len(shared_head(queries, marks if steered else unmarked))
        return head * (1 + climbed * steered) + sum(
            own_tokens(q, head) + (moved_tokens(q, head, marks) * climbed if steered else 0) for q in queries
        )

    score = _seconds(lambda n: model.score(pairs[:n], cells, "text"), len(pairs))
    score /= tokens([score_query(pair, "text") for pair in pairs], True)
    capture = _seconds(lambda n: model.capture(pairs[:n], "mean_completion"), len(pairs))
    capture /= tokens([capture_query(pair, "mean_completion") for pair in pairs], False)
    read = _seconds(lambda n: model.score_texts(texts[:n], cells), len(texts))
    read /= sum(own_tokens(text_query(t), 0) + moved_tokens(text_query(t), 0, marks) * climbed for t in texts)
    reread = _seconds(lambda n: model.score_texts(texts[:n]), len(texts)) / sum(len(t.tokens) for t in texts)
    prompt, step, row = _writing(model, drawn, cells, scale)
    return Pace(
        load=target.load_seconds, score=score * target.layers, capture=capture * target.layers,
        read=read * target.whole, reread=reread * target.whole, prompt=prompt * target.layers,
        step=step * target.whole, row=row * target.whole, assumed=target.assumed,
    )  # fmt: skip


def _writing(model: Model, drawn: random.Random, cells: list[Intervention], scale: int) -> tuple[float, float, float]:
    """Seconds of a prompt token before writing, of a step whatever its rows, and of each row in it."""
    few, many = ROWS_WRITTEN[0], min(ROWS_WRITTEN[1] * scale, 128)
    _write(model, drawn, cells, few)  # whatever is prepared for the first time
    _, step_of_few = _write(model, drawn, cells, few)
    prompt, step_of_many = _write(model, drawn, cells, many)
    row = max(0.0, (step_of_many - step_of_few) / (many - few))
    return prompt, max(0.0, step_of_few - few * row), row


def _write(model: Model, drawn: random.Random, cells: list[Intervention], rows: int) -> tuple[float, float]:
    """Write a few tokens of some rows: seconds of a prompt token, and of a step of all rows."""
    steered = [None, *cells]
    prompts = [tuple(_ids(model, drawn, PROMPT)) for _ in range(-(-rows // len(steered)))]
    requests = [Request(prompt, cell, 1 + STEPS_WRITTEN) for prompt in prompts for cell in steered][:rows]
    climbed = sum(model.facts.layers - 1 - cell.layers[0] for cell in cells) / model.facts.layers
    started = time.perf_counter()
    opened, begun = 0.0, set[int]()
    for index, _ in model.engine.write(requests):
        begun.add(index)
        if len(begun) == len(requests) and not opened:
            opened = time.perf_counter() - started
    whole = time.perf_counter() - started
    return opened / (len(prompts) * PROMPT * (1 + climbed)), (whole - opened) / STEPS_WRITTEN


def _seconds(run: Callable[[int], Iterable[object]], count: int) -> float:
    """How long a run over this many texts takes, after a short one that prepares what is prepared once."""
    for _ in run(1):
        pass
    started = time.perf_counter()
    for _ in run(count):
        pass
    return time.perf_counter() - started


def _cells(model: Model) -> list[Intervention]:
    """Pushes along a random direction at a few layers, from the first to the last."""
    n_layers, width = model.facts.layers, model.facts.width
    count = min(LAYERS_SAMPLED, n_layers)
    layers = sorted({round(i * (n_layers - 1) / max(1, count - 1)) for i in range(count)})
    direction = torch.randn(width, generator=torch.Generator().manual_seed(0))
    return [Intervention({layer: direction}, 0.1, "relative", "all", False) for layer in layers]


def _pair(model: Model, drawn: random.Random, place: int) -> EncodedPair:
    prompt = _ids(model, drawn, PROMPT)
    both = [tuple(prompt + _ids(model, drawn, COMPLETION)) for _ in range(2)]
    return EncodedPair(f"sample-{place}", both[0], both[1], PROMPT, PROMPT)


def _ids(model: Model, drawn: random.Random, count: int) -> list[int]:
    """Token ids, of which no two samples share more than they must."""
    vocabulary = model.backbone.anatomy.vocabulary  # type: ignore[attr-defined]  # planning loads weights here
    return [drawn.randrange(vocabulary // 2, vocabulary - 64) for _ in range(count)]
