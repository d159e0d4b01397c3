"""What a run measured of a vector beside its recommended setting: doses, coherence, what the checks found."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from trimtab.analysis import Finding
from trimtab.data import BUILT_INS
from trimtab.report.report_inputs import RunTables
from trimtab.report.results import Results, analysed
from trimtab.steering import SCALES, SteeringSetting
from trimtab.steering.scales.percentiles import PERCENTILE_OF
from trimtab.store.run_folder import MANIFEST
from trimtab.study.reporting import read_run


def run_measurements(run: Path, model: str, behavior: str, how: SteeringSetting | None) -> dict[str, Any]:
    """What a run has beyond the recommended setting, as JSON; empty where the folder holds no tables.

    Args:
        run: its folder.
        model: name of the model in the run.
        behavior: whose vector.
        how: the steering that the run recommends; None where it recommends none.

    Returns:
        `description` of the behavior; `doses`, nats by layers and strength; `coherence`, up to which strength replies
        stay coherent; `findings` about the behavior; `checked`, the measures that were made.
    """
    if not (run / MANIFEST).is_file():
        return {}
    tables, results = _read(run)
    return {
        "description": _description(tables, behavior),
        "doses": _doses(tables, model, behavior, how),
        "coherence": _coherence(results, tables, model, behavior, how),
        "findings": [_plain(one) for one in results.findings if _is_about(one, model, behavior)],
        "checked": list(results.measures),
    }


@lru_cache(maxsize=4)
def _read(run: Path) -> tuple[RunTables, Results]:
    tables = read_run(run)
    return tables, analysed([tables])


def _description(tables: RunTables, behavior: str) -> str:
    """The study's own description of the behavior, else that of the built-in one."""
    for one in tables.manifest.get("settings", {}).get("behaviors", []):
        if isinstance(one, dict) and behavior in (one.get("name"), one.get("source")) and one.get("description"):
            return str(one["description"])
    return BUILT_INS[behavior].description if behavior in BUILT_INS else ""


def _doses(tables: RunTables, model: str, behavior: str, how: SteeringSetting | None) -> list[dict[str, Any]]:
    """Nats of every measured cell, by the strength that a request gives each of its layers."""
    dose = tables.dose
    if dose is None:
        return []
    mine = dose[(dose["model"] == model) & (dose["behavior"] == behavior) & dose["kl"].notna()]
    if how is not None:
        mine = mine[mine["positions"] == how.positions]
    return [
        {
            "layers": _layers(row["layers"]),
            **_pushed(row, how, tables),
            "kl": max(0.0, float(row["kl"])),
        }
        for row in mine.to_dict("records")
    ]


def _pushed(row: dict[Any, Any], how: SteeringSetting | None, tables: RunTables) -> dict[str, Any]:
    """Scale and strength of each layer; strengths in nats were found as relative ones, of each layer already."""
    scale, strength = str(row["scale"]), float(row["strength"])
    if scale in PERCENTILE_OF.values():
        (layer,) = _layers(row["layers"])
        bound = tables.bound_at(str(row["model"]), str(row["behavior"]), layer, strength)
        if bound is not None:
            return {"scale": bound[0], "strength": bound[1]}
    if SCALES.get(scale).calibrated:
        return {"scale": "relative", "strength": math.copysign(abs(float(row["relative"])), strength)}
    each = strength if how is None else how.strength_of_each(strength, len(_layers(row["layers"])))
    return {"scale": scale, "strength": each}


def _coherence(
    results: Results, tables: RunTables, model: str, behavior: str, how: SteeringSetting | None
) -> list[dict[str, Any]]:
    """Up to which strength replies keep the run's least coherence, each way, where replies were written."""
    found = results.measures.get("replies")
    if found is None:
        return []
    usable: pd.DataFrame = found.usable
    mine = usable[(usable["model"] == model) & (usable["behavior"] == behavior)].drop_duplicates(
        ["layers", "direction"]
    )
    kept = []
    for row in mine.to_dict("records"):
        layers = _layers(row["layers"])
        ends = {name: _of_each(float(row[name]), row, tables, model, behavior, how) for name in ("usable", "largest")}
        if None not in ends.values():
            kept.append({"layers": layers, "direction": int(row["direction"]), "floor": float(row["floor"]), **ends})
    return kept


def _of_each(
    size: float, row: dict[Any, Any], tables: RunTables, model: str, behavior: str, how: SteeringSetting | None
) -> float | None:
    """A strength's size at each of its layers, as requests give it; None where it is not known in their unit."""
    layers = _layers(row["layers"])
    if str(row["scale"]) in PERCENTILE_OF.values():
        return None  # a bound is no size: more of it may push less
    if not SCALES.get(str(row["scale"])).calibrated:
        return size if how is None else how.strength_of_each(size, len(layers))
    if size == 0:
        return 0.0
    dose = tables.dose
    if dose is None:
        return None
    at = dose[(dose["model"] == model) & (dose["behavior"] == behavior) & (dose["layers"] == row["layers"])]
    at = at[(at["scale"] == row["scale"]) & (at["strength"] == size * row["direction"])]
    return None if at.empty else abs(float(at["relative"].iloc[0]))


def _layers(label: Any) -> list[int]:
    return [int(layer) for layer in str(label).split("+")]


def _plain(finding: Finding) -> dict[str, Any]:
    return {
        "measure": finding.measure,
        "kind": finding.kind,
        "use": finding.use,
        "decisive": finding.decisive,
        "text": finding.text,
    }


def _is_about(finding: Finding, model: str, behavior: str) -> bool:
    return not finding.subjects or any(
        one.behavior in ("", behavior) and one.model in ("", model) for one in finding.subjects
    )
