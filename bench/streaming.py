"""A sweep with streamed weights against the same sweep from memory, and against bytes ÷ disk speed + computing.

`python bench/streaming.py [--model NAME] [--pairs N] [--repeats N]` prints one line a round. The streamed sweep reads
from the page cache after the first round unless the model is larger than the memory: what is measured then is the
overhead of passes side by side, and the speed of reading is what the reads took.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import material
import torch

import trimtab as tt
from trimtab.engines import Model
from trimtab.models import encode_pair
from trimtab.steering import Intervention


def main() -> None:
    """Take turns and print ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--pairs", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    from_memory, from_disk = (tt.load(options.model, dtype="float32", stream=stream) for stream in (False, True))
    pairs = [encode_pair(from_memory.backbone.tokenizer, pair, "text") for pair in material.pairs(options.pairs).pairs]
    for positions in ("all", "after_prompt"):
        for model in (from_memory, from_disk):  # what is tried of a model, and warm caches
            _sweep(model, pairs[:2], positions)
        for repeat in range(options.repeats):
            usual, table = _sweep(from_memory, pairs[: options.pairs], positions)
            stream: Any = from_disk.backbone.stream
            before = stream.bytes_read, stream.seconds_reading, stream.seconds_waiting, stream.reads[0]
            streamed, found = _sweep(from_disk, pairs[: options.pairs], positions)
            read, reading = stream.bytes_read - before[0], stream.seconds_reading - before[1]
            waiting = stream.seconds_waiting - before[2]
            print(
                f"{positions}, round {repeat + 1}: from memory {usual:.1f} s, streamed {streamed:.1f} s "
                f"({streamed / usual:.2f}×), {stream.reads[0] - before[3]} stream of {read / 1e9:.2f} GB "
                f"read in {reading:.1f} s, waited {waiting:.1f} s; bytes ÷ speed + computing {usual + reading:.1f} s; "
                f"largest difference {float((found - table).abs().max()):g}",
                flush=True,
            )


def _sweep(model: Model, pairs: Any, positions: str) -> tuple[float, torch.Tensor]:
    source = torch.Generator().manual_seed(0)
    directions = torch.randn(model.facts.layers, model.facts.width, generator=source)
    layers = range(model.facts.layers // 3, model.facts.layers, 3)
    cells = [Intervention({la: directions[la]}, s, "relative", positions) for la in layers for s in (-0.1, 0.1)]
    table = torch.zeros(1 + len(cells), len(pairs))
    began = time.process_time()
    for scored in model.score(pairs, cells, "text"):
        table[:, scored.indices] = scored.scores
    return time.process_time() - began, table


if __name__ == "__main__":
    main()
