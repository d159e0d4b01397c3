"""Writing a report: analyse, draw, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from trimtab import analysis
from trimtab.report import background, words
from trimtab.report.files import write_atomically, write_chart
from trimtab.report.markdown import as_markdown
from trimtab.report.page import Page, render
from trimtab.report.results import Results, analysed
from trimtab.report.runs import RunTables
from trimtab.report.sections import sections


def write_report(
    runs: Sequence[RunTables], page: Path, *, denominator: analysis.Denominator = "unsteered"
) -> Sequence[analysis.Finding]:
    """Write the report of one or more runs.

    Args:
        runs: The runs; with more than one, every table and chart names the run.
        page: The page to write, such as `report.html`. Beside it: the same as Markdown, `report.md`; each figure in
            charts/ as PNG, SVG and CSV; cells.csv, best.csv and, in tables/, the other tables; recommended.csv and
            reply_cells.csv where a run has replies. The folder is made if missing; files of an earlier report are
            replaced one by one.
        denominator: Whose standard deviation Glass's Δ divides by; point values by either custom are always given.

    Returns:
        What the page says first, computed from the samples.
    """
    results = analysed(runs, denominator)
    content = assembled(runs, results)
    out = page.parent
    for name, frame in _files(results).items():
        write_atomically(out / name, _csv(frame, runs))
    for section in content.sections:
        for chart in section.charts:
            write_chart(chart, out / "charts")
    write_atomically(page.with_suffix(".md"), as_markdown(content))
    write_atomically(page, render(content))
    return results.findings


def assembled(runs: Sequence[RunTables], results: Results) -> Page:
    """The page of these results."""
    about = (background.models_table(runs), background.behaviors_table(runs), background.vectors_table(runs))
    return Page(
        title=" + ".join(run.name for run in runs),
        subtitle=_subtitle(runs, results),
        findings=results.findings,
        sections=sections(runs, results),
        warnings=_warnings(runs),
        background=[table for table in about if table.rows],
        facts=background.facts(runs),
        glossary=words.glossary(results.denominator, replies=results.spoken is not None, dose=results.dose is not None),
        trimtab_version=str(runs[0].manifest.get("trimtab_version", "")),
    )


def _files(results: Results) -> dict[str, pd.DataFrame]:
    """The tables to write, by file name; those that a study of one model lacks are left out."""
    found = results.comparison
    others = {
        "layer_choice": results.choice, "tails": results.tails, "models": found.by_model, "groups": found.groups,
        "contrasts": found.contrasts, "correlations": found.correlations, "answers": results.answer_agreement,
        "reply_agreement": results.reply_agreement,
    }  # fmt: skip
    filled = {f"tables/{name}.csv": frame for name, frame in others.items() if len(frame)}
    spoken = results.spoken
    said = {} if spoken is None else {"recommended.csv": spoken.settings, "reply_cells.csv": spoken.cells}
    return {**said, "cells.csv": results.effects, "best.csv": results.best, **filled}


def _subtitle(runs: Sequence[RunTables], results: Results) -> str:
    spoken = results.spoken.cells if results.spoken else results.samples.iloc[:0]

    def counted(name: str, word: str) -> str:
        found = list(dict.fromkeys([*results.samples[name].astype(str), *spoken[name].astype(str)]))
        return ", ".join(found) if len(found) <= 3 else f"{len(found)} {word}"

    created = sorted({str(run.manifest["created"])[:10] for run in runs if run.manifest.get("created")})
    parts = [
        counted("model", "models"),
        counted("behavior", "behaviors"),
        " to ".join(created[:1] + created[1:][-1:]),
    ]
    return " · ".join(part for part in parts if part)


def _warnings(runs: Sequence[RunTables]) -> list[str]:
    several = len(runs) > 1
    return [
        f"{run.name}: {text}" if several else str(text) for run in runs for text in run.manifest.get("warnings", [])
    ]


def _csv(frame: pd.DataFrame, runs: Sequence[RunTables]) -> str:
    table = frame if len(runs) > 1 else frame.drop(columns="run", errors="ignore")
    return str(table.to_csv(index=False))
