"""Results that another program measured, brought into a run folder, so that everything behind a sweep works on them."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from trimtab.errors import RunError, SettingError, TrimtabWarning
from trimtab.runs import foreign_rates, foreign_samples
from trimtab.runs.folder import RunFolder
from trimtab.runs.foreign_rates import rates_of
from trimtab.runs.foreign_samples import finished, samples_of
from trimtab.runs.foreign_table import ForeignTable, parse_map
from trimtab.runs.model_facts import NamedModel, read_models


@dataclass(frozen=True)
class Foreign:
    """What to import, and what its columns mean."""

    results: Path
    """Scores: a row for each prompt and cell."""
    mapping: Sequence[str] = ()
    """`target=column`, with commas between."""
    labels: Sequence[str] = ()
    """`label=letter` for answers that have no column of their own."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Values of targets that have no column."""
    models: Path | None = None
    rates: Path | None = None
    """Answers read from generated text: a row for each cell, or for each layer."""
    rates_mapping: Sequence[str] = ()
    rates_strength: float = 1.0
    """α of the side-by-side columns rate_minus, rate_zero and rate_plus."""


@dataclass(frozen=True)
class Imported:
    """A run folder made from foreign tables."""

    path: Path
    samples: pd.DataFrame
    rates: pd.DataFrame | None


def import_results(foreign: Foreign, out: Path) -> Imported:
    """Bring foreign results into a new run folder; all of them or, with an error, nothing.

    Raises:
        RunError: when the folder is there already and not empty.
        DataError: with what is wrong in a table, as `file:row`.
        SettingError: for a mapping or a file of models that cannot be.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out}: is there already; name a new folder with -o")
    if not foreign.rates_strength > 0:
        raise SettingError(f"--rates-strength {foreign.rates_strength:g}: give the strength above 0 of the + side")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TrimtabWarning)
        samples, rates, models = _read(foreign)
    told = list(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, TrimtabWarning)))
    for text in told:
        warnings.warn(text, TrimtabWarning, stacklevel=2)
    _write(out, samples, rates, _manifest(foreign, out, samples, models, told))
    return Imported(out, samples, rates)


def _read(foreign: Foreign) -> tuple[pd.DataFrame, pd.DataFrame | None, dict[str, NamedModel]]:
    models = read_models(foreign.models) if foreign.models else {}
    n_layers = {name: model.layers for name, model in models.items()}
    mapping = parse_map(foreign.mapping, foreign_samples.TARGETS, "--map")
    labels = parse_map(foreign.labels, None, "--labels")
    table = ForeignTable(foreign.results, mapping, foreign.constants, "--map")
    samples = samples_of(table, labels, n_layers)
    table.raise_if_any()
    samples = finished(samples)
    unknown = sorted(set(models) - set(samples["model"]))
    if unknown:
        _warn(f"{foreign.models} describes {', '.join(unknown)}, of which {foreign.results} holds no results")
    if foreign.rates is None:
        return samples, None, models
    counts = _layer_counts(samples, models)
    shared = {name: value for name, value in foreign.constants.items() if name in ("model", "behavior")}
    rates_mapping = parse_map(foreign.rates_mapping, foreign_rates.TARGETS, "--rates-map")
    rates_table = ForeignTable(foreign.rates, rates_mapping, shared, "--rates-map")
    rates = rates_of(rates_table, foreign.rates_strength, counts)
    rates_table.raise_if_any()
    stray = sorted(set(rates["model"]) - set(samples["model"])) + sorted(
        set(rates["behavior"]) - set(samples["behavior"])
    )
    if stray:
        _warn(f"{foreign.rates} has rates of {', '.join(stray)}, of which {foreign.results} holds no scores")
    return samples, rates, models


def _layer_counts(samples: pd.DataFrame, models: Mapping[str, NamedModel]) -> dict[str, int]:
    seen = samples.groupby("model")["layer"].max() + 1
    return {str(name): int(count) for name, count in seen.items()} | {n: m.layers for n, m in models.items()}


def _manifest(
    foreign: Foreign, out: Path, samples: pd.DataFrame, models: Mapping[str, NamedModel], told: Sequence[str]
) -> dict[str, Any]:
    """Like that of a study: what was read, and how."""
    sources = [path for path in (foreign.results, foreign.rates, foreign.models) if path is not None]
    settings: dict[str, Any] = {
        "map": parse_map(foreign.mapping, None, "--map"),
        "labels": parse_map(foreign.labels, None, "--labels"),
        "constants": dict(foreign.constants),
    }
    if foreign.rates is not None:
        settings |= {
            "rates_map": parse_map(foreign.rates_mapping, None, "--rates-map"),
            "rates_strength": foreign.rates_strength,
        }
    files = [{"file": path.name, "sha256": _sha256(path)} for path in sources]
    content = json.dumps([settings, files], sort_keys=True, default=str)
    return {
        "name": out.name,
        "identity": hashlib.sha256(content.encode()).hexdigest()[:16],
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": shlex.join(["trimtab", *sys.argv[1:]]),
        "trimtab_version": version("trimtab"),
        "settings": settings,
        "sources": files,
        "models": [_model_entry(str(name), samples, models) for name in samples["model"].unique()],
        "behaviors": [_behavior_entry(str(name), rows) for name, rows in samples.groupby("behavior", sort=False)],
        "vectors": [],
        "warnings": list(told),
        "status": "finished",
    }


def _model_entry(name: str, samples: pd.DataFrame, models: Mapping[str, NamedModel]) -> dict[str, Any]:
    engines = ", ".join(samples["engine"][samples["model"] == name].unique())
    if name not in models:
        return {"name": name, "id": name, "engine": engines, "facts": {}, "groups": {}}
    told = models[name]
    return {
        "name": name,
        "id": told.id or name,
        "engine": engines,
        "facts": told.known(),
        "groups": told.groups,
    }


def _behavior_entry(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    prompts = rows.groupby("split")["prompt_id"].nunique()
    return {
        "name": name,
        "is_choice": bool((rows["scoring"] == "choice").any()),
        "n_select": int(prompts.get("select", 0)),
        "n_test": int(prompts.get("test", 0)),
        "scoring": ", ".join(rows["scoring"].unique()),
    }


def _write(out: Path, samples: pd.DataFrame, rates: pd.DataFrame | None, manifest: Mapping[str, Any]) -> None:
    """The folder, whole or not at all."""
    workplace = out.with_name(f".importing-{out.name}-{os.getpid()}")
    try:
        (workplace / "samples").mkdir(parents=True)
        folder = RunFolder(workplace)
        folder.append(samples)
        if rates is not None:
            folder.write("rates", rates)
        folder.write_manifest(manifest)
        if out.is_dir():
            out.rmdir()  # empty, as was checked
        os.replace(workplace, out)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _warn(text: str) -> None:
    warnings.warn(text, TrimtabWarning, stacklevel=2)
