"""Manifests of schema 1 as those of the present schema, so that run folders of earlier versions open.

Schema 1 named the owner of a timing, a cached table and a former judge in the text of a key. The names of the models
and behaviors that the manifest lists say how such a text must be divided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab.store._file_names import safe_name
from trimtab.store.manifest.manifest import SCHEMA_VERSION

_STEPS = ("extract", "sweep", "ask", "reply", "judge", "diagnose", "side effects", "robustness")
"""Steps that were timed for one model and behavior, as `sweep cheerful, smollm2-135m`."""
_JUDGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "classifier": (),
    "pattern": (),
    "model": ("base_url", "price", "timeout_seconds", "attempts", "max_connections"),
}
"""The kinds of judge of schema 1, by the key that names them, with the keys that only they have."""


def upgraded(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a manifest of schema 1 in the present schema.

    What cannot be understood stays as it is, for validation to name.

    Raises:
        ValueError: When an owner cannot be found.
    """
    models, behaviors = _names(content, "models"), _names(content, "behaviors")
    if "model" in content:  # a share, whose model may not be listed yet
        models = [str(content["model"]), *models]
    new = {key: value for key, value in content.items() if key not in ("seconds", "chunks", "judges_before")}
    if "settings" in content:
        new["settings"] = _settings(content["settings"])
    if isinstance(warnings := content.get("warnings"), list):
        new["warnings"] = [{"text": text} for text in warnings]
    if "seconds" in content:
        new["timings"] = _entries(content["seconds"], lambda key, value: _timing(key, value, models, behaviors))
    if "chunks" in content:
        new["cached_tables"] = _entries(content["chunks"], lambda key, value: _table(key, value, models, behaviors))
    if "judges_before" in content:
        found = _entries(content["judges_before"], lambda key, value: _judge(key, value, models, behaviors))
        if "model" in content and isinstance(found, list):
            # A share listed the judges of all models; those of the others are in the manifest of the run.
            found = [judge for judge in found if judge is not None and judge["model"] == content["model"]]
        elif isinstance(found, list) and None in found:
            raise ValueError("judges_before: names a judge of no model and behavior of this run")
        new["judge_definitions"] = found
    return new | {"schema_version": SCHEMA_VERSION}


def _settings(settings: Any) -> Any:
    """The settings of the study; in schema 1 replies had a `floor`, now `min_coherence`, and judges all keys."""
    replies = settings.get("replies") if isinstance(settings, dict) else None
    if not isinstance(replies, dict):
        return settings
    renamed = {"min_coherence" if key == "floor" else key: value for key, value in replies.items()}
    if isinstance(judges := renamed.get("judges"), list):
        renamed["judges"] = [_judge_settings(judge) for judge in judges]
    return {**settings, "replies": renamed}


def _judge_settings(judge: Any) -> Any:
    """The settings of a judge with the keys of its kind only; schema 1 stored those of all kinds with each."""
    kind = next((kind for kind in _JUDGE_KEYS if judge.get(kind)), None) if isinstance(judge, dict) else None
    if kind is None:
        return judge
    return {key: value for key, value in judge.items() if key in (kind, "name", "behaviors", *_JUDGE_KEYS[kind])}


def _names(content: Mapping[str, Any], key: str) -> list[str]:
    entries = content.get(key)
    names = [entry.get("name") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    # The longest first: of two names that a text ends in, the shorter is the end of the longer.
    return sorted((name for name in names if isinstance(name, str)), key=len, reverse=True)


def _entries(mapping: Any, made: Any) -> Any:
    return [made(key, value) for key, value in mapping.items()] if isinstance(mapping, dict) else mapping


def _timing(label: str, seconds: Any, models: Sequence[str], behaviors: Sequence[str]) -> dict[str, Any]:
    if (model := label.removeprefix("load ")) in models:
        return {"step": "load", "model": model, "behavior": "", "seconds": seconds}
    found = [
        {"step": step, "model": model, "behavior": behavior, "seconds": seconds}
        for model in models
        for behavior in behaviors
        for step in _STEPS
        if label == f"{step} {behavior}, {model}"
    ]
    return found[0] if found else {"step": label, "seconds": seconds}


def _table(name: str, digest: Any, models: Sequence[str], behaviors: Sequence[str]) -> dict[str, Any]:
    parts = [*name.split("--"), "", ""][1:3]
    model = next((model for model in models if safe_name(model) == parts[0]), "")
    behavior = next((behavior for behavior in behaviors if safe_name(behavior) == parts[1]), "")
    return {"name": name, "model": model, "behavior": behavior, "digest": digest}


def _judge(key: str, definition: Any, models: Sequence[str], behaviors: Sequence[str]) -> dict[str, Any] | None:
    for model in models:
        for behavior in behaviors:
            if key.startswith(f"{model}/{behavior}/"):
                name = key.removeprefix(f"{model}/{behavior}/")
                return {"model": model, "behavior": behavior, "name": name, "definition": definition}
    return None
