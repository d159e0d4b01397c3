"""What the checks of the runs found: diagnosis, side effects, robustness; computed from their tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import pandas as pd

from trimtab import analysis
from trimtab.analysis.diagnosis import heuristic_picks
from trimtab.analysis.methods import method_effects
from trimtab.analysis.neutral_replies import neutral_changes
from trimtab.analysis.samples import records
from trimtab.analysis.side_choice import selective_settings
from trimtab.analysis.side_findings import side_findings
from trimtab.analysis.side_gaps import side_gaps
from trimtab.report.runs import RunTables


def _empty() -> pd.DataFrame:
    nothing: pd.DataFrame = pd.DataFrame()
    return nothing


@dataclass(frozen=True)
class Checked:
    """Results of the checks; tables of checks that were not made are empty. With several runs `run` comes first."""

    quality: pd.DataFrame = field(default_factory=_empty)
    curve: pd.DataFrame = field(default_factory=_empty)
    heuristics: pd.DataFrame = field(default_factory=_empty)
    flags: pd.DataFrame = field(default_factory=_empty)
    diagnoses: pd.DataFrame = field(default_factory=_empty)
    """Findings of the diagnosis with advice."""
    picks: pd.DataFrame = field(default_factory=_empty)
    cosines: pd.DataFrame = field(default_factory=_empty)
    methods: pd.DataFrame = field(default_factory=_empty)
    shifts: pd.DataFrame = field(default_factory=_empty)
    side: pd.DataFrame = field(default_factory=_empty)
    selective: pd.DataFrame = field(default_factory=_empty)
    """The cell to use in each direction where side effects count."""
    neutral: pd.DataFrame = field(default_factory=_empty)
    nulls: pd.DataFrame = field(default_factory=_empty)
    null_tests: pd.DataFrame = field(default_factory=_empty)
    robustness: pd.DataFrame = field(default_factory=_empty)
    findings: tuple[tuple[str, analysis.Finding], ...] = ()
    """(check, finding)."""


def checked_of(runs: Sequence[RunTables], effects: pd.DataFrame, best: pd.DataFrame) -> Checked | None:
    """Results of all runs that were checked; None where none was.

    Args:
        runs: the runs.
        effects: from `effects`, with a column `run`.
        best: from `best_cells`, with a column `run`.
    """
    found = [
        (run.name, _one(run.checks, effects[effects["run"] == run.name], best[best["run"] == run.name]))
        for run in runs
        if run.checks
    ]
    if not found:
        return None
    several = len(runs) > 1
    tables = {}
    for name in (f.name for f in fields(Checked) if f.name != "findings"):
        parts = [_named(getattr(one, name), run if several else None) for run, one in found]
        filled = [part for part in parts if len(part)]
        tables[name] = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame()
    said = [
        (check, analysis.Finding(finding.kind, f"{run}, {finding.text}" if several else finding.text))
        for run, one in found
        for check, finding in one.findings
    ]
    return Checked(**tables, findings=tuple(said))


def _one(checks: Mapping[str, pd.DataFrame], effects: pd.DataFrame, best: pd.DataFrame) -> Checked:
    """Results of one run."""

    def of(name: str, make: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
        return make(checks[name]) if name in checks else pd.DataFrame()

    def plain(table: pd.DataFrame) -> pd.DataFrame:
        return table

    neutral = of("replies", neutral_changes)
    nulls = of("random", analysis.null_effects)
    tests = analysis.null_tests(nulls) if len(nulls) else pd.DataFrame()
    side = pd.DataFrame()
    if "shifts" in checks:
        side = analysis.side_cells(checks["shifts"], checks.get("neutral", pd.DataFrame(columns=["model", "behavior"])))
    robust = of("robustness", analysis.robustness)
    heuristics, quality = of("heuristics", plain), of("quality", plain)
    picks = pd.DataFrame()
    if len(heuristics) and "part_quality" in checks:
        picks = heuristic_picks(heuristics, of("part_quality", plain), best, effects)
    diagnoses = of("findings", plain)
    said = [("diagnosis", finding) for finding in _diagnoses(diagnoses)]
    if len(side):
        said += [("side_effects", f) for f in side_findings(side, best, neutral)]
    if "shifts" in checks:
        subjects = checks["shifts"][["model", "behavior"]].drop_duplicates().itertuples(index=False, name=None)
        said += [("side_effects", f) for f in side_gaps(subjects, side, best, neutral, tests)]
    if len(tests):
        said += [("side_effects", f) for f in analysis.null_findings(tests)]
    if len(robust):
        said += [("robustness", f) for f in analysis.robustness_findings(robust)]
    return Checked(
        quality=quality,
        curve=of("curve", plain),
        heuristics=heuristics,
        flags=of("flags", plain),
        diagnoses=diagnoses,
        picks=picks,
        cosines=of("cosines", plain),
        methods=of("method_samples", method_effects),
        shifts=of("shifts", analysis.side_shifts),
        side=side,
        selective=selective_settings(side[side["others"] > 0]) if len(side) else pd.DataFrame(),
        neutral=neutral,
        nulls=nulls,
        null_tests=tests,
        robustness=robust,
        findings=tuple(said),
    )


def _diagnoses(table: pd.DataFrame) -> list[analysis.Finding]:
    """What the diagnosis warns of; what it found in order, or is so with most pairs, stands in its section only."""
    warned = table[(table["level"] != "good") & ~table["code"].isin(_USUAL)] if len(table) else table
    several = len(table) > 0 and table["model"].nunique() > 1
    return [
        analysis.Finding("caution", f"{row['behavior']}{' in ' + row['model'] if several else ''}: {row['text']}")
        for row in records(warned)
    ]


_USUAL = ("few_pairs", "more_pairs")


def _named(table: pd.DataFrame, run: str | None) -> pd.DataFrame:
    named: pd.DataFrame = table.copy()
    if run is not None and len(named):
        named.insert(0, "run", run)
    return named
