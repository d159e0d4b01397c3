"""From run folders to the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from trimtab.analysis import COLUMNS, Denominator, answer_rates
from trimtab.analysis.samples import records
from trimtab.errors import RunError
from trimtab.evaluation.diagnosing import Diagnosed
from trimtab.report import Results, RunTables, write_report
from trimtab.runs.chunks import read_chunks
from trimtab.runs.diagnosis_check import METHOD_SAMPLES
from trimtab.runs.folder import RunFolder


@dataclass(frozen=True)
class Written:
    """A report on disk."""

    path: Path
    findings: tuple[str, ...]
    """Its first sentences."""
    by_check: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What each check found: `diagnosis`, `side_effects`, `robustness`."""


def report_runs(paths: Sequence[Path], out: Path, *, denominator: Denominator = "unsteered") -> Written:
    """Write the page of one or more runs.

    Args:
        paths: run folders.
        out: the page, `….html`; charts and tables are written beside it.
        denominator: whose standard deviation Glass's Δ divides by.

    Raises:
        RunError: when one is no run folder, or holds no samples yet.
    """
    if out.suffix != ".html":
        raise RunError(f"{out}: the report is a page; name a file that ends in .html")
    tables = []
    for path in paths:
        folder = RunFolder(path)
        manifest = folder.manifest()
        tables.append(
            RunTables(
                str(manifest.get("name", path.name)),
                manifest,
                _samples(folder, checks := _checks(folder)),
                _rates(folder),
                _asked(folder.parts("replies"), manifest),
                _judgements(folder, manifest),
                folder.parts("dose"),
                checks,
            )
        )
    results = write_report(tables, out, denominator=denominator)
    return Written(out, tuple(finding.text for finding in results.findings), _by_check(results))


def _by_check(results: Results) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    if results.checked is None:
        return found
    for check, finding in results.checked.findings:
        found[check] = (*found.get(check, ()), finding.text)
    # Whoever asks for a diagnosis wants to read what is in order as well, and what to do.
    diagnoses = results.checked.diagnoses
    several = len(diagnoses) > 0 and diagnoses["model"].nunique() > 1
    found["diagnosis"] = tuple(_diagnosis(row, several) for row in records(diagnoses))
    return found


def _diagnosis(row: Mapping[str, str], several: bool) -> str:
    about = f"{row['behavior']} in {row['model']}" if several else row["behavior"]
    return f"{row['level']}: {about}: {row['text']}" + (f" {row['advice']}" if row["level"] != "good" else "")


_CHECKS = {
    "diagnosis": (*Diagnosed.TABLES, METHOD_SAMPLES),
    "side_effects": ("shifts", "easy", "neutral", "replies", "random"),
    "robustness": ("samples",),
}


def _checks(folder: RunFolder) -> dict[str, pd.DataFrame]:
    """The tables of the checks by name, as `RunTables` takes them."""
    found = {
        what if check != "robustness" else check: read_chunks(folder, check, what)
        for check, tables in _CHECKS.items()
        for what in tables
    }
    tables = {name: table for name, table in found.items() if table is not None}
    if "easy" in tables:
        scored = [tables[name] for name in ("shifts", "easy") if name in tables]
        tables["shifts"] = pd.concat(scored, ignore_index=True)
    return tables


_NUMBERS = {"layer": "int32", "order": "int8"} | dict.fromkeys(("depth", "strength", "weight", "score"), "float64")
"""Types that an empty table of samples has to be given."""


def _samples(folder: RunFolder, checks: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The run's samples; none where pairs were diagnosed and nothing was swept."""
    if checks and folder.parts("samples") is None:
        nothing: pd.DataFrame = pd.DataFrame(columns=list(COLUMNS)).astype(_NUMBERS)
        return nothing
    return folder.samples()


def _asked(table: pd.DataFrame | None, manifest: dict[str, Any]) -> pd.DataFrame | None:
    """The rows about prompts that the study asks now: with fewer than before, others would count beside them."""
    if table is None:
        return None
    now = {
        (entry["model"], entry["behavior"], split, prompt)
        for entry in manifest.get("asked", [])
        for split in ("select", "test")
        for prompt in entry[split]
    }
    keys = zip(table["model"], table["behavior"], table["split"], table["prompt_id"], strict=True)
    rows: pd.DataFrame = table[[key in now for key in keys]].reset_index(drop=True)
    return rows


def _judgements(folder: RunFolder, manifest: dict[str, Any]) -> pd.DataFrame | None:
    """What the study's judges said, the one that chooses first; those that it no longer asks are left out."""
    table = _asked(folder.parts("judgements"), manifest)
    if table is None:
        return None
    order = {(j["model"], j["behavior"], j["name"]): place for place, j in enumerate(manifest.get("judges", []))}
    keys = zip(table["model"], table["behavior"], table["judge"], strict=True)
    places = pd.Series([order.get(key, -1) for key in keys], index=table.index)
    asked = places[places >= 0].sort_values(kind="stable").index
    kept: pd.DataFrame = table.loc[asked].reset_index(drop=True)
    return kept


def _rates(folder: RunFolder) -> pd.DataFrame | None:
    """Answers by cell: read from what the run's own models said, or brought in with it."""
    answers = folder.parts("answers")
    return folder.table("rates") if answers is None else answer_rates(answers)
