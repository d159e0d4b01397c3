"""What run folders hold, in the least that is whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from report.checks import LAYERS, checked_run
from report.planted_baselines import planted_baselines
from spoken import spoken, spoken_manifest
from tiny import vector_for
from trimtab.analysis import EASY
from trimtab.models import Identity
from trimtab.report import RunTables
from trimtab.report.results import analysed
from trimtab.store.cached_tables import TableName
from trimtab.store.manifest import CachedTableEntry, Manifest
from trimtab.store.manifest._upgrade import upgraded
from trimtab.store.table_schemas import TABLES
from trimtab.study import RunFolder
from trimtab.study.recommending.recommendations import save_recommended
from trimtab.study.reporting import read_run


def manifest(**changes: Any) -> Manifest:
    """The manifest of a study in which nothing has been done yet."""
    return Manifest.model_validate(manifest_content(**changes))


def manifest_content(**changes: Any) -> dict[str, Any]:
    """The same, as its file holds it."""
    return {
        "schema_version": 2,
        "name": "run", "identity": "me", "created": "2026-01-31T10:20:30+00:00", "command": "trimtab study a.yaml",
        "trimtab_version": "0.1.0", "versions": {}, "models": [], "behaviors": [], "vectors": [], "judges": [],
        "judge_definitions": [], "asked": [], "warnings": [], "timings": [], "settings": {}, "folder": "/",
        "session": "s", "status": "running", **changes,
    }  # fmt: skip


def samples(*prompts: str, **columns: Any) -> pd.DataFrame:
    """Unsteered rows of these prompts."""
    row = {
        "model": "m", "behavior": "b", "engine": "transformers", "layer": -1, "layers": "", "depth": 0.0,
        "scale": "raw", "strength": 0.0, "positions": "all", "scoring": "choice", "split": "test",
        "prompt_id": list(prompts), "order": 0, "label": "A", "weight": 1.0, "score": 1.0, **columns,
    }  # fmt: skip
    return pd.DataFrame(row)


def finished_run(path: Path) -> RunFolder:
    """A finished run of one model and behavior that holds every kind of table; planted from a seed."""
    run = checked_run(sizes={"cheerful": 2.0})
    replies, judgements, dose = spoken(LAYERS, strengths=(-1.0, -0.5, 0.5, 1.0), prompts=6, finalists=((4, 0.5),))
    prompts = {split: [f"{split}-{n}" for n in range(6)] for split in ("select", "test")}
    folder = RunFolder(path)
    path.mkdir()
    (path / "vectors").mkdir()
    (path / "vectors" / "tiny-135M--cheerful.safetensors").write_bytes(b"not read for a report")
    entries = {"asked": [{"model": "tiny-135M", "behavior": "cheerful", **prompts}], **spoken_manifest()}
    content = {**upgraded(run.manifest), **entries, "identity": "me", "status": "finished"}
    folder.write_manifest(manifest(**content))
    half = len(run.samples) // 2
    for part in (run.samples[:half], run.samples[half:]):
        folder.append(part)
    for kind, table in (("replies", replies), ("judgements", judgements), ("dose", dose)):
        folder.append(table, kind)  # type: ignore[arg-type]
    folder.append(_answers(run.samples), "answers")
    written = folder.manifest()
    for kind, name, table in _tables(run):
        file = str(TableName(kind, name, "tiny-135M", "cheerful"))
        folder.write(file, table)
        entry = CachedTableEntry(name=file, model="tiny-135M", behavior="cheerful", digest="0123456789abcdef")
        written = written.with_entry(entry)
    folder.write_manifest(written)
    return folder


def judged_run(path: Path, backbone: Identity, layers: int) -> None:
    """A finished run of replies alone, from planted tables, with a vector of a tiny model."""
    folder = finished_run(path)
    settings = {
        "name": "run", "models": [{"id": "smollm2-135m", "name": "tiny-135M"}],
        "behaviors": [{"source": "cheerful"}], "strengths": [-1.0, 1.0],
        "replies": {"strengths": [-1.0, -0.5, 0.5, 1.0], "min_coherence": 6},
    }  # fmt: skip
    plain = folder.manifest().replace(cached_tables=(), settings=settings)
    folder.write_manifest(plain)  # other measures say nothing about the setting, and take long to analyse
    for name in ("answers", "baselines", "diagnosis", "projection", "robustness", "side_effects"):
        shutil.rmtree(path / name)
    vector_for(backbone, layers=layers).save(folder.vector_file("tiny-135M", "cheerful"))


def recommending_run(path: Path, backbone: Identity) -> None:
    """A finished run that recommends a setting, with a vector of a tiny model of 12 layers; its tables are planted."""
    judged_run(path, backbone, 12)
    tables = read_run(path)
    save_recommended(path, tables, analysed([tables]))


def _answers(samples: pd.DataFrame) -> pd.DataFrame:
    asked = samples[(samples["split"] == "test") & samples["prompt_id"].isin(["test-0", "test-1", "test-2"])]
    told = {"reply": "(A)", "finish": "stop", "read": "A", "why": "a letter", "matched": (asked["score"] > 0) * 1.0}
    return asked.drop(columns=["scoring", "score"]).assign(**told)


def _tables(run: RunTables) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Measure, table, rows; easy questions apart from the other behaviors, as a study stores them."""
    for name, table in run.tables.items():
        measure, _, what = name.partition("/")
        if what == "shifts":
            easy = table["measured"] == EASY
            couple = table["prompt_id"].str.removesuffix("0")
            yield measure, "easy", table[easy].assign(couple=couple)
            table = table[~easy]
        yield measure, what, table
    for name, table in planted_baselines().items():
        measure, _, what = name.partition("/")
        yield measure, what, table[list(TABLES.get(name).schema)]
    # Of two lists, which the pairs of this run are not.
    features = {"feature": ["length", "words"], "positive": [20.0, float("nan")], "negative": [10.0, float("nan")]}
    shares = {"auroc": [0.9, 0.6], "auroc_low": [0.8, 0.4], "auroc_high": [1.0, 0.7]}
    owner = {"model": "tiny-135M", "behavior": "cheerful"}
    yield "diagnosis", "surface", pd.DataFrame({**owner, **features, **shares})
