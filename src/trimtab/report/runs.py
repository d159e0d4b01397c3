"""Runs, as a report takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from trimtab.errors import SettingError


@dataclass(frozen=True)
class RunTables:
    """What a report needs of one run."""

    name: str
    manifest: Mapping[str, Any]
    samples: pd.DataFrame
    rates: pd.DataFrame | None = None
    """Answers read from generated text, with the columns `trimtab.analysis.RATES`."""
    replies: pd.DataFrame | None = None
    """What was said to open prompts, with the columns `trimtab.analysis.REPLIES`."""
    judgements: pd.DataFrame | None = None
    """What judges made of it, with the columns `trimtab.analysis.JUDGEMENTS`."""
    dose: pd.DataFrame | None = None
    """How far each cell moves the model, with the columns `trimtab.analysis.DOSE`."""
    checks: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Tables of the checks that were made, by name: of the diagnosis `quality`, `curve`, `heuristics`, `flags`,
    `findings`, `cosines`, `method_samples`; of side effects `shifts`, `neutral`, `replies`, `random`; `robustness`."""


def together(runs: Sequence[RunTables]) -> pd.DataFrame:
    """The samples of all runs, with a column `run`."""
    if not runs:
        raise SettingError("a report needs at least one run")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise SettingError(f"runs in one report need names of their own, not {', '.join(names)}")
    samples: pd.DataFrame = pd.concat([run.samples.assign(run=run.name) for run in runs], ignore_index=True)
    return samples


def rates_together(runs: Sequence[RunTables]) -> pd.DataFrame | None:
    """The rates of all runs that have them; None where none has."""
    known = [run.rates for run in runs if run.rates is not None]
    return pd.concat(known, ignore_index=True) if known else None


def gathered(runs: Sequence[RunTables], key: str) -> list[dict[str, Any]]:
    """The entries under `key` of all manifests ("models", "behaviors", "vectors"), each with its `run`."""
    return [{"run": run.name, **entry} for run in runs for entry in run.manifest.get(key, [])]
