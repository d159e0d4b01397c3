"""Doses: KL divergences cleaned of rounding noise, and cautions where one was measured below 0."""

from __future__ import annotations

from typing import Any

import pandas as pd

from trimtab._util.wording import plural, verb_for
from trimtab.analysis.findings import Finding, Values
from trimtab.analysis.formatting import plain
from trimtab.analysis.samples import records

NOISE = 1e-3
"""Nats: a divergence that is below 0 by less than this is 0 up to the rounding of its log-probabilities."""


def without_noise(dose: pd.DataFrame) -> pd.DataFrame:
    """The doses with divergences that are below 0 by rounding alone at 0; those further below stay as they are."""
    kl = dose["kl"].astype(float)
    table: pd.DataFrame = dose.assign(kl=kl.mask((kl < 0) & (kl > -NOISE), 0.0))
    return table


def dose_findings(dose: pd.DataFrame) -> list[Finding]:
    """Cautions about divergences that were measured below 0.

    Args:
        dose: the columns `DOSE`, as measured.
    """
    below = dose.loc[dose["kl"].astype(float) < 0, "kl"].astype(float)
    noise, wrong = below[below > -NOISE], below[below <= -NOISE]
    found = []
    if len(noise):
        values: dict[str, Any] = {"divergences": len(noise), "lowest": float(noise.min())}
        found.append(Finding("caution", divergence_noise, values, measure="data"))
    if len(wrong):
        at = records(dose.loc[wrong.index, ["layers", "strength"]].head(3))
        values = {"divergences": len(wrong), "lowest": float(wrong.min()), "settings": at}
        found.append(Finding("caution", negative_divergence, values, measure="data"))
    return found


def divergence_noise(_about: str, values: Values) -> str:
    """That divergences are below 0 by rounding."""
    n = values["divergences"]
    return (
        f"{plural(n, 'KL divergence')} {verb_for(n, 'lie')} below 0, by at most {plain(-values['lowest'], 1)} nats: "
        "rounding, shown as 0 in tables and figures."
    )


def negative_divergence(_about: str, values: Values) -> str:
    """That divergences are below 0 by more than rounding, which is an error."""
    n = values["divergences"]
    where = ", ".join(f"layer {at['layers']} at {plain(at['strength'])}" for at in values["settings"])
    return (
        f"{plural(n, 'KL divergence')} {verb_for(n, 'lie')} below 0 by more than rounding, down to "
        f"{plain(values['lowest'], 3)} nats ({where}); no divergence can be negative, so the doses of these settings "
        "are wrong."
    )
