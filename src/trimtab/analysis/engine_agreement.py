"""Whether the same weights give the same scores on two engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from trimtab.analysis.findings import Finding

_SAME = ["behavior", "scoring", "split", "scale", "positions", "layers", "strength", "prompt_id", "order"]
_MUCH = 0.05
"""Of the unsteered scores' standard deviation: effects are told in such units, to two digits."""


def engine_agreement(samples: pd.DataFrame, models: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What to say of models that are the same weights, run by different engines.

    Args:
        samples: of all models.
        models: name, engine and fingerprint of each.
    """
    found = []
    for one, other in combinations(models, 2):
        same = one.get("fingerprint") and one["fingerprint"] == other.get("fingerprint")
        if same and one["engine"] != other["engine"]:
            found += _compared(samples, one, other)
    return found


def _compared(samples: pd.DataFrame, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Finding]:
    of_one, of_other = (
        samples[(samples["model"] == model["name"]) & (samples["engine"] == model["engine"])].drop_duplicates(_SAME)
        for model in (one, other)
    )
    both = of_one.merge(of_other, on=_SAME, suffixes=("", "_other"), validate="one_to_one")
    if both.empty:
        return []
    apart = (both["score"] - both["score_other"]).abs()
    unsteered = both[both["strength"] == 0]
    spread = unsteered.groupby(["behavior", "scoring"])["score"].std().rename("spread").reset_index()
    worst = (apart / both.merge(spread, on=["behavior", "scoring"], how="left")["spread"].to_numpy()).max()
    names = f"{one['name']} ({one['engine']}) and {other['name']} ({other['engine']})"
    text = f"{names} are the same weights on two engines: {len(both)} scores differ by at most {apart.max():.1g}"
    if worst > _MUCH:
        text += f", which is {100 * worst:.0f}% of the unsteered spread of a behavior; compare their number formats"
        return [Finding("caution", text + ".")]
    return [Finding("comparison", text + ".")]
