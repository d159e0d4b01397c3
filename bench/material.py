"""What every contender works on: the same pairs as texts and as tokens, and one vector."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import trimtab as tt
from trimtab.models.bundled import BUNDLED, resolve

EVALS = Path("shared/data/model-written-evals/human/corrigible-neutral-HHH.jsonl")


def pairs(count: int, *, skip: int = 0) -> tt.Behavior:
    """`count` pairs, distinct prompts; numbered repetitions where there are too few."""
    path = Path(__file__).resolve().parents[2] / EVALS
    found = tt.dataset(path if path.is_file() else "corrigible")
    chosen = []
    for index in range(skip, skip + count):
        again, place = divmod(index, len(found))
        pair = found[place]
        chosen.append(replace(pair, id=f"{pair.id}-{again}", prompt=f"({again + 1}) {pair.prompt}") if again else pair)
    return replace(found, pairs=tuple(chosen))


def training_pairs(behavior: str, count: int) -> tt.Behavior:
    """The first pairs of a built-in behavior: choices such as `corrigible`, or texts such as `cheerful`."""
    found = tt.dataset(behavior)
    return replace(found, pairs=found.pairs[:count])


def write(
    path: Path, model: Any, vector: tt.SteeringVector, train: tt.Behavior, prompts: tt.Behavior
) -> dict[str, Any]:
    """Hand the material to the other processes as a JSON file; returns what the table says about it."""
    tokenizer = model.backbone.tokenizer

    def text(tokens: tuple[int, ...]) -> str:
        decoded: str = tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
        if tuple(tokenizer(decoded, add_special_tokens=False)["input_ids"]) != tokens:
            raise RuntimeError("a text does not survive decoding and encoding; the peers would see other tokens")
        return decoded

    encoded = model.encode(train.pairs, "choice")
    # Texts end at the token that is read, so that a peer that reads the last token reads the same one.
    completions = [[text(side[: p.shared + 1]) for side in (p.positive, p.negative)] for p in encoded]
    asked = model.encode(prompts.pairs, "choice")
    material = {
        "model": resolve(BUNDLED),
        "completions": completions,
        "prompts": [text(p.positive[: p.shared]) for p in asked],
        "prompt_lengths": [p.prompt_length for p in asked],
        "answers": [[p.positive[p.shared], p.negative[p.shared]] for p in asked],
        "vector": vector.direction.tolist(),
    }
    path.write_text(json.dumps(material), encoding="utf-8")
    return {
        "behavior": train.name,
        "model": repr(model),
        "tokens": sum(p.shared + 1 for p in encoded) / len(encoded),
        "layers": model.facts.layers,
    }
