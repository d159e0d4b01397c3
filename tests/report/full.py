"""A run with everything that a report can show: every measure, with doses of all settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from report.checks import LAYERS, checked_run
from report.planted_baselines import planted_baselines
from spoken import spoken, spoken_manifest
from synthetic import synthetic_manifest, synthetic_samples
from trimtab.report import RunTables

STRENGTHS = (-1.0, -0.5, 0.5, 1.0)
BEHAVIORS = {"cheerful": 2.0, "concise": 1.2}


def full_run(name: str = "full") -> RunTables:
    """Two behaviors of one model, swept at four strengths, judged, dosed, diagnosed and checked."""
    run = checked_run(name)
    samples = synthetic_samples(BEHAVIORS, layers=LAYERS, strengths=STRENGTHS, prompts=20)
    replies, judgements, dose = spoken(LAYERS)
    manifest = {**synthetic_manifest(samples, LAYERS), **spoken_manifest()}
    return replace(
        run, manifest=manifest, samples=samples,
        tables={**run.tables, "scores/vector_cosines": _cosines(), **planted_baselines()},
        replies=replies, judgements=judgements,
        rates=_rates(samples), dose=pd.concat([dose, _doses(samples, dose)], ignore_index=True),
    )  # fmt: skip


def _doses(samples: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    """The dose of every setting of the sweep."""
    cells = samples[samples["strength"] != 0].drop_duplicates(["behavior", "layers", "strength"])
    size = cells["strength"].abs()
    dosed = cells.assign(kl=size**2 * (1 + cells["depth"]), relative=size, alpha=30 * cells["strength"])
    return dosed[like.columns]


def _cosines() -> pd.DataFrame:
    """The two behaviors' vectors grow alike over depth."""
    rows = [("tiny-135M", *BEHAVIORS, layer, (layer + 1) / LAYERS, -0.1 + 0.1 * layer) for layer in range(LAYERS)]
    return pd.DataFrame(rows, columns=["model", "behavior", "other", "layer", "depth", "cosine"])


def _rates(samples: pd.DataFrame) -> pd.DataFrame:
    """Answers read from text, which follow the strength."""
    cells = samples[samples["strength"].isin([-1.0, 0.0, 1.0])]
    cells = cells.drop_duplicates(["model", "behavior", "layer", "strength"])
    rate = 0.5 + 0.3 * cells["strength"] * np.exp(-(((cells["depth"] - 0.55) / 0.2) ** 2))
    found = cells.assign(n=40, rate=rate, validity=0.97)
    columns = ["model", "behavior", "layer", "depth", "strength", "n", "rate", "validity"]
    table: pd.DataFrame = found[columns].reset_index(drop=True)
    return table
