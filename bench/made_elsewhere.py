"""Vectors that repeng and steering-vectors make from the same pairs, checked here: cosine with ours, layer map, effect.

Both packages run in an environment of their own and write files; these are imported, their layer maps tested, and they
are swept on held-out prompts beside trimtab's own. All vectors come from the same pairs, at the same token.

    python bench/made_elsewhere.py [BEHAVIOR]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import pandas as pd
import torch
from environment import peers_python

import trimtab as tt
from trimtab.evaluation import check_layer_map
from trimtab.models.bundled import BUNDLED, resolve

SWEPT = (11, 14, 17, 20, 23, 26)
SHOWN = (5, 11, 17, 23, 28)
"""Layers that are swept, and those whose cosines are printed."""
FILES = {"repeng": "repeng.gguf", "steering-vectors": "steering_vectors.pt"}
OURS = {"repeng": ("pca", "last"), "steering-vectors": ("mean", "last")}
"""Method and token of trimtab that each package's own defaults correspond to."""


def texts(model: tt.Model, train: tt.Behavior) -> list[list[str]]:
    """Both sides of each pair as rendered, so that the packages see the same tokens."""
    tokenizer = model.backbone.tokenizer

    def text(tokens: tuple[int, ...]) -> str:
        decoded: str = tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
        if tuple(tokenizer(decoded, add_special_tokens=False)["input_ids"]) != tokens:
            raise RuntimeError("a text does not survive decoding and encoding; the peers would see other tokens")
        return decoded

    return [[text(pair.positive), text(pair.negative)] for pair in model.encode(train.pairs, "text")]


def made_elsewhere(folder: Path, completions: list[list[str]]) -> None:
    """Let the packages write their files into a folder."""
    request = {
        "model": resolve(BUNDLED),
        "completions": completions,
        "threads": torch.get_num_threads(),
        "repeng": str(folder / FILES["repeng"]),
        "steering_vectors": str(folder / FILES["steering-vectors"]),
    }
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    worker = Path(__file__).parent / "worker_vectors.py"
    subprocess.run([peers_python(), worker, folder / "request.json"], check=True, timeout=1200)


def row(model: tt.Model, name: str, vector: tt.SteeringVector, parts: list[tt.Behavior]) -> dict[str, str]:
    """Cosines with ours by layer, what the layer map's test says, and the effect of the best layer, held out."""
    train, select, test = parts
    method, where = OURS.get(name, ("mean", "mean_completion"))
    ours = tt.extract(model, train, method=method, token_position=where, progress=False)  # type: ignore[arg-type]
    cosines = torch.cosine_similarity(vector.direction, ours.direction, dim=-1)
    found = check_layer_map(model, vector, select, prompts=12)
    best = tt.sweep(
        model, vector, select, test=test, layers=SWEPT, strengths=(-0.1, 0.1), scale="relative", progress=False
    ).best()
    low, high = best.glass_interval
    return {
        "made by": name,
        "ours": f"`{method}`, `{where}`",
        **{f"cos, layer {layer}": f"{cosines[layer]:+.3f}" for layer in SHOWN},
        "layer map": found.supported or "cannot tell",
        "best layer": str(best.layer),
        "Glass's Δ there, held out": f"{best.glass:.2f} [{low:.2f}, {high:.2f}]",
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("behavior", nargs="?", default="cheerful")
    behavior = tt.dataset(arguments.parse_args().behavior)
    model = tt.load()
    parts = list(behavior.split((0.3, 0.3, 0.4), seed=0))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made_elsewhere(folder, texts(model, parts[0]))
        vectors = {
            made_by: tt.SteeringVector.read(folder / file, made_by=made_by, model=model)
            for made_by, file in FILES.items()
        }
    vectors["trimtab"] = tt.extract(model, parts[0], progress=False)
    sizes = ", ".join(
        f"{len(part)} {what}" for part, what in zip(parts, ("for the vectors", "to choose", "to report"), strict=True)
    )
    print(f"{behavior.name}, pairs: {sizes}\n")
    table = pd.DataFrame([row(model, made_by, vector, parts) for made_by, vector in vectors.items()])
    print(table.to_markdown(index=False))


if __name__ == "__main__":
    main()
