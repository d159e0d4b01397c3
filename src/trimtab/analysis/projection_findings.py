"""Findings about projections: whether a vector tells held-out examples apart, which is no evidence that it steers."""

from __future__ import annotations

from typing import Any

import pandas as pd

from trimtab.analysis.claims import Claim
from trimtab.analysis.findings import Finding, Subject, Values, caution, picked, subject_first
from trimtab.analysis.formatting import with_interval
from trimtab.analysis.samples import records

CHANCE = 0.5
_VALUES = ("layer", "auroc", "auroc_low", "auroc_high", "n_positive", "n_negative", "held_out")


def projection_findings(best: pd.DataFrame) -> list[Finding]:
    """Whether the chosen layer of each model and behavior tells the examples that report apart.

    Args:
        best: from `trimtab.analysis.projections.reported`, of one run.
    """
    named = ("model",) if best["model"].nunique() > 1 else ()
    return [_finding(row, Subject.of(row, named)) for row in records(best)]


def _finding(row: dict[str, Any], about: Subject) -> Finding:
    values = picked(row, *_VALUES)
    ends = (row["auroc_low"], row["auroc_high"])
    claim = Claim("association", about.behavior, row["auroc"], *ends, against=CHANCE)
    if claim.above:
        return Finding("effect", told_apart, values, (about,), "projection", [claim])
    if claim.below:
        return caution(about, told_apart_backwards, values, "projection", [claim], decisive=True)
    return Finding("negative", not_told_apart, values, (about,), "projection")


@subject_first
def told_apart(values: Values) -> str:
    """That held-out examples that show the behavior lie further along the vector than others."""
    return (
        f"the vector tells {_examples(values)} apart: {_auroc(values)}. That is reading, and does not show that "
        "steering with it changes what the model writes."
    )


@subject_first
def told_apart_backwards(values: Values) -> str:
    """That held-out examples that show the behavior lie less far along the vector than others."""
    return (
        f"the vector tells {_examples(values)} apart the other way round, those that show the behavior lie less far "
        f"along it: {_auroc(values)}."
    )


@subject_first
def not_told_apart(values: Values) -> str:
    """That held-out examples are not shown to lie apart."""
    return (
        f"the vector is not shown to tell {_examples(values)} apart: {_auroc(values)}. Whether steering with it "
        "changes what the model writes is another question."
    )


def _examples(values: Values) -> str:
    kind = "held-out" if values["held_out"] else "the same"
    return f"{values['n_positive']} + {values['n_negative']} {kind} examples"


def _auroc(values: Values) -> str:
    number = with_interval(values["auroc"], values["auroc_low"], values["auroc_high"], limits=(CHANCE, 1.0))
    chose = ", which other examples chose" if values["held_out"] else ""
    return f"AUROC {number} at layer {values['layer']}{chose}; chance is 0.5"
