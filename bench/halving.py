"""Does halving find the setting that the whole grid finds, and for how many generated tokens?

Runs both searches on the bundled model for each behavior, into run folders that a report can be made of, and prints the
setting found toward the behavior and away from it, and the tokens generated to choose it. Then replays the halving on
the grid's replies with the prompts in random orders, and prints how often the grid's own setting is found.

    python bench/halving.py --out /tmp/halving cheerful permissive concise
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from trimtab.analysis import judged_replies, recommended, reply_cells, rounds, survivors
from trimtab.store.run_folder import RunFolder
from trimtab.study import make_study, report_runs, run_study

FLOOR = 7.0


def settings(behavior: str, search: str) -> dict[str, object]:
    """64 cells, 24 prompts to choose by, 24 others to report on."""
    return {
        "name": f"{behavior}-{search}",
        "models": [{"id": "smollm2-135m", "dtype": "float32"}],
        "behaviors": [behavior],
        "layers": "17",
        "strengths": [-0.1, 0.1],
        "scale": "relative",
        "split": {"train": 0.3, "select": 0.35, "test": 0.35},
        "replies": {
            "layers": "5,8,11,14,17,20,23,26",
            "strengths": [-0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.4],
            "prompts": 24,
            "max_new_tokens": 48,
            "search": search,
            "min_coherence": FLOOR,
        },
    }


def chosen(folder: Path) -> tuple[pd.DataFrame, int]:
    """The settings found, by direction, and the tokens generated to choose them."""
    run = RunFolder(folder)
    replies, judgements = run.parts("replies"), run.parts("judgements")
    assert replies is not None
    cells = reply_cells(judged_replies(replies, judgements))
    tokens = int(replies[replies["split"] == "select"]["tokens"].sum())
    return recommended(cells, FLOOR).set_index("direction"), tokens


def replayed(folder: Path, searches: int = 60) -> dict[int, float]:
    """Share of halved searches, prompts in random order, that end with the grid's own setting, by direction."""
    run = RunFolder(folder)
    replies = run.parts("replies")
    assert replies is not None
    judged = judged_replies(replies[replies["split"] == "select"], run.parts("judgements"))
    wanted = _settings(reply_cells(judged, intervals=False))
    prompts, rng = judged["prompt_id"].unique(), np.random.default_rng(0)
    hits = dict.fromkeys(wanted, 0)
    for _ in range(searches):
        order, alive = rng.permutation(prompts), None
        for asked in rounds(len(order)):
            cells = reply_cells(judged[judged["prompt_id"].isin(list(order[:asked]))], intervals=False)
            if alive is not None:
                cells = cells.merge(alive, on=["layers", "strength"])
            if asked < len(order):
                alive = survivors(cells, FLOOR, asked)[["layers", "strength"]]
        found = _settings(cells)
        hits = {way: hits[way] + (found.get(way) == wanted[way]) for way in wanted}
    return {way: count / searches for way, count in hits.items()}


def _settings(cells: pd.DataFrame) -> dict[int, tuple[str, float]]:
    found = recommended(cells, FLOOR)
    return {int(row.direction): (row.layers, row.strength) for row in found.itertuples()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("behaviors", nargs="*", default=["cheerful", "permissive", "concise"])
    parser.add_argument("--out", type=Path, default=Path("runs/halving"))
    arguments = parser.parse_args()
    for behavior in arguments.behaviors:
        found = {}
        for search in ("grid", "halving"):
            folder = run_study(make_study(settings(behavior, search)), arguments.out / f"{behavior}-{search}")
            report_runs([folder], folder / "report.html")
            found[search] = chosen(folder)
        (grid, all_tokens), (halved, tokens) = found["grid"], found["halving"]
        print(f"{behavior}: {tokens:,} of {all_tokens:,} tokens, {tokens / all_tokens:.1%}", flush=True)
        for direction in (1, -1):
            both = [f"{name} {told(table.loc[direction])}" for name, table in (("grid", grid), ("halving", halved))]
            print(f"  {direction:+d}  {'   '.join(both)}", flush=True)
        shares = replayed(arguments.out / f"{behavior}-grid")
        print(f"  replayed in random orders: {', '.join(f'{way:+d} {share:.0%}' for way, share in shares.items())}")


def told(row: pd.Series) -> str:
    """A setting in a line."""
    if row["reason"]:
        return str(row["reason"])
    held = "held out" if row["held_out"] else "not held out"
    return (
        f"layer {row['layers']} at {row['strength']:+g}: change {row['change']:+.2f} "
        f"[{row['change_low']:.2f}, {row['change_high']:.2f}], coherence {row['coherence']:.1f} ({held})"
    )


if __name__ == "__main__":
    main()
