"""The comparison of models as a report shows it: tables, and why some models are not compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from trimtab._util.wording import listed
from trimtab.analysis.comparison.models import (
    WEIGHTS,
    compare_groups,
    compare_models,
    correlations,
    group_contrasts,
)
from trimtab.analysis.findings import Finding, Values
from trimtab.analysis.formatting import plain
from trimtab.analysis.samples import present
from trimtab.analysis.scores.choice import OWNER


@dataclass(frozen=True)
class Comparison:
    """What differs between models; empty tables where there is one only."""

    models: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Facts and groups of the models."""
    by_model: pd.DataFrame = field(default_factory=pd.DataFrame)
    groups: pd.DataFrame = field(default_factory=pd.DataFrame)
    contrasts: pd.DataFrame = field(default_factory=pd.DataFrame)
    correlations: pd.DataFrame = field(default_factory=pd.DataFrame)
    weights: Mapping[str, str] = field(default_factory=dict)
    """Fingerprint of each model's weights."""
    left_out: Sequence[Finding] = ()
    """Cautions that say why models are not compared, where they are not."""


_COMPARISONS = {"groups": compare_groups, "contrasts": group_contrasts, "correlations": correlations}


def compared(best: pd.DataFrame, models: pd.DataFrame, effects: pd.DataFrame) -> Comparison:
    """Compare models within each engine and scoring: across these, numbers are not of one kind.

    Models whose strengths are of another scale, or act at other positions, are not ranked at all. One that counts more
    than once, in several runs or as the same weights in several formats, would do so among the groups, so those are
    left out then.
    """
    if best.empty or len(best.groupby([n for n in present(best, OWNER) if n != "behavior"])) < 2:
        return Comparison(models=models)
    known = models[WEIGHTS] if WEIGHTS in models.columns else models["model"]
    weights = dict(zip(models["model"].astype(str), known.astype(str), strict=True))
    parts: dict[str, list[pd.DataFrame]] = {"by_model": [], "groups": [], "contrasts": [], "correlations": []}
    left_out: list[Finding] = []
    for (engine, scoring), cells in best.groupby(["engine", "scoring"], sort=False):
        tried = effects[(effects["engine"] == engine) & (effects["scoring"] == scoring)]
        if unlike := _unlike(tried):
            left_out.append(unlike)
            continue
        table = compare_models(cells, weights).merge(_strengths(tried), how="left")
        parts["by_model"].append(table)
        fingerprints = table["model"].map(lambda name: weights.get(str(name), str(name)))
        again = table["model"][fingerprints.duplicated(keep=False)].unique()
        if len(again):
            values = {"models": list(map(str, again))}
            left_out.append(Finding("caution", repeated_models, values, measure="models"))
        elif len(table) > 1:
            for name, compare in _COMPARISONS.items():
                parts[name].append(compare(table, models).assign(engine=str(engine), scoring=str(scoring)))
    tables = {name: pd.concat(found, ignore_index=True) if found else pd.DataFrame() for name, found in parts.items()}
    return Comparison(models=models, weights=weights, left_out=_once(left_out), **tables)


def _strengths(tried: pd.DataFrame) -> pd.DataFrame:
    """The strengths that each model was tried at, in words."""
    owner = [name for name in present(tried, OWNER) if name != "behavior"]
    sizes = tried.groupby(owner, sort=False)["strength"].agg(
        lambda strengths: ", ".join(map(plain, sorted(set(strengths))))
    )
    table: pd.DataFrame = sizes.rename("strengths").reset_index()
    return table


def _once(findings: Sequence[Finding]) -> list[Finding]:
    return list({finding.text: finding for finding in findings}.values())


def _unlike(cells: pd.DataFrame) -> Finding | None:
    """Why models with these cells cannot be ranked; None where they can."""
    owner = [name for name in present(cells, OWNER) if name != "behavior"]
    for column, sentence in (("scale", models_of_several_scales), ("positions", models_at_several_positions)):
        kinds = cells.groupby(owner, sort=False)[column].agg(lambda values: " and ".join(sorted(set(map(str, values)))))
        if kinds.nunique() > 1:
            several = [n for n in owner if n in ("model", "run") and cells[n].nunique() > 1]
            models = [
                {"model": " ".join(str(row[n]) for n in several) or "one", "kind": str(row[column])}
                for row in kinds.reset_index().to_dict("records")
            ]
            return Finding("caution", sentence, {"models": models}, measure="models")
    return None


def models_of_several_scales(_about: str, values: Values) -> str:
    """That the models were steered with strengths of different scales."""
    return _not_ranked("strengths of the scale", values)


def models_at_several_positions(_about: str, values: Values) -> str:
    """That the models were steered at different positions."""
    return _not_ranked("at the positions", values)


def repeated_models(_about: str, values: Values) -> str:
    """That a model would count more than once among the groups."""
    models = values["models"]
    where = "is in several runs" if len(models) == 1 else "are the same weights, or in several runs,"
    return (
        f"Groups of models and their architecture are not compared: {listed(models)} {where} and would count more than "
        "once."
    )


def _not_ranked(what: str, values: Values) -> str:
    kinds = listed(sorted({str(model["kind"]) for model in values["models"]}))
    each = "; ".join(f"{model['model']}: {model['kind']}" for model in values["models"])
    return f"Models are not ranked: they were steered with {what} {kinds} ({each}), which are different interventions."
