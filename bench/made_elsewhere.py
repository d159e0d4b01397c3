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

import torch
from environment import peers_python

import trimtab as tt
from trimtab.evaluation import check_layer_map
from trimtab.models.bundled import BUNDLED, resolve
from trimtab.vectors import StateDifferences, read_differences

SWEPT = (11, 14, 17, 20, 23, 26)
SHOWN = (5, 11, 17, 23, 28)
"""Layers that are swept, and those whose cosines with trimtab's default are printed."""
SHIFTS = {"earlier": -1, "stated": 0, "later": 1}
FILES = {"repeng": "repeng.gguf", "steering-vectors": "steering_vectors.pt"}
SAME = {"repeng": "principal axis of the centered differences", "steering-vectors": "mean difference"}
"""What each package's defaults compute, at the last token."""


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


def computed_here(name: str, differences: StateDifferences, layer: int) -> torch.Tensor:
    """The direction that a package finds, from trimtab's own states."""
    found = differences.at(layer)
    if name == "repeng":
        axes: torch.Tensor = torch.linalg.svd(found - found.mean(0), full_matrices=False)[2]
        return axes[0]
    return found.mean(0)


def cosines(name: str, vector: tt.SteeringVector, differences: StateDifferences) -> dict[str, str]:
    """With what is computed here at the layers as stated, and one off: mean size and least."""
    cells = {}
    for where, shift in SHIFTS.items():
        pairs = [(n, n + shift) for n in vector.layers if 0 <= n + shift < differences.difference.shape[1]]
        found = [
            abs(
                float(torch.cosine_similarity(vector.direction[n].double(), computed_here(name, differences, m), dim=0))
            )
            for n, m in pairs
        ]
        cells[f"cosine, {where}"] = f"{sum(found) / len(found):.4f} (least {min(found):.4f})"
    return cells


def row(model: tt.Model, name: str, vector: tt.SteeringVector, parts: list[tt.Behavior]) -> dict[str, str]:
    """Cosines with the same computed here, the test of the layer map, and the best layer's held-out effect."""
    train, select, test = parts
    known = name in SAME
    same = cosines(name, vector, read_differences(model, train, token_position="last", form="text")) if known else {}
    ours = tt.extract(model, train, progress=False).direction
    with_ours = {n: float(torch.cosine_similarity(vector.direction[n], ours[n], dim=0)) for n in SHOWN}
    found = check_layer_map(model, vector, select, prompts=12)
    best = tt.sweep(
        model, vector, select, test=test, layers=SWEPT, strengths=(-0.1, 0.1), scale="relative", progress=False
    ).best()
    low, high = best.glass_interval
    return {
        "made by": name,
        "computed here": SAME.get(name, "mean difference over the completion"),
        **same,
        "cosine with trimtab's default": ", ".join(f"layer {n} {value:+.2f}" for n, value in with_ours.items()),
        "layer map": found.supported or "cannot tell",
        "best layer": str(best.layer),
        "Glass's Δ there, held out": f"{best.glass:.2f} [{low:.2f}, {high:.2f}]",
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("behavior", nargs="?", default="cheerful")
    behavior = tt.dataset(arguments.parse_args().behavior)
    model = tt.load(dtype="float32")
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
    for made_by, vector in vectors.items():
        print("\n".join(f"{key}: {value}" for key, value in row(model, made_by, vector, parts).items()), flush=True)
        print(flush=True)


if __name__ == "__main__":
    main()
