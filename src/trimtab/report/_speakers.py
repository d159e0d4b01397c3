"""Speakers: the models and behaviors whose replies a report shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

QUALITY = {"fluency": "fluency", "on_topic": "on-topic"}
"""What is measured of replies without a judge: titles by column."""


@dataclass(frozen=True)
class Speaker:
    """One model and behavior, steered one way (scale, positions), by the judge that settings are chosen by."""

    title: str
    owner: Mapping[str, str]
    """Values of run, engine, model, behavior, judge, scale and positions."""
    floor: float
    cells: pd.DataFrame
    settings: pd.DataFrame
    usable: pd.DataFrame
    judged: pd.DataFrame

    @property
    def coherence(self) -> str:
        """What the coherence of its replies is, in words: the judge's verdict or what was measured; "" if nothing."""
        cells = self.cells
        if cells["coherence"].isna().all():
            return ""
        if cells["rated"].any():
            return "coherence, by the judge"
        return "fluency" if cells["on_topic"].isna().all() else "coherence (the worse of fluency and on-topic)"
