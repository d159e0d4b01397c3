"""Vector files as their own tools write them; this runs in the peers' environment, where trimtab is not.

    python worker_vectors.py REQUEST.json

The request has the model's folder, the texts of both sides of each pair, and where the files go.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from peer_models import load_peer_model
from repeng import ControlVector, DatasetEntry
from steering_vectors import train_steering_vector


def make(request: dict[str, object]) -> None:
    """A control vector of repeng's (PCA, its default) and a mean difference of steering-vectors'."""
    torch.manual_seed(0)  # repeng's PCA is randomized
    torch.set_num_threads(int(str(request["threads"])))
    model, tokenizer = load_peer_model(Path(str(request["model"])))
    texts = [tuple(pair) for pair in json.loads(json.dumps(request["completions"]))]
    entries = [DatasetEntry(*pair) for pair in texts]
    ControlVector.train(model, tokenizer, entries).export_gguf(str(request["repeng"]))
    vector = train_steering_vector(
        model, tokenizer, texts, read_token_index=-1, batch_size=1, layer_type="decoder_block"
    )
    torch.save(vector, str(request["steering_vectors"]))


if __name__ == "__main__":
    make(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
