"""From run folders to the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trimtab._util.summaries import Summarized, Summary
from trimtab._util.wording import plural
from trimtab.analysis import COLUMNS, Denominator, answer_rates, answer_ways
from trimtab.errors import RunError
from trimtab.report import MEASURE_REPORTS, Figures, RunTables, write_report
from trimtab.report.results import Results
from trimtab.report.verdict import MAX_WHOLE, verdict_sentences
from trimtab.store.cached_tables import read_cached_tables
from trimtab.store.manifest import Manifest
from trimtab.store.run_folder import RunFolder
from trimtab.study._vector_cosines import vector_cosines
from trimtab.study.measures.registry import MEASURES
from trimtab.study.recommending.recommendations import save_recommended


@dataclass(frozen=True, repr=False)
class Written(Summarized):
    """A report on disk."""

    path: Path
    findings: tuple[str, ...]
    """The sentences at the top of the page, the verdicts first."""
    by_check: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The findings of each measure by its name, in sentences."""

    def _summary(self) -> Summary:
        return Summary({"page": str(self.path), "findings": plural(len(self.findings), "finding")}, self.findings[:3])


def report_runs(
    paths: Sequence[Path], out: Path, *, denominator: Denominator = "unsteered", figures: Figures = "main"
) -> Written:
    """Write the page of one or more runs; with the page of one run in its folder `recommended.yaml` is written, too.

    Args:
        paths: run folders.
        out: the page, `….html`; charts and tables are written beside it.
        denominator: whose standard deviation Glass's Δ divides by.
        figures: which figures are drawn in the width of one column of a paper too.

    Raises:
        RunError: when one is no run folder, or holds no samples yet.
    """
    if out.suffix != ".html":
        raise RunError(f"{out}: the report is a page; name a file that ends in .html")
    runs = [read_run(path) for path in paths]
    results = write_report(runs, out, denominator=denominator, figures=figures)
    # What is recommended is what the usual report of the run says, whatever other reports it is in.
    if len(runs) == 1 and denominator == "unsteered" and out.resolve().parent == paths[0].resolve():
        save_recommended(paths[0], runs[0], results)
    return _written(out, results)


def report_tables(
    runs: Sequence[RunTables], out: Path, *, denominator: Denominator = "unsteered", figures: Figures = "main"
) -> Written:
    """Write the page of runs whose tables were read; see `report_runs`."""
    if out.suffix != ".html":
        raise RunError(f"{out}: the report is a page; name a file that ends in .html")
    return _written(out, write_report(runs, out, denominator=denominator, figures=figures))


def _written(out: Path, results: Results) -> Written:
    by_check = {report.name: tuple(report.summary(found)) for report, found in results.measured()}
    first = verdict_sentences(results, MAX_WHOLE)
    return Written(out, (*first, *(finding.text for finding in results.findings)), by_check)


def read_run(path: Path) -> RunTables:
    """The tables of a run folder that a report needs.

    Raises:
        RunError: when it is no run folder, holds no samples yet, or holds what cannot be.
    """
    MEASURES.load_tables()
    folder = RunFolder(path)
    manifest = folder.manifest()
    answers = folder.parts("answers")
    run = RunTables(
        manifest.name,
        _plain(manifest),
        _samples(folder, manifest),
        folder.table("rates") if answers is None else answer_rates(answers),
        _asked(folder.parts("replies"), manifest),
        _judgements(folder, manifest),
        folder.parts("dose"),
        _tables(folder)
        | _cosines(folder, manifest)
        | ({} if answers is None else {"answers/ways": answer_ways(answers)}),
        str(path),
    )
    # Rates that were imported may be of a model that no scores are of, of which the import has warned.
    owned = [("samples", run.samples), ("answers", answers), ("replies", run.replies), ("dose", run.dose)]
    for name, table in [*owned, *run.tables.items()]:
        _require_named(path, name, table, manifest)
    return run


def _plain(manifest: Manifest) -> dict[str, Any]:
    """The manifest as a report takes it: plain lists and mappings, timings by label, warnings as texts."""
    return manifest.model_dump(mode="json", exclude_unset=True) | {
        "seconds": {timing.label: timing.seconds for timing in manifest.timings},
        "warnings": list(dict.fromkeys(warning.text for warning in manifest.warnings)),
    }


def _require_named(path: Path, name: str, table: pd.DataFrame | None, manifest: Manifest) -> None:
    """Refuse rows about a model or behavior that the run does not have: they are of another run."""
    for column, entries in (("model", manifest.models), ("behavior", manifest.behaviors)):
        known = {entry.name for entry in entries}
        stray = set() if table is None or column not in table else set(table[column]) - known
        if stray:
            raise RunError(
                f"{path}: the table {name} has rows of the {column} {min(stray)!r}, which the manifest does not name; "
                "move away the files that came in from another run"
            )


def _tables(folder: RunFolder) -> dict[str, pd.DataFrame]:
    """The tables that the reports of measures read, as `RunTables` takes them: by measure and table."""
    reports = [MEASURE_REPORTS.get(name) for name in MEASURE_REPORTS.names()]
    names = [(report.name, table) for report in reports for table in report.tables]
    found = {f"{measure}/{table}": read_cached_tables(folder, measure, table) for measure, table in names}
    return {name: table for name, table in found.items() if table is not None}


def _cosines(folder: RunFolder, manifest: Manifest) -> dict[str, pd.DataFrame]:
    """Cosines of the behaviors' vectors, where a model has several."""
    table = vector_cosines(folder, manifest)
    return {} if table is None else {"scores/vector_cosines": table}


_NUMBERS = {"layer": "int32", "order": "int8"} | dict.fromkeys(("depth", "strength", "weight", "score"), "float64")
"""Types that an empty table of samples has to be given."""


def _samples(folder: RunFolder, manifest: Manifest) -> pd.DataFrame:
    """The run's samples; none where nothing was to be swept, or nothing can be scored."""
    scored = not manifest.behaviors or any(behavior.is_scored for behavior in manifest.behaviors)
    if not (scored and manifest.settings.get("sweep", True)) and folder.parts("samples") is None:
        nothing: pd.DataFrame = pd.DataFrame(columns=list(COLUMNS)).astype(_NUMBERS)
        return nothing
    return folder.samples()


def _asked(table: pd.DataFrame | None, manifest: Manifest) -> pd.DataFrame | None:
    """The rows about the prompts of the study as it is now: a run of more prompts may have left others."""
    if table is None:
        return None
    now = {
        (entry.model, entry.behavior, split, prompt)
        for entry in manifest.asked
        for split, prompts in (("select", entry.select), ("test", entry.test))
        for prompt in prompts
    }
    keys = zip(table["model"], table["behavior"], table["split"], table["prompt_id"], strict=True)
    # An array also where there is no row: an empty list would choose no column instead.
    rows: pd.DataFrame = table[np.array([key in now for key in keys], dtype=bool)].reset_index(drop=True)
    return rows


def _judgements(folder: RunFolder, manifest: Manifest) -> pd.DataFrame | None:
    """The verdicts of the study's judges, the one that chooses first; judges that it no longer has are left out."""
    table = _asked(folder.parts("judgements"), manifest)
    if table is None:
        return None
    order = {(j.model, j.behavior, j.name): place for place, j in enumerate(manifest.judges)}
    keys = zip(table["model"], table["behavior"], table["judge"], strict=True)
    places = pd.Series([order.get(key, -1) for key in keys], index=table.index)
    asked = places[places >= 0].sort_values(kind="stable").index
    kept: pd.DataFrame = table.loc[asked].reset_index(drop=True)
    return kept
