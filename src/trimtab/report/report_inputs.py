"""Runs, as a report takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from trimtab.errors import SettingError


@dataclass(frozen=True)
class RunTables:
    """The tables of one run that a report needs."""

    name: str
    manifest: Mapping[str, Any]
    samples: pd.DataFrame
    rates: pd.DataFrame | None = None
    """Answers read from generated text, with the columns `trimtab.analysis.RATES`."""
    replies: pd.DataFrame | None = None
    """Replies to open prompts, with the columns `trimtab.analysis.REPLIES`."""
    judgements: pd.DataFrame | None = None
    """The verdicts of judges on them, with the columns `trimtab.analysis.JUDGEMENTS`."""
    dose: pd.DataFrame | None = None
    """How far each setting moves the model, with the columns `trimtab.analysis.DOSE`."""
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables of all other measures, by measure and table: `diagnosis/quality`, `side_effects/shifts`,
    `robustness/samples`. Each `MeasureReport` names those that it reads."""
    path: str = ""
    """The folder of the run as the user typed it; "" where the tables come from elsewhere."""

    def of(self, measure: str) -> dict[str, pd.DataFrame]:
        """The tables of one measure, by table; none where it was not measured."""
        prefix = f"{measure}/"
        return {name.removeprefix(prefix): table for name, table in self.tables.items() if name.startswith(prefix)}

    def bound_at(self, model: str, behavior: str, layer: int, percentile: float) -> tuple[str, float] | None:
        """Scale and strength of a layer whose strengths are percentiles; None where the run has no such bound."""
        for entry in self.manifest.get("bounds", []):
            if (entry["model"], entry["behavior"]) == (model, behavior) and layer in entry["layers"]:
                place = list(entry["percentiles"]).index(percentile)
                return entry["scale"], float(entry["strengths"][place][list(entry["layers"]).index(layer)])
        return None


def require_names(runs: Sequence[RunTables]) -> None:
    """Refuse to report no run, or several of one name."""
    if not runs:
        raise SettingError("a report needs at least one run")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise SettingError(f"runs in one report need names of their own, not {', '.join(names)}")


def together(runs: Sequence[RunTables]) -> pd.DataFrame:
    """The samples of all runs, with a column `run`."""
    samples: pd.DataFrame = pd.concat([run.samples.assign(run=run.name) for run in runs], ignore_index=True)
    return samples


def rates_together(runs: Sequence[RunTables]) -> pd.DataFrame | None:
    """The rates of all runs that have them; None where none has."""
    known = [run.rates for run in runs if run.rates is not None]
    return pd.concat(known, ignore_index=True) if known else None


def unscored_owners(runs: Sequence[RunTables]) -> list[dict[str, str]]:
    """The behaviors without completions to score, in each of the run's models: run, engine, model, behavior."""
    return [
        {"run": run.name, "engine": model.get("engine", ""), "model": model["name"], "behavior": behavior["name"]}
        for run in runs
        for model in run.manifest.get("models", [])
        for behavior in run.manifest.get("behaviors", [])
        if behavior.get("shape", "completions") != "completions"
    ]


def gathered(runs: Sequence[RunTables], key: str) -> list[dict[str, Any]]:
    """The entries under `key` of all manifests ("models", "behaviors", "vectors"), each with its `run`."""
    return [{"run": run.name, **entry} for run in runs for entry in run.manifest.get(key, [])]
