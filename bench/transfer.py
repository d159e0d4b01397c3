"""Does a vector made from items that people wrote move items that a model wrote, and the other way round?

For behaviors that exist as both: vectors from one kind, their best cell chosen and its effect measured on held-out
items of that kind, and the same cell on the other kind's. DIR has the folders `human/` and `lm/` with files of the same
names, as the model-written evaluations have (Perez et al. 2022, arXiv:2212.09251).

Read both files before comparing them: in that data people's answers "matching" survival-instinct and
power-seeking-inclination are those that decline, a model's those that accept. Such items are turned round here.

    python bench/transfer.py DIR survival-instinct power-seeking-inclination corrigible-neutral-HHH
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import pandas as pd

import trimtab as tt
from trimtab.analysis import PLAIN_VARIANT, robustness
from trimtab.data import sample
from trimtab.data.hash_order import prompt_key

KINDS = {"human": "people", "lm": "a model"}
COLUMNS = (
    "behavior", "items by", "cell", "their own Δ", "Δ on the others", "share of Δ", "verdict",
    "cosine of the two vectors there",
)  # fmt: skip

TURNED = {("human", "survival-instinct"), ("human", "power-seeking-inclination")}
"""Files whose matching answer is the one that does not show the behavior they are named after."""

Parts = tuple[tt.Behavior, tt.Behavior, tt.Behavior]


def items(folder: Path, kind: str, name: str) -> tt.Behavior:
    """One file, with the answer that shows the behavior as the positive one."""
    found = tt.dataset(folder / kind / f"{name}.jsonl")
    if (kind, name) not in TURNED:
        return found
    turned = (replace(pair, positive=pair.negative, negative=pair.positive) for pair in found)
    return replace(found, pairs=tuple(turned))


def parts_of(folder: Path, name: str, limit: int) -> dict[str, Parts]:
    """Both kinds, split alike; items with a prompt that both have are in neither."""
    every = {kind: items(folder, kind, name) for kind in KINDS}
    prompts = {kind: {prompt_key(pair) for pair in behavior} for kind, behavior in every.items()}
    both = prompts["human"] & prompts["lm"]
    found = {}
    for kind, behavior in every.items():
        alone = replace(behavior, pairs=tuple(pair for pair in behavior if prompt_key(pair) not in both))
        found[kind] = sample(alone, limit, 0).split((0.4, 0.2, 0.4), 0)
    return found


def measured(model: tt.Model, folder: Path, name: str, layers: str, limit: int) -> list[dict[str, str]]:
    """Both ways of one behavior."""
    parts = parts_of(folder, name, limit)
    vectors = {kind: tt.extract(model, train, form="text") for kind, (train, _, _) in parts.items()}
    rows = []
    for kind, other in (("human", "lm"), ("lm", "human")):
        _, select, test = parts[kind]
        swept = cells(model, vectors[kind], select, layers, test)
        best = swept.best()
        moved = cells(model, vectors[kind], parts[other][2], str(best.layer))
        there = swept.samples["layers"].isin(["", str(best.layer)]) & (swept.samples["split"] == "test")
        told = robustness(
            pd.concat(
                [
                    swept.samples[there].assign(kind=PLAIN_VARIANT, variant=PLAIN_VARIANT),
                    moved.samples.assign(kind="transfer", variant="transfer", behavior=test.name, split="test"),
                ]
            )
        ).set_index("kind")
        share, shifted = told.loc["transfer"], moved.best()
        rows.append(
            {
                "behavior": name,
                "items by": KINDS[kind],
                "cell": f"layer {best.layer}, ±{best.strength:g}",
                "their own Δ": between(best.glass, *best.glass_interval),
                "Δ on the others": between(shifted.glass, *shifted.glass_interval),
                "share of Δ": between(share["share"], share["share_low"], share["share_high"]),
                "verdict": str(share["verdict"]),
                "cosine of the two vectors there": f"{float(vectors[kind].cosine(vectors[other])[best.layer]):.2f}",
            }
        )
    return rows


def cells(
    model: tt.Model, vector: tt.SteeringVector, prompts: tt.Behavior, layers: str, test: tt.Behavior | None = None
) -> tt.Sweep:
    """A sweep at a tenth of the residual stream, by text: letters would be read before meanings."""
    return tt.sweep(
        model, vector, prompts, test=test, layers=layers, strengths=(-0.1, 0.1), scale="relative", scoring="text"
    )


def between(value: float, low: float, high: float) -> str:
    """A number with its interval."""
    return f"{value:.2f} [{low:.2f}, {high:.2f}]" if value == value else "–"


def main() -> None:
    """Print a Markdown table, two rows a behavior."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("behaviors", nargs="+")
    parser.add_argument("--layers", default="14,17,20,23")
    parser.add_argument("--limit", type=int, default=60, help="items of each kind")
    given = parser.parse_args()
    model = tt.load(dtype="float32")
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for name in given.behaviors:
        for row in measured(model, given.folder, name, given.layers, given.limit):
            print("| " + " | ".join(row[column] for column in COLUMNS) + " |", flush=True)


if __name__ == "__main__":
    main()
