"""Writing a report: analyse, draw, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from trimtab import analysis
from trimtab._util.spreadsheet import csv_text
from trimtab.report import _background
from trimtab.report._findings_file import findings_table
from trimtab.report._glossary import glossary
from trimtab.report._markdown import as_markdown
from trimtab.report._page import Page, render
from trimtab.report._report_files import write_chart, write_report_file
from trimtab.report._sections import sections
from trimtab.report.paper import paper_texts
from trimtab.report.report_inputs import RunTables
from trimtab.report.results import Results, analysed
from trimtab.report.verdict import verdicts

Figures = Literal["main", "all"]
"""Which figures are drawn in the width of one column too: those of the main page, or all."""


def write_report(
    runs: Sequence[RunTables],
    page: Path,
    *,
    denominator: analysis.Denominator = "unsteered",
    figures: Figures = "main",
) -> Results:
    """Write the report of one or more runs.

    Args:
        runs: The runs; with more than one, every table and chart names the run.
        page: The page to write, such as `report.html`. Beside it: the same as Markdown, `report.md`; each figure in
            charts/ as SVG, PDF, PNG and CSV; cells.csv, best.csv and, in tables/, the other tables and all findings
            with their subjects and values; recommended.csv and reply_cells.csv where a run has replies; texts for
            papers in paper/. The folder is made if missing; files of an earlier report are replaced one by one.
        denominator: Whose standard deviation Glass's Δ divides by; point values by either custom are always given.
        figures: Which figures are drawn in the width of one column too, in charts/one-column.

    Returns:
        The results of each measure, and the findings at the top of the page.
    """
    results = analysed(runs, denominator)
    content = assembled(runs, results)
    out = page.parent
    for name, frame in _files(results).items():
        write_report_file(out / name, _csv(frame, runs), out)
    for text in content.paper:
        write_report_file(out / text.file, text.text, out)
    main = {chart.slug for chart in content.main_charts}
    for chart in content.charts:
        write_chart(chart, out, one_column=figures == "all" or chart.slug in main)
    write_report_file(page.with_suffix(".md"), as_markdown(content), out)
    write_report_file(page, render(content), out)
    return results


def assembled(runs: Sequence[RunTables], results: Results) -> Page:
    """The page of these results."""
    about = (_background.models_table(runs), _background.behaviors_table(runs), _background.vectors_table(runs))
    terms = [term for report, found in results.measured() for term in report.glossary(found)]
    return Page(
        title=" + ".join(run.name for run in runs),
        subtitle=_subtitle(runs),
        verdicts=verdicts(runs, results),
        findings=results.findings,
        sections=sections(results),
        warnings=_warnings(runs),
        background=[table for table in about if table.rows],
        facts=_background.facts(runs),
        glossary=glossary(results.denominator, terms),
        paper=paper_texts(runs, results),
        trimtab_version=str(runs[0].manifest.get("trimtab_version", "")),
    )


def _files(results: Results) -> dict[str, pd.DataFrame]:
    """The tables to write, by path beside the page."""
    every = {path: table for report, found in results.measured() for path, table in report.files(found).items()}
    every["tables/findings.csv"] = findings_table(results.findings)
    return {path: table for path, table in every.items() if len(table) or not path.startswith("tables/")}


def _subtitle(runs: Sequence[RunTables]) -> str:
    def counted(column: str) -> str:
        every = [t for run in runs for t in (run.samples, run.replies, *run.tables.values()) if t is not None]
        names = list(dict.fromkeys(str(v) for table in every if column in table for v in table[column].unique()))
        return ", ".join(names) if len(names) <= 3 else f"{len(names)} {column}s"

    created = sorted({str(run.manifest["created"])[:10] for run in runs if run.manifest.get("created")})
    parts = [counted("model"), counted("behavior"), " to ".join(created[:1] + created[1:][-1:])]
    if makers := _background.makers(runs):
        parts.append(f"vectors made elsewhere ({', '.join(makers)}), checked here")
    return " · ".join(part for part in parts if part)


def _warnings(runs: Sequence[RunTables]) -> list[str]:
    several = len(runs) > 1
    return [
        f"{run.name}: {text}" if several else str(text) for run in runs for text in run.manifest.get("warnings", [])
    ]


def _csv(frame: pd.DataFrame, runs: Sequence[RunTables]) -> str:
    """A table as CSV, without the name of the only run."""
    table = frame if len(runs) > 1 else frame.drop(columns="run", errors="ignore")
    return csv_text(table)
