"""What was run: models, behaviors, vectors, settings, versions and timings of the manifests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from trimtab.analysis.formatting import fixed
from trimtab.report.report_inputs import RunTables, gathered
from trimtab.report.tables import Column, Row, Table, count, number, table, word


def models_table(runs: Sequence[RunTables]) -> Table:
    """The models with their architecture facts; a model that several runs share appears once for each."""
    rows = [{**entry.get("facts", {}), **entry} for entry in gathered(runs, "models")]
    columns = [
        *_run_column(runs),
        word("name", "model"),
        word("id"),
        word("architecture"),
        count("layers", "layers"),
        count("width", "width"),
        Column("heads (key/value)", _heads),
        count("head_size", "head size"),
        number("gqa_ratio", "heads per key/value head", 0),
        Column("parameters", lambda row: _millions(row, "parameters")),
        Column("active", lambda row: _millions(row, "active_parameters")),
        Column("experts", _experts, number=False),
        Column("tied embeddings", lambda row: _yes(row.get("tied_embeddings")), number=False),
        count("context", "context"),
        word("dtype"),
        word("device"),
        word("engine"),
        word("fingerprint"),
    ]
    return table("Models", columns, rows)


def behaviors_table(runs: Sequence[RunTables]) -> Table:
    """The behaviors and how their examples were used."""
    rows = gathered(runs, "behaviors")
    left_out = [count("left_out", "lines left out")] if any(row.get("left_out") for row in rows) else []
    columns = [
        *_run_column(runs),
        word("name", "behavior"),
        word("description"),
        Column("examples", _examples, number=False),
        *left_out,
        count("n_train", "train"),
        count("n_select", "select"),
        count("n_test", "test"),
        word("scoring"),
        word("balance", "letters balanced by"),
        word("pairs_hash", "pairs hash"),
    ]
    return table("Behaviors", columns, rows)


def vectors_table(runs: Sequence[RunTables]) -> Table:
    """The vectors and what was measured on them."""
    columns = [
        *_run_column(runs),
        word("model"),
        word("behavior"),
        word("method"),
        word("token_position", "read at"),
        word("form"),
        count("pairs", "made of"),
        *([word("made_elsewhere", "made elsewhere by"), word("layer_map", "its layers")] if makers(runs) else []),
        Column("largest letter |cosine|", lambda row: _largest((row.get("letter") or {}).get("cosine"))),
        Column("largest letter share", lambda row: _largest((row.get("letter") or {}).get("share"))),
        Column("largest first-token norm ÷ others", lambda row: _largest(row.get("sink_ratio"), 1)),
    ]
    return table("Vectors", columns, gathered(runs, "vectors"))


def makers(runs: Sequence[RunTables]) -> list[str]:
    """What made the vectors that trimtab did not extract."""
    return sorted({str(row["made_elsewhere"]) for row in gathered(runs, "vectors") if row.get("made_elsewhere")})


def labelled_vectors(runs: Sequence[RunTables]) -> list[dict[str, Any]]:
    """The manifests' vectors for charts: each with its panel, and its method where there are several."""
    vectors = gathered(runs, "vectors")
    methods = len({vector.get("method") for vector in vectors}) > 1
    return [
        {
            **vector,
            "panel": f"{vector['model']} · {vector['run']}" if len(runs) > 1 else str(vector["model"]),
            "behavior": f"{vector['behavior']} ({vector['method']})" if methods else str(vector["behavior"]),
        }
        for vector in vectors
    ]


def facts(runs: Sequence[RunTables]) -> list[dict[str, Any]]:
    """Command and settings of each run as text, versions and timings as pairs of words."""
    return [
        {
            "name": run.name,
            "command": run.manifest.get("command") or "",
            "settings": _yaml(run.manifest.get("settings", {})),
            "versions": list(_versions(run.manifest).items()),
            "seconds": [(name, f"{fixed(float(value), 1)} s") for name, value in _timings(run.manifest)],
        }
        for run in runs
    ]


def _yaml(settings: Mapping[str, Any]) -> str:
    """Settings as a study file has them."""
    text: str = yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    return text if settings else ""


def _versions(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Each version once: a manifest names trimtab's own in two places, the second with those of its libraries."""
    return {"trimtab": str(manifest.get("trimtab_version", "")), **dict(flat(manifest.get("versions", {})))}


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Settings as dotted names and values: {"a": {"b": 1}} becomes ("a.b", "1")."""
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
            yield f"{prefix}{key}", text


def _timings(manifest: Mapping[str, Any]) -> list[tuple[str, Any]]:
    seconds = manifest.get("seconds", {})
    return [(str(name), value) for name, value in seconds.items() if isinstance(value, (int, float))]


def _run_column(runs: Sequence[RunTables]) -> list[Column]:
    return [word("run")] if len(runs) > 1 else []


def _heads(row: Row) -> str:
    heads, kv = row.get("heads"), row.get("kv_heads")
    return "–" if heads is None else f"{heads}" + (f" ({kv})" if kv is not None else "")


def _experts(row: Row) -> str:
    moe = row.get("moe")
    if isinstance(moe, Mapping):
        return ", ".join(f"{name} {value}" for name, value in flat(moe)) or "–"
    return "–" if moe is None else _yes(moe) if isinstance(moe, bool) else str(moe)


def _examples(row: Row) -> str:
    """What the examples of a behavior are."""
    pairs = "choice pairs" if row.get("is_choice") else "open pairs"
    return {"prompts": "pairs of prompts", "sets": "two lists"}.get(str(row.get("shape")), pairs)


def _yes(value: Any) -> str:
    return "–" if value is None else "yes" if value else "no"


def _millions(row: Row, name: str) -> str:
    value = row.get(name)
    if value is None:
        return "–"
    return f"{value / 1e9:.3g} B" if value >= 1e9 else f"{value / 1e6:.3g} M"


def _largest(values: Sequence[float | None] | None, decimals: int = 2) -> str:
    known = [abs(value) for value in values or [] if value is not None]
    return fixed(max(known), decimals) if known else "–"
