"""From run folders to the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from trimtab.analysis import Denominator, answer_rates
from trimtab.errors import RunError
from trimtab.report import RunTables, write_report
from trimtab.runs.folder import RunFolder


@dataclass(frozen=True)
class Written:
    """A report on disk."""

    path: Path
    findings: tuple[str, ...]
    """Its first sentences."""


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
                folder.samples(),
                _rates(folder),
                _asked(folder.parts("replies"), manifest),
                _judgements(folder, manifest),
                folder.table("dose"),
            )
        )
    findings = write_report(tables, out, denominator=denominator)
    return Written(out, tuple(finding.text for finding in findings))


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
