"""The results of replies to open prompts, as a report shows them: cells, settings and replies of each speaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trimtab import analysis
from trimtab.analysis.replies import OWNER, SPEAKER, with_falls
from trimtab.analysis.samples import records
from trimtab.report._speakers import Speaker
from trimtab.report._strength_units import DOSES, dosed
from trimtab.report.measures.base import ReportContext
from trimtab.report.measures.dose import DOSE
from trimtab.report.measures.scores import SCORES
from trimtab.report.report_inputs import RunTables, gathered

MIN_COHERENCE = 7.0
"""Least coherence of a recommended setting, where the manifest has none."""


@dataclass(frozen=True)
class ReplyResults:
    """Everything computed from the replies."""

    cells: pd.DataFrame
    """By all judges; with `front`, whether a cell is on the front, and the `DOSES` where they were measured."""
    settings: pd.DataFrame
    """Recommended settings by each judge, with the `DOSES` where they were measured."""
    usable: pd.DataFrame
    judges: Sequence[Mapping[str, Any]]
    speakers: Sequence[Speaker]
    agreement: pd.DataFrame
    """How well scores predict replies, layer by layer."""
    findings: Sequence[analysis.Finding]
    unmeasured: Sequence[str]
    """Runs whose replies have neither fluency nor on-topic, as earlier versions made them."""


def reply_results(context: ReportContext) -> ReplyResults | None:
    """Analyse the replies of these runs; None where there are none."""
    runs = context.runs
    parts = [_of_run(run, run.replies) for run in runs if run.replies is not None and len(run.replies)]
    if not parts:
        return None
    judged, cells, settings, usable = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    doses, scores = context.results(DOSE), context.results(SCORES)
    dose = None if doses is None else doses.signed
    cells = dosed(cells.assign(front=analysis.pareto(cells)), dose)
    settings = dosed(settings, dose)
    usable = _usable_dosed(usable, dose)
    judges = gathered(runs, "judges")
    known = [entry for entry in judges if not entry.get("declined")]
    agreement = pd.DataFrame()
    if scores is not None:
        agreement = analysis.reply_agreement(scores.effects, scores.best, analysis.first_judged(cells))
    return ReplyResults(
        cells=cells,
        settings=settings,
        usable=usable,
        judges=known,
        speakers=_speakers(judged, cells, settings, usable),
        agreement=agreement,
        findings=analysis.reply_findings(_named(cells), _named(settings), judges),
        unmeasured=[str(run) for run, mine in cells.groupby("run", sort=False) if mine["fluency"].isna().all()],
    )


def _of_run(run: RunTables, replies: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    settings_of_run = run.manifest.get("settings", {}).get("replies") or {}
    floor = float(settings_of_run.get("min_coherence", MIN_COHERENCE))
    verdicts = None if run.judgements is None else run.judgements.assign(run=run.name)
    judged = analysis.judged_replies(replies.assign(run=run.name), verdicts)
    cells = analysis.reply_cells(judged)
    settings = with_falls(analysis.recommended(cells, floor), cells, judged)
    tables = (cells, settings, analysis.usable_strengths(cells, floor))
    return judged, *(table.assign(floor=floor) for table in tables)


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Without the run where there is only one: sentences need not name it."""
    plain: pd.DataFrame = table if table["run"].nunique() > 1 else table.drop(columns="run")
    return plain


def _usable_dosed(usable: pd.DataFrame, dose: pd.DataFrame | None) -> pd.DataFrame:
    """`usable` and `largest` in the other units too, as columns such as usable_kl."""
    for name in ("usable", "largest"):
        if dose is None:
            break
        at = dosed(usable[[*OWNER, "layers"]].assign(strength=usable[name] * usable["direction"]), dose)
        # A strength of 0 is 0 in every unit.
        usable = usable.assign(**{f"{name}_{unit}": at[unit].mask(at["strength"] == 0, 0.0) for unit in DOSES})
    return usable


def _speakers(judged: pd.DataFrame, cells: pd.DataFrame, settings: pd.DataFrame, usable: pd.DataFrame) -> list[Speaker]:
    first = analysis.first_judged(cells)
    owners = first[list(OWNER)].drop_duplicates()
    found = []
    for about in records(owners):
        mine, chosen, pushed = (_rows(table, about, OWNER) for table in (first, settings, usable))
        replies = _rows(judged, about, (*SPEAKER, "judge"))
        own = (replies["scale"] == about["scale"]) & (replies["positions"] == about["positions"])
        replies = replies[own | (replies["strength"] == 0)]
        found.append(Speaker(_title(about, owners), about, float(mine["floor"].iloc[0]), mine, chosen, pushed, replies))
    return found


def _rows(table: pd.DataFrame, about: Mapping[str, Any], names: Sequence[str]) -> pd.DataFrame:
    rows: pd.DataFrame = table[np.logical_and.reduce([table[name] == about[name] for name in names])]
    return rows


def _title(about: Mapping[str, Any], owners: pd.DataFrame) -> str:
    several = analysis.several(owners, ("run", "engine", "scale", "positions"))
    return " · ".join(str(about[name]) for name in ("model", "behavior", *several))
