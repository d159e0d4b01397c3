"""Put the published result files of contrastive activation addition into one table for `trimtab import`.

Usage:
    python examples/caa_results.py CAA/results caa.parquet
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pandas as pd

BEHAVIORS = ("corrigible-neutral-HHH", "sycophancy", "survival-instinct")
NAME = re.compile(
    r"results_layer=(?P<layer>\d+)_multiplier=(?P<multiplier>-?\d+\.\d+)_behavior=(?P<behavior>[\w-]+?)_type=ab_"
    r"(?:system_prompt=(?P<prompt>pos|neg)_)?use_base_model=False_model_size=7b\.json"
)
"""Files of the chat model of 7 billion parameters, without fine-tuned weights or other vectors."""
MULTIPLIERS = ("-1.0", "0.0", "1.0")


def table(results: Path) -> pd.DataFrame:
    """A row for each item of each file of three behaviors, at the multipliers −1, 0 and 1."""
    rows = []
    for path in sorted(path for behavior in BEHAVIORS for path in (results / behavior).glob("*.json")):
        name = NAME.fullmatch(path.name)
        if name is None or name["multiplier"] not in MULTIPLIERS:
            continue
        for number, item in enumerate(json.loads(path.read_text(encoding="utf-8"))):
            rows.append(
                {
                    "model": "Llama-2-7b-chat",
                    "behavior": name["behavior"],
                    "layer": int(name["layer"]),
                    "multiplier": float(name["multiplier"]),
                    "system_prompt": name["prompt"] or "none",
                    "item": number,
                    "matching": item["answer_matching_behavior"],
                    "a_prob": item["a_prob"],
                    "b_prob": item["b_prob"],
                }
            )
    return pd.DataFrame(rows)


if __name__ == "__main__":
    made = table(Path(sys.argv[1]))
    made.to_parquet(sys.argv[2], index=False)
    print(f"{len(made):,} rows of {made['behavior'].nunique()} behaviors and {made['layer'].nunique()} layers")
