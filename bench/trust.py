"""The numbers of docs/trust.md: what the checks say of every built-in behavior on the bundled model.

    trimtab study examples/built-ins.yaml -o runs/built-ins
    python bench/trust.py runs/built-ins

prints Markdown tables from the tables of the run's report: one row a behavior, best effect first; what each heuristic
for the layer picks, of all layers and of those that were swept; and the ways of asking that the effects do not survive.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from trimtab.study import report_runs

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
                "other ways of asking": survived(asked["verdict"]),
            }
        )
    return rows


def survived(verdicts: pd.Series) -> str:
    """How many of the other ways of asking leave more than half of an effect."""
    if verdicts.eq("no effect").all():
        return "no effect to keep" if len(verdicts) else "–"
    return f"{verdicts.eq('kept').sum()} of {len(verdicts)} kept, {verdicts.isin(['lost', 'reversed']).sum()} lost"


def heuristics_of(folder: Path) -> list[dict[str, str]]:
    """One row for each heuristic: its picks of all behaviors."""
    picks = table(folder, "tables/heuristic_picks")
    rows = []
    for name, mine in picks.groupby("heuristic", sort=False):
        free, swept, share = mine["layer"].value_counts(), mine["swept_layer"], mine["swept_share"]
        rows.append(
            {
                "heuristic": str(name).replace("_", " "),
                "layers picked (behaviors)": ", ".join(f"{layer} ({count})" for layer, count in free.items()),
                "of the swept layers": ", ".join(
                    f"{layer:.0f} ({count})" for layer, count in swept.value_counts().items()
                ),
                "the sweep's best": f"{(swept == mine['best_layer']).sum()} of {len(mine)}",
                "share of the best Δ, median [least, most]": (
                    f"{share.median():.0%} [{share.min():.0%}, {share.max():.0%}]"
                ),
            }
        )
    return rows


def lost_of(folder: Path) -> list[dict[str, str]]:
    """One row for each way of asking that leaves less than half of an effect, or turns it."""
    robust = table(folder, "tables/robustness")
    gone = robust[robust["verdict"].isin(["lost", "reversed"])] if "verdict" in robust.columns else robust
    return [
        {
            "behavior": row["behavior"],
            "way of asking": row["variant"],
            "verdict": row["verdict"],
            "share": f"{row['share']:.0%} [{row['share_low']:.0%}, {row['share_high']:.0%}]",
        }
        for _, row in gone.iterrows()
    ]


def show(rows: list[dict[str, str]]) -> None:
    """Print a Markdown table."""
    if not rows:
        return
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(row.values()) + " |")
    print()


def main() -> None:
    """Write the report, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    report_runs([run], run / "report.html")
    for rows in (cells_of(run), heuristics_of(run), lost_of(run)):
        show(rows)


if __name__ == "__main__":
    main()
