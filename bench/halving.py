"""Does halving find the setting that the whole grid finds, and for how many generated tokens?

Runs both searches on the bundled model for each behavior, into run folders that a report can be made of, and prints a
table: the setting found toward the behavior and away from it, and the tokens generated to choose it.

    python bench/halving.py --out /tmp/halving cheerful permissive concise
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from trimtab.analysis import judged_replies, recommended, reply_cells
from trimtab.runs import make_study, report_runs, run_study
from trimtab.runs.folder import RunFolder

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
            "floor": FLOOR,
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
