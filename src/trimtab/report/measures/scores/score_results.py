"""The results of the sweep's scores, as a report shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from trimtab.analysis import Comparison, Denominator, Finding
from trimtab.report.charts import Measure


@dataclass(frozen=True)
class ScoreResults:
    """Everything computed from the samples."""

    samples: pd.DataFrame
    effects: pd.DataFrame
    best: pd.DataFrame
    """Chosen cells, with steerability and the effects by option order beside them."""
    choice: pd.DataFrame
    tails: pd.DataFrame
    blindness: pd.DataFrame
    comparison: Comparison
    dose: pd.DataFrame | None
    """The strength in other units; None where doses were not measured."""
    vectors: Sequence[dict[str, Any]]
    cosines: pd.DataFrame
    """Cosines of the behaviors' vectors with each other at each layer; empty where no model has several."""
    bounds: pd.DataFrame
    """The strength of each layer where strengths are percentiles of projections; empty elsewhere."""
    denominator: Denominator
    mirrored: bool
    """Whether deltas go from −α to +α, or start at the unsteered scores."""
    findings: Sequence[Finding]

    @property
    def measure(self) -> Measure:
        """The size that figures show: Δ, or delta where unsteered scores do not vary, so that there is no Δ."""
        return "glass" if self.effects["glass"].notna().any() else "delta"
