"""What a manifest says of one model: kept apart while models are worked on side by side, and put together again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.runs.names import safe_name

_BY_MODEL = {"models": "name", "vectors": "model", "judges": "model", "asked": "model"}
"""Lists of entries that are about one model each, and the key that names it."""


def share_of(manifest: Mapping[str, Any], model: str) -> dict[str, Any]:
    """A manifest for one model alone, to go on from; warnings are left where they were told."""
    return {
        "model": model,
        **{kind: [e for e in manifest[kind] if e[key] == model] for kind, key in _BY_MODEL.items()},
        "behaviors": list(manifest["behaviors"]),
        "judges_before": dict(manifest["judges_before"]),
        "chunks": {name: made for name, made in manifest.get("chunks", {}).items() if _is_about(name, model)},
        "seconds": {what: took for what, took in manifest["seconds"].items() if _took(what, model)},
        "warnings": [],
    }


def merged(manifest: Mapping[str, Any], share: Mapping[str, Any]) -> dict[str, Any]:
    """A run's manifest with what one model's own says in place of what it said of that model before.

    Merging twice is the same as merging once.
    """
    model = share["model"]
    whole = dict(manifest)
    for kind, key in _BY_MODEL.items():
        whole[kind] = [e for e in manifest[kind] if e[key] != model] + share[kind]
    known = {entry["name"] for entry in share["behaviors"]}
    whole["behaviors"] = [e for e in manifest["behaviors"] if e["name"] not in known] + share["behaviors"]
    whole["judges_before"] = manifest["judges_before"] | share["judges_before"]
    others = {name: made for name, made in manifest.get("chunks", {}).items() if not _is_about(name, model)}
    whole["chunks"] = others | share["chunks"]
    whole["seconds"] = manifest["seconds"] | share["seconds"]
    whole["warnings"] = list(dict.fromkeys([*manifest["warnings"], *share["warnings"]]))
    if share.get("vectors_given"):
        whole["vectors_given"] = True
    return whole


def _is_about(chunk: str, model: str) -> bool:
    """Whether a table of the checks, named as `chunk_name` does, is about a model."""
    return chunk.split("--")[1] == safe_name(model)


def _took(what: str, model: str) -> bool:
    """Whether this is what took time in a model."""
    return what == f"load {model}" or what.endswith(f", {model}")
