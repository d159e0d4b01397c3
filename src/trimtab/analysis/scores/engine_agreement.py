"""Whether the same weights give the same scores on two engines, or in two number formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis.findings import Finding, Values
from trimtab.analysis.formatting import percent, plain

_SAME = ["behavior", "scoring", "split", "scale", "positions", "layers", "strength", "prompt_id", "order"]
MAX_DIFFERENCE = 0.05
"""In unsteered standard deviations, the unit of effects, which are given to two digits."""


def engine_agreement(samples: pd.DataFrame, models: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Findings about models that are the same weights, run by different engines or in different number formats.

    Args:
        samples: of all models.
        models: name, engine and fingerprint of each; dtype, and run where there are several, may come on top.
    """
    found = []
    for one, other in combinations(models, 2):
        if one.get("fingerprint") and one["fingerprint"] == other.get("fingerprint") and (how := _how(one, other)):
            found += _compared(samples, one, other, *how)
    return found


def _how(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """In what the two differ, and what to call each; None where nothing sets them apart."""
    names = [str(model["name"]) for model in (one, other)]
    dtypes = [str(model.get("dtype") or "") for model in (one, other)]
    if one["engine"] != other["engine"]:
        first, second = (f"{model['name']} ({model['engine']})" for model in (one, other))
        return "on two engines", first, second
    if all(dtypes) and dtypes[0] != dtypes[1]:
        first, second = (f"{name} ({dtype})" for name, dtype in zip(names, dtypes, strict=True))
        return "in two number formats", first, second
    return ("under two names", names[0], names[1]) if names[0] != names[1] else None


def _compared(
    samples: pd.DataFrame, one: Mapping[str, Any], other: Mapping[str, Any], how: str, *names: str
) -> list[Finding]:
    of_one, of_other = (_rows(samples, model, one, other).drop_duplicates(_SAME) for model in (one, other))
    both = of_one.merge(of_other, on=_SAME, suffixes=("", "_other"), validate="one_to_one")
    if both.empty:
        return []
    apart = (both["score"] - both["score_other"]).abs()
    unsteered = both[both["strength"] == 0]
    spread = unsteered.groupby(["behavior", "scoring"])["score"].std().rename("spread").reset_index()
    unit = both.merge(spread, on=["behavior", "scoring"], how="left")["spread"].to_numpy()
    # Scores that do not vary leave no unit to compare in.
    worst = (apart / np.where(unit > 0, unit, np.nan)).max()
    values = {"models": list(names), "how": how, "scores": len(both), "difference": apart.max(), "share": worst}
    if worst > MAX_DIFFERENCE:
        return [Finding("caution", same_weights_differ, values, measure="models")]
    return [Finding("negative", same_weights_agree, values, measure="models")]


def same_weights_agree(_about: str, values: Values) -> str:
    """By how much the scores of the same weights differ at most."""
    return f"{_same_weights(values)}."


def same_weights_differ(_about: str, values: Values) -> str:
    """That the scores of the same weights differ by more than effects are rounded to."""
    return (
        f"{_same_weights(values)}, which is {percent(values['share'], [MAX_DIFFERENCE])} of the unsteered standard "
        "deviation of a behavior; compare their number formats."
    )


def _same_weights(values: Values) -> str:
    return (
        f"{' and '.join(values['models'])} are the same weights {values['how']}: {plural(values['scores'], 'score')} "
        f"differ by at most {plain(values['difference'], 1)}"
    )


def _rows(samples: pd.DataFrame, model: Mapping[str, Any], *both: Mapping[str, Any]) -> pd.DataFrame:
    """The samples of one of two models; of its run only, where nothing else in the samples distinguishes the two."""
    mine = (samples["model"] == model["name"]) & (samples["engine"] == model["engine"])
    alike = all(both[0][name] == both[1][name] for name in ("name", "engine"))
    if alike and "run" in samples.columns:
        mine &= samples["run"] == model.get("run")
    rows: pd.DataFrame = samples[mine]
    return rows
