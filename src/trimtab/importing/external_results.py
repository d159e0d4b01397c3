"""Imports the results of another program into a run folder, so that everything that follows a sweep works on them."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from trimtab._util.atomic_files import whole_folder
from trimtab.errors import RunError, SettingError, TrimtabWarning
from trimtab.importing import _external_rates, _external_samples
from trimtab.importing._external_conditions import items_of
from trimtab.importing._external_rates import rates_of
from trimtab.importing._external_samples import finished, plain_samples, samples_of
from trimtab.importing._external_scores import Values
from trimtab.importing._external_table import ExternalTable, parse_map
from trimtab.inputs.secrets import command_line
from trimtab.steering import check_strength
from trimtab.store.cached_tables import TableName
from trimtab.store.manifest import BehaviorEntry, CachedTableEntry, Facts, Manifest, ModelEntry, Source, WarningEntry
from trimtab.store.model_facts import NamedModel, read_models
from trimtab.store.run_folder import RunFolder

__all__ = ["ExternalResults", "Imported", "Values", "import_results"]


@dataclass(frozen=True)
class ExternalResults:
    """The files to import, and the meaning of their columns."""

    results: Path
    """Scores: a row for each prompt and cell."""
    mapping: Sequence[str] = ()
    """`target=column`, separated by commas."""
    labels: Sequence[str] = ()
    """`label=letter`, for labels that have no column of their own."""
    constants: Mapping[str, Any] = field(default_factory=dict)
    """Values of targets that have no column."""
    models: Path | None = None
    rates: Path | None = None
    """Rates of answers in generated text: a row for each cell, or for each layer."""
    rates_mapping: Sequence[str] = ()
    rates_strength: float = 1.0
    """α of the side-by-side columns rate_minus, rate_zero and rate_plus."""
    values: Values | None = None
    """What the two columns of a score hold: logits (or log-probabilities), or probabilities. None: logits, refused
    where they look like probabilities."""
    plain: str | None = None
    """The condition without a prompt, whose rows become samples; None: the one called `none`."""


@dataclass(frozen=True)
class Imported:
    """A run folder made from external results."""

    path: Path
    samples: pd.DataFrame
    rates: pd.DataFrame | None
    items: pd.DataFrame | None = None
    """All conditions and the probabilities; None where the table has neither."""


def import_results(external: ExternalResults, out: Path) -> Imported:
    """Import external results into a new run folder, completely or, on an error, not at all.

    Args:
        external: The files and the meaning of their columns.
        out: The run folder.

    Raises:
        RunError: When the folder exists and is not empty.
        DataError: With the problems of a table, as `file:row`.
        SettingError: For an invalid mapping or file of models.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out}: exists; name a new folder with -o")
    if not external.rates_strength > 0:
        raise SettingError(f"--rates-strength {external.rates_strength:g}: give the strength of the + side, above 0")
    check_strength(external.rates_strength)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", TrimtabWarning)
        rows, rates, models = _read(external)
        items = items_of(rows)
    messages = list(dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, TrimtabWarning)))
    for text in messages:
        warnings.warn(text, TrimtabWarning, stacklevel=2)
    samples = plain_samples(rows)
    manifest = _manifest(external, out, rows, models, messages)
    _write(out, samples, rates, _by_table(items), manifest)
    return Imported(out, samples, rates, items)


def _read(external: ExternalResults) -> tuple[pd.DataFrame, pd.DataFrame | None, dict[str, NamedModel]]:
    models = read_models(external.models) if external.models else {}
    n_layers = {name: model.layers for name, model in models.items()}
    mapping = parse_map(external.mapping, _external_samples.TARGETS, "--map")
    labels = parse_map(external.labels, None, "--labels")
    table = ExternalTable(external.results, mapping, external.constants, "--map")
    samples = samples_of(table, labels, n_layers, external.values, external.plain)
    table.raise_if_any()
    samples = finished(samples)
    unknown = sorted(set(models) - set(samples["model"]))
    if unknown:
        _warn(f"{external.models} describes {', '.join(unknown)}, without results in {external.results}")
    if external.rates is None:
        return samples, None, models
    counts = _layer_counts(samples, models)
    shared = {name: value for name, value in external.constants.items() if name in ("model", "behavior")}
    rates_mapping = parse_map(external.rates_mapping, _external_rates.TARGETS, "--rates-map")
    rates_table = ExternalTable(external.rates, rates_mapping, shared, "--rates-map")
    rates = rates_of(rates_table, external.rates_strength, counts)
    rates_table.raise_if_any()
    stray = sorted(set(rates["model"]) - set(samples["model"])) + sorted(
        set(rates["behavior"]) - set(samples["behavior"])
    )
    if stray:
        _warn(f"{external.rates} has rates of {', '.join(stray)}, without scores in {external.results}")
    return samples, rates, models


def _layer_counts(samples: pd.DataFrame, models: Mapping[str, NamedModel]) -> dict[str, int]:
    seen = samples.groupby("model")["layer"].max() + 1
    return {str(name): int(count) for name, count in seen.items()} | {n: m.layers for n, m in models.items()}


def _manifest(
    external: ExternalResults,
    out: Path,
    samples: pd.DataFrame,
    models: Mapping[str, NamedModel],
    messages: Sequence[str],
) -> Manifest:
    """Make the manifest: like that of a study, with the files that were read and how."""
    paths = [path for path in (external.results, external.rates, external.models) if path is not None]
    settings: dict[str, Any] = {
        "map": parse_map(external.mapping, None, "--map"),
        "labels": parse_map(external.labels, None, "--labels"),
        "constants": dict(external.constants),
    }
    stated = {"values": external.values, "plain": external.plain}
    settings |= {name: value for name, value in stated.items() if value is not None}
    if external.rates is not None:
        settings |= {
            "rates_map": parse_map(external.rates_mapping, None, "--rates-map"),
            "rates_strength": external.rates_strength,
        }
    files = [{"file": path.name, "sha256": _sha256(path)} for path in paths]
    content = json.dumps([settings, files], sort_keys=True, default=str)
    return Manifest(
        name=out.resolve().name or "run",
        identity=hashlib.sha256(content.encode()).hexdigest()[:16],
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        command=command_line(),
        trimtab_version=version("trimtab"),
        settings=settings,
        sources=tuple(Source(**file) for file in files),
        models=tuple(_model_entry(str(name), samples, models) for name in samples["model"].unique()),
        behaviors=tuple(_behavior_entry(str(name), rows) for name, rows in samples.groupby("behavior", sort=False)),
        vectors=(),
        warnings=tuple(WarningEntry(text=text) for text in messages),
        status="finished",
    )


def _model_entry(name: str, samples: pd.DataFrame, models: Mapping[str, NamedModel]) -> ModelEntry:
    engines = ", ".join(samples["engine"][samples["model"] == name].unique())
    if name not in models:
        return ModelEntry(name=name, id=name, engine=engines, facts=Facts(), groups={})
    known = models[name]
    return ModelEntry(name=name, id=known.id or name, engine=engines, facts=Facts(**known.known()), groups=known.groups)


def _behavior_entry(name: str, rows: pd.DataFrame) -> BehaviorEntry:
    prompts = rows.groupby("split")["prompt_id"].nunique()
    return BehaviorEntry(
        name=name,
        is_choice=bool((rows["scoring"] == "choice").any()),
        n_select=int(prompts.get("select", 0)),
        n_test=int(prompts.get("test", 0)),
        scoring=", ".join(rows["scoring"].unique()),
    )


def _by_table(items: pd.DataFrame | None) -> dict[TableName, pd.DataFrame]:
    """Return the items as tables of a run, one for each model and behavior."""
    if items is None:
        return {}
    owners = items.groupby(["model", "behavior"], sort=False)
    return {
        TableName("imported", "items", str(model), str(behavior)): rows.reset_index(drop=True)
        for (model, behavior), rows in owners
    }


def _write(
    out: Path,
    samples: pd.DataFrame,
    rates: pd.DataFrame | None,
    items: Mapping[TableName, pd.DataFrame],
    manifest: Manifest,
) -> None:
    """Write the folder, whole or not at all."""
    # Where `out` is a link to an empty folder, the folder that it leads to is filled.
    with whole_folder(out.resolve()) as workplace:
        folder = RunFolder(workplace)
        for name in items:
            entry = CachedTableEntry(name=str(name), model=name.model, behavior=name.behavior, digest=manifest.identity)
            manifest = manifest.with_entry(entry)
        folder.write_manifest(manifest)
        folder.append(samples)
        for name, table in items.items():
            folder.write(str(name), table)
        if rates is not None:
            folder.write("rates", rates)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _warn(text: str) -> None:
    warnings.warn(text, TrimtabWarning, stacklevel=2)
