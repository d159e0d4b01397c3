"""The numbers of docs/trust.md: what the checks say of every built-in behavior on the bundled model.

    trimtab study examples/built-ins.yaml -o runs/built-ins
    python bench/trust.py runs/built-ins

prints a Markdown table from the tables of the run's report: one row a behavior, best effect first.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from trimtab.runs import report_runs

DEEP = 1 / 3


def table(folder: Path, name: str) -> pd.DataFrame:
    """A table of the report, by behavior; without rows if the run has none yet."""
    file = folder / f"{name}.csv"
    found: pd.DataFrame = pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=["behavior"])
    return found


def interval(row: pd.Series, name: str, form: str = ".2f") -> str:
    """A number with its interval."""
    return f"{row[name]:{form}} [{row[name + '_low']:{form}}, {row[name + '_high']:{form}}]"


def steadiest(quality: pd.DataFrame) -> pd.Series:
    """The layer that the diagnosis speaks of: the highest lower end of stability at depth ≥ 1/3."""
    deep = quality[quality["depth"] >= DEEP]
    return deep.loc[deep["stability_low"].idxmax()]


def cells_of(folder: Path) -> list[dict[str, str]]:
    """One row for each behavior."""
    best = table(folder, "best").sort_values("glass", ascending=False)
    quality, probes = table(folder, "tables/pair_quality"), table(folder, "tables/heuristics")
    random, side = table(folder, "tables/random_tests"), table(folder, "tables/side_cells")
    robust = table(folder, "tables/robustness")
    rows = []
    for _, row in best[best["behavior"].isin(quality["behavior"])].iterrows():
        name = row["behavior"]
        steady = steadiest(quality[quality["behavior"] == name])
        tried = probes[probes["behavior"] == name]
        probe = tried.loc[tried["probe_accuracy"].idxmax()]
        p = random[random["behavior"] == name].set_index("kind")
        moved = side[side["behavior"] == name].sort_values("strength")
        asked = robust[(robust["behavior"] == name) & (robust["kind"] != "plain")]
        rows.append(
            {
                "behavior": name,
                "stability of half the pairs": interval(steady, "stability"),
                "probe, p": f"{probe['probe_accuracy']:.0%}, {probe['probe_p_max']:.3f}",
                "best layer, Δ": f"{row['layers']}, {interval(row, 'glass')}",
                "p of Δ": f"{row['p']:.4f}",
                "random |Δ|, 95th percentile: isotropic; shuffled pairs": "; ".join(
                    f"{p.loc[kind, 'null_high']:.2f} (p {p.loc[kind, 'p']:.3f})"
                    for kind in ("isotropic", "shuffled pairs")
                    if kind in p.index
                ),
                "layer 20, away and toward: intended / side": "; ".join(
                    f"{cell['intended']:.2f} / {cell['side']:.2f}" for _, cell in moved.iterrows()
                ),
                "perplexity": "; ".join(f"{cell['perplexity']:.2f}" for _, cell in moved.iterrows()),
                "other ways of asking": (
                    f"{(asked['verdict'] == 'kept').sum()} of {len(asked)} kept, "
                    f"{asked['verdict'].isin(['lost', 'reversed']).sum()} lost"
                    if len(asked)
                    else "–"
                ),
            }
        )
    return rows


def main() -> None:
    """Write the report, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    report_runs([run], run / "report.html")
    rows = cells_of(run)
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(row.values()) + " |")


if __name__ == "__main__":
    main()
