"""What people receive and bring: settings, shared folders, files of pairs in every shape, results, models."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from mutations import mutated_bytes, mutated_tree

from gguf_files import tensors, write_gguf
from trimtab.data import check, contrast
from trimtab.importing.external_results import ExternalResults, import_results
from trimtab.llm.cache import CompletionCache
from trimtab.models.gguf.header import check_gguf
from trimtab.models.kinds.adapters import find_adapter
from trimtab.sharing import receive_vector
from trimtab.study.recommending.recommended_file import LAYOUT, RECOMMENDED, read_recommended
from vector_files import shared_folder

_PUSHED: dict[str, Any] = {
    "vector": "vectors/kind.safetensors", "layers": [2, 3], "strength": 0.4, "scale": "relative",
    "positions": "after_prompt", "first_token": False, "share_strength": True, "vector_layer": None,
    "when": {"monitor": "monitor.safetensors", "above": 0.8, "reads": "last"},
}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "format": LAYOUT, "tables": "0123", "none_shown": [{"behavior": "sad", "model": "m", "statement": "No."}],
    "settings": [{
        "behavior": "kind", "model": "tiny", "load": {"id": "m", "dtype": "float32"}, **_PUSHED, "warnings": ["w"],
        "measured": {
            "at": _PUSHED, "chosen_by": "scores", "judge": "", "prompts": 12, "held_out": True, "statement": "Yes.",
            "effect": {"measure": "score", "unit": "nats", "change": 1.5, "low": 1.0, "high": None},
            "quality": {"coherence": 8.5},
        },
    }],
}  # fmt: skip
_CHAT = [{"role": "user", "content": "Hi"}]
CONTRASTS: tuple[list[dict[str, Any]], ...] = (
    [{"prompt": "How are you?", "chosen": "Splendid!", "rejected": "Meh.", "margin": 0.5}] * 2,
    [{"positive_prompt": [{"role": "system", "content": "Joy."}, *_CHAT], "negative_prompt": "Hi", "meta": {"m": 1}}],
    [{"side": "positive", "prompt": "A party?"}, {"side": "negative", "prompt": _CHAT}],
    [{"chosen": "\n\nHuman: Hi\n\nAssistant: Yes!", "rejected": "\n\nHuman: Hi\n\nAssistant: No."}],
    [{"question": "Who?", "choices": ["a", "b", "c"], "answer": 1},
     {"question": "Where?", "choices": ["d", "e"], "answer": 0}],
    [{"messages": _CHAT, "positive": "Yes", "negative": "No"}],
)  # fmt: skip
RESULTS = [
    {"model": "m", "behavior": "b", "layer": layer, "strength": s, "prompt_id": f"p{p}", "score": s * 2 + p}
    for layer in (3, 5) for s in (-1, 0, 1) for p in range(2)
]  # fmt: skip
ADAPTER = {
    "peft_type": "LORA",
    "base_model_name_or_path": "gpt2",
    "r": 4,
    "lora_alpha": 8,
    "target_modules": ["c_attn"],
}


def _written(path: Path, text: str, source: random.Random, share: float = 0.3) -> Path:
    content = text.encode("utf-8", "surrogatepass")
    path.write_bytes(mutated_bytes(content, source) if source.random() < share else content)
    return path


def _recommended(folder: Path, source: random.Random) -> None:
    tree = mutated_tree(SETTINGS, source) if source.random() < 0.8 else SETTINGS
    try:
        text = yaml.safe_dump(tree, allow_unicode=True)
    except (RecursionError, yaml.YAMLError):
        text = json.dumps(tree)
    read_recommended(_written(folder / RECOMMENDED, text, source))


def _shared_folder(folder: Path, source: random.Random) -> None:
    place = shared_folder(folder)
    said = json.loads((place / "steering.json").read_text(encoding="utf-8"))
    vectors = place / "vectors.safetensors"
    if source.random() < 0.3:  # damage that its own hash does not tell
        vectors.write_bytes(mutated_bytes(vectors.read_bytes(), source))
        content = vectors.read_bytes()
        said["files"][vectors.name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    tree = mutated_tree(said, source) if source.random() < 0.6 else said
    _written(place / "steering.json", json.dumps(tree), source, 0.2)
    receive_vector(place)


def _table(folder: Path, rows: list[Any], source: random.Random) -> Path | None:
    """Rows as a table of text or in Parquet; None where they are none any more."""
    try:
        table = pd.DataFrame(rows)
        if source.random() < 0.5:
            table.to_parquet(folder / "t.parquet")
            return folder / "t.parquet"
        table.to_csv(folder / "t.csv", index=False)
    except Exception:  # a table cannot hold whatever damage has made of its rows
        return None
    return folder / "t.csv"


def _pairs_file(folder: Path, source: random.Random) -> None:
    rows = mutated_tree(source.choice(CONTRASTS), source)
    kind = source.randrange(4)
    path = _table(folder, rows, source) if kind == 0 and isinstance(rows, list) else None
    if path is None:
        listed = rows if isinstance(rows, list) else [rows]
        text = json.dumps(rows) if kind == 1 else "".join(json.dumps(row) + "\n" for row in listed)
        if kind == 2:
            text = "\n".join(str(row)[:2000] for row in listed)
        path = _written(folder / ("p.json" if kind == 1 else "p.txt" if kind == 2 else "p.jsonl"), text, source)
    if source.random() < 0.3:
        path.write_bytes(mutated_bytes(path.read_bytes(), source))
    if source.random() < 0.2:
        path = folder / f"{path.name}.gz"
        path.write_bytes(mutated_bytes(gzip.compress((folder / path.stem).read_bytes()), source))
    check(path)
    contrast(path, skip_bad=source.random() < 0.5)


def _results(folder: Path, source: random.Random) -> None:
    rows = mutated_tree(RESULTS, source) if source.random() < 0.8 else RESULTS
    path = _table(folder, rows if isinstance(rows, list) else [rows], source) or folder / "t.csv"
    if not path.exists() or source.random() < 0.3:
        path.write_bytes(mutated_bytes(path.read_bytes() if path.exists() else b"a,b\n1,2\n", source))
    mapping = source.choice(((), (), ("score=score,layer=layer",), ("score=\x1b",), ("x",), ("score=layer",)))
    import_results(ExternalResults(path, mapping), folder / "run")


def _gguf(folder: Path, source: random.Random) -> None:
    path = write_gguf(folder / "m.gguf", tensors())
    content = path.read_bytes()
    head = 30_000  # what stands before the weights
    path.write_bytes(mutated_bytes(content[:head], source) + content[head:] if source.random() < 0.9 else content)
    check_gguf(path)


def _adapter(folder: Path, source: random.Random) -> None:
    tree = mutated_tree(ADAPTER, source) if source.random() < 0.8 else ADAPTER
    _written(folder / "adapter_config.json", json.dumps(tree), source)
    (folder / "adapter_model.safetensors").write_bytes(b"none are read")
    find_adapter(str(folder))


def _cache(folder: Path, source: random.Random) -> None:
    path = folder / "c.sqlite"
    cache = CompletionCache(path)
    cache.store("k", "text", 1, 2)
    cache.close()
    if source.random() < 0.3:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE judgements SET said = ?", (source.choice((b"\xff", 3, "x" * 10**6)),))
        connection.close()
    path.write_bytes(mutated_bytes(path.read_bytes(), source))
    found = CompletionCache(path).look_up(["k", "other"])
    assert all(isinstance(text, str) for text in found.values()), found


RECEIVED_TARGETS: dict[str, Callable[[Path, random.Random], Any]] = {
    "recommended settings": _recommended,
    "shared folder": _shared_folder,
    "pairs file": _pairs_file,
    "results": _results,
    "gguf": _gguf,
    "adapter": _adapter,
    "cache of replies": _cache,
}
