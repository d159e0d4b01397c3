"""Writing a report: analyse, draw, write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from trimtab import analysis
from trimtab.report import background, checked_words, words
from trimtab.report.checked import Checked
from trimtab.report.files import write_atomically, write_chart
from trimtab.report.markdown import as_markdown
from trimtab.report.page import Page, render
from trimtab.report.results import Results, analysed
from trimtab.report.runs import RunTables
from trimtab.report.sections import sections


def write_report(runs: Sequence[RunTables], page: Path, *, denominator: analysis.Denominator = "unsteered") -> Results:
    """Write the report of one or more runs.

    Args:
        runs: The runs; with more than one, every table and chart names the run.
        page: The page to write, such as `report.html`. Beside it: the same as Markdown, `report.md`; each figure in
            charts/ as PNG, SVG and CSV; cells.csv, best.csv and, in tables/, the other tables; recommended.csv and
            reply_cells.csv where a run has replies. The folder is made if missing; files of an earlier report are
            replaced one by one.
        denominator: Whose standard deviation Glass's Δ divides by; point values by either custom are always given.

    Returns:
        What was computed, with what the page says first.
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
    return results


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
        glossary=words.glossary(
            results.denominator,
            replies=results.spoken is not None,
            dose=results.dose is not None,
            more=checked_words.glossary(results.checked),
        ),
        trimtab_version=str(runs[0].manifest.get("trimtab_version", "")),
    )


def _files(results: Results) -> dict[str, pd.DataFrame]:
    """The tables to write, by file name; those that a study of one model lacks are left out."""
    found = results.comparison
    others = {
        "layer_choice": results.choice, "tails": results.tails, "models": found.by_model, "groups": found.groups,
        "contrasts": found.contrasts, "correlations": found.correlations, "answers": results.answer_agreement,
        "reply_agreement": results.reply_agreement, **_checked_files(results.checked),
    }  # fmt: skip
    filled = {f"tables/{name}.csv": frame for name, frame in others.items() if len(frame)}
    spoken = results.spoken
    said = {} if spoken is None else {"recommended.csv": spoken.settings, "reply_cells.csv": spoken.cells}
    return {**said, "cells.csv": results.effects, "best.csv": results.best, **filled}


def _checked_files(checked: Checked | None) -> dict[str, pd.DataFrame]:
    """The tables of the checks, by file name."""
    if checked is None:
        return {}
    return {
        "diagnosis": checked.diagnoses, "pair_quality": checked.quality, "pair_curve": checked.curve,
        "flagged_pairs": checked.flags, "heuristics": checked.heuristics, "heuristic_picks": checked.picks,
        "methods": checked.methods, "method_cosines": checked.cosines, "side_shifts": checked.shifts,
        "side_cells": checked.side, "selective_settings": checked.selective, "neutral_replies": checked.neutral,
        "random_directions": checked.nulls,
        "random_tests": checked.null_tests, "robustness": checked.robustness,
    }  # fmt: skip


def _subtitle(runs: Sequence[RunTables], results: Results) -> str:
    nothing = results.samples.iloc[:0]
    spoken = results.spoken.cells if results.spoken else nothing
    diagnosed = results.checked.quality if results.checked and len(results.checked.quality) else nothing

    def counted(name: str, word: str) -> str:
        every = (results.samples, spoken, diagnosed)
        found = list(dict.fromkeys(str(value) for table in every for value in table[name].unique()))
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
