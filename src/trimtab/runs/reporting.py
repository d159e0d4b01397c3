"""From run folders to the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
                folder.parts("replies"),
                folder.parts("judgements"),
                folder.table("dose"),
            )
        )
    findings = write_report(tables, out, denominator=denominator)
    return Written(out, tuple(finding.text for finding in findings))


def _rates(folder: RunFolder) -> pd.DataFrame | None:
    """Answers by cell: read from what the run's own models said, or brought in with it."""
    answers = folder.parts("answers")
    return folder.table("rates") if answers is None else answer_rates(answers)
