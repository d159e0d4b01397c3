"""What the models said to open prompts, as a report shows it: cells, settings and replies of each speaker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trimtab import analysis
from trimtab.analysis.reply_cells import OWNER, SPEAKER
from trimtab.analysis.samples import present, records
from trimtab.report.runs import RunTables, gathered

FLOOR = 7.0
"""Coherence that a setting must keep, where the manifest does not say."""

DOSES = ("alpha", "relative", "kl")
"""The same push in other units: of the vector, of the residual stream's norm, of what it does to the next token."""

AT = ("scale", "positions", "layers", "strength")


@dataclass(frozen=True)
class Speaker:
    """One model and behavior, steered one way (scale, positions), by the judge that settings are chosen by."""

    title: str
    about: Mapping[str, str]
    """Values of run, engine, model, behavior, judge, scale and positions."""
    floor: float
    cells: pd.DataFrame
    settings: pd.DataFrame
    usable: pd.DataFrame
    judged: pd.DataFrame


@dataclass(frozen=True)
class Spoken:
    """Everything computed from the replies."""

    cells: pd.DataFrame
    """By all judges; with `front`, whether a cell is on the front, and the `DOSES` where they were measured."""
    settings: pd.DataFrame
    """Recommended settings by each judge, with the `DOSES` where they were measured."""
    usable: pd.DataFrame
    judges: Sequence[Mapping[str, Any]]
    speakers: Sequence[Speaker]
    findings: Sequence[analysis.Finding]


def spoken_of(runs: Sequence[RunTables]) -> Spoken | None:
    """What was said in these runs; None where nothing was."""
    parts = [_of_run(run, run.replies) for run in runs if run.replies is not None and len(run.replies)]
    if not parts:
        return None
    judged, cells, settings, usable = (pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))
    dose = doses(runs)
    cells = dosed(cells.assign(front=analysis.pareto(cells)), dose)
    settings = dosed(settings, dose)
    usable = _usable_dosed(usable, dose)
    judges = gathered(runs, "judges")
    known = [entry for entry in judges if not entry.get("declined")]
    return Spoken(
        cells=cells,
        settings=settings,
        usable=usable,
        judges=known,
        speakers=_speakers(judged, cells, settings, usable),
        findings=analysis.reply_findings(_named(cells), _named(settings), judges),
    )


def doses(runs: Sequence[RunTables]) -> pd.DataFrame | None:
    """The doses of all runs, signed like the strength; None where none was measured."""
    known = [run.dose.assign(run=run.name) for run in runs if run.dose is not None and len(run.dose)]
    if not known:
        return None
    table = pd.concat(known, ignore_index=True)
    sign = np.sign(table["strength"])
    signed: pd.DataFrame = table.assign(**{name: table[name].abs() * sign for name in DOSES})
    return signed


def dosed(cells: pd.DataFrame, dose: pd.DataFrame | None) -> pd.DataFrame:
    """The cells with the `DOSES` beside their strength; without, where none was measured."""
    if dose is None:
        return cells
    on = [*present(cells, SPEAKER), *AT]
    beside: pd.DataFrame = cells.merge(dose[[*on, *DOSES]].drop_duplicates(on), on=on, how="left")
    return beside


def measured_doses(table: pd.DataFrame) -> list[str]:
    """Those of the `DOSES` that a table has numbers for."""
    return [name for name in DOSES if name in table.columns and table[name].notna().any()]


def _of_run(run: RunTables, replies: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    floor = float((run.manifest.get("settings", {}).get("replies") or {}).get("floor", FLOOR))
    said = None if run.judgements is None else run.judgements.assign(run=run.name)
    judged = analysis.judged_replies(replies.assign(run=run.name), said)
    cells = analysis.reply_cells(judged)
    tables = (cells, analysis.recommended(cells, floor), analysis.usable_strengths(cells, floor))
    return judged, *(table.assign(floor=floor) for table in tables)


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """Without the run where there is one only: sentences need not tell it."""
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
        said = _rows(judged, about, (*SPEAKER, "judge"))
        own = (said["scale"] == about["scale"]) & (said["positions"] == about["positions"])
        said = said[own | (said["strength"] == 0)]
        found.append(Speaker(_title(about, owners), about, float(mine["floor"].iloc[0]), mine, chosen, pushed, said))
    return found


def _rows(table: pd.DataFrame, about: Mapping[str, Any], names: Sequence[str]) -> pd.DataFrame:
    rows: pd.DataFrame = table[np.logical_and.reduce([table[name] == about[name] for name in names])]
    return rows


def _title(about: Mapping[str, Any], owners: pd.DataFrame) -> str:
    several = analysis.several(owners, ("run", "engine", "scale", "positions"))
    return " · ".join(str(about[name]) for name in ("model", "behavior", *several))
