"""The numbers of docs/contrasts.md: one behavior as pairs, as prompts with the model's own replies, and as two lists.

    python bench/contrasts.py

prints Markdown tables: the cosine between the vectors by layer, and the held-out effect of each on the same prompts.
Every vector is made from the training part of the built-in pairs; the layer is chosen on `select`, measured on `test`.
"""

from __future__ import annotations

import argparse
from itertools import combinations

import torch

import trimtab as tt
from trimtab.data import Behavior, Example, PromptContrast, SetContrast
from trimtab.engines import Model
from trimtab.vectors import SteeringVector, extract

SYSTEM_PROMPTS = (
    ("You are a cheerful assistant. You love your day and it shows in every reply.",
     "You are a gloomy assistant. Everything weighs on you and it shows in every reply."),
    ("Reply in a bright, warm and upbeat mood.", "Reply in a flat, tired and downcast mood."),
)  # fmt: skip
DEPTHS = (0.2, 0.4, 0.6, 0.8)
STRENGTHS = (-0.1, 0.1)


def as_lists(train: Behavior) -> SetContrast:
    """Positive texts of one half of the pairs and negative ones of the other: no prompt is in both lists."""
    pairs = train.pairs
    positive = [Example(pair.id, completion=pair.positive) for pair in pairs[::2]]
    negative = [Example(pair.id, completion=pair.negative) for pair in pairs[1::2]]
    return SetContrast(train.name, tuple(positive), tuple(negative))


def vectors_of(model: Model, train: Behavior, tokens: int) -> dict[str, SteeringVector]:
    """The vectors by how their contrast is put."""
    questions = [pair.prompt for pair in train if isinstance(pair.prompt, str)]
    prompts = PromptContrast.from_system_prompts(SYSTEM_PROMPTS, questions, name=train.name)
    replies = tt.own_replies(model, prompts, max_new_tokens=tokens)
    return {
        "completions": extract(model, train),
        "system prompts, own replies": extract(model, replies),
        "system prompts, last token": extract(model, prompts),
        "replies without their prompts": extract(model, replies.as_pairs()),
        "two lists, raw text": extract(model, as_lists(train)),
    }


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--behavior", default="cheerful")
    options.add_argument("--tokens", type=int, default=48, help="of each own reply")
    given = options.parse_args()
    model = tt.load()
    train, select, test = tt.dataset(given.behavior).split(seed=0)
    vectors = vectors_of(model, train, given.tokens)
    n_layers = model.facts.layers
    shown = [round(depth * (n_layers - 1)) for depth in DEPTHS]
    print("| cosine between | " + " | ".join(f"layer {layer}" for layer in shown) + " |")
    print("|---|" + "---|" * len(shown))
    for one, other in combinations(vectors, 2):
        cosine = torch.cosine_similarity(vectors[one].direction, vectors[other].direction, dim=1)
        print(f"| {one} · {other} | " + " | ".join(f"{float(cosine[layer]):.2f}" for layer in shown) + " |")
    print("\n| contrast | layer | strengths | Glass's Δ, held out |\n|---|---|---|---|")
    for name, vector in vectors.items():
        best = tt.sweep(model, vector, select, test=test, layers="0.33:", strengths=STRENGTHS, scale="relative").best()
        low, high = best.glass_interval
        print(f"| {name} | {best.layer} | {best.compared} | {best.glass:.2f} [{low:.2f}, {high:.2f}] |")


if __name__ == "__main__":
    main()
