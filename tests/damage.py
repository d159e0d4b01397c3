"""Ways in which a run folder can be damaged or forged, drawn from a seed with its structure in mind."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trimtab.store._run_tables import _RUN, _TABLE

NUMBERS = (float("nan"), float("inf"), -float("inf"), 1e19, -1e300, -2, 0, 0.5, 10**12, 2**63 - 1)
JUNK: tuple[Any, ...] = (
    None, "", "text", "../../up", "\x00\x1b[2J", -1, 3, 0.5, 10**30, float("inf"), float("nan"), True, [], {}, [[]],
    [None], {"a": {"b": []}}, ["text"], [{"name": 3}],
)  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """One way to damage a run folder."""

    name: str
    apply: Callable[[Path], None]


def damages(folder: Path, count: int, seed: int) -> Iterator[Damage]:
    """Different damages to a run folder.

    Args:
        folder: the whole run, to see what is in it.
        count: how many.
        seed: of the draws.
    """
    rng = random.Random(seed)
    tables = sorted(str(p.relative_to(folder)) for p in folder.rglob("*.parquet"))
    kinds = {file.split("--")[0] if "--" in file else file.split("/")[0]: file for file in tables}
    parts = [name for name in ("samples", "diagnosis", "vectors") if (folder / name).exists()]
    content = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    paths = list(places(content))
    makers = [
        lambda: column_damage(rng, rng.choice(list(kinds.values())), folder),
        lambda: column_damage(rng, rng.choice(list(kinds.values())), folder),
        lambda: table_damage(rng, rng.choice(list(kinds.values())), folder, tables),
        lambda: bytes_damage(rng, rng.choice([*kinds.values(), "manifest.json"])),
        lambda: entry_damage(rng, paths),
        lambda: entry_damage(rng, paths),
        lambda: file_damage(rng, rng.choice([*kinds.values(), "manifest.json", *parts])),
    ]
    for number in range(count):
        damage = makers[number % len(makers)]()
        yield Damage(f"{number}: {damage.name}", damage.apply)


def column_damage(rng: random.Random, file: str, folder: Path) -> Damage:
    """A column gone, of another name, another type, nested, empty, or with values that cannot be."""
    name = rng.choice(pq.read_schema(folder / file).names)
    how, change = rng.choice(list(_COLUMNS.items()))
    value = rng.choice(NUMBERS)

    def apply(run: Path) -> None:
        table = pq.read_table(run / file)
        _write(change(table, name, value), run / file)

    return Damage(f"{how} {value if 'value' in how else ''} in {file}, {name}", apply)


def _replaced(table: pa.Table, name: str, values: Any, kind: Any = None) -> pa.Table:
    array = pa.array(values, kind) if kind is not None else pa.array(values)
    return table.set_column(table.column_names.index(name), name, array)


def _set_one(table: pa.Table, name: str, value: Any) -> pa.Table:
    values = table[name].to_pylist()
    if values:
        values[len(values) // 2] = str(value) if isinstance(values[0], str) else value
    try:
        return _replaced(table, name, values)
    except (pa.ArrowException, OverflowError):
        return _replaced(table, name, [str(v) for v in values])


_COLUMNS: dict[str, Callable[[pa.Table, str, Any], pa.Table]] = {
    "dropped": lambda t, n, v: t.drop_columns([n]),
    "renamed": lambda t, n, v: t.rename_columns([f"{c}_" if c == n else c for c in t.column_names]),
    "twice": lambda t, n, v: t.append_column(n, t[n]),
    "all empty": lambda t, n, v: _replaced(t, n, [None] * len(t)),
    "one empty": lambda t, n, v: _replaced(t, n, [None, *t[n].to_pylist()[1:]][: len(t)], t[n].type),
    "as text": lambda t, n, v: _replaced(t, n, [str(x) for x in t[n].to_pylist()], pa.string()),
    "as bytes": lambda t, n, v: _replaced(t, n, [str(x).encode() for x in t[n].to_pylist()], pa.binary()),
    "as lists": lambda t, n, v: _replaced(t, n, [[x] for x in t[n].to_pylist()], pa.list_(t[n].type)),
    "as structs": lambda t, n, v: _replaced(t, n, [{"a": x} for x in t[n].to_pylist()], pa.struct([("a", t[n].type)])),
    "as flags": lambda t, n, v: _replaced(t, n, [True] * len(t), pa.bool_()),
    "as times": lambda t, n, v: _replaced(t, n, [0] * len(t), pa.timestamp("us")),
    "as categories": lambda t, n, v: _replaced(t, n, t[n].combine_chunks().dictionary_encode()),
    "with the value": _set_one,
    "all the value": lambda t, n, v: _replaced(t, n, [float(v)] * len(t), pa.float64()),
}


def table_damage(rng: random.Random, file: str, folder: Path, tables: list[str]) -> Damage:
    """No rows, every row twice, another table, or one of another run."""
    other = rng.choice([t for t in tables if t.split("--")[0] != file.split("--")[0]])
    ways: dict[str, Callable[[Path], None]] = {
        "no rows": lambda run: _write(pq.read_table(run / file)[:0], run / file),
        "rows twice": lambda run: _write(pa.concat_tables([pq.read_table(run / file)] * 2), run / file),
        f"{other} in place": lambda run: _write(pq.read_table(run / other), run / file),
        "of another run": lambda run: _write(pq.read_table(run / file), run / file, {_RUN: b"another"}),
        "of another kind": lambda run: _write(pq.read_table(run / file), run / file, {_TABLE: b"another"}),
        "of another model": lambda run: _write(
            _replaced(table := pq.read_table(run / file), "model", ["another"] * len(table), pa.string()), run / file
        ),
        "no column": lambda run: _write(pa.table({}), run / file),
        "a copy beside": lambda run: _write(
            pq.read_table(run / file), (run / file).with_name(f"part-00009{Path(file).suffix}")
        ),
    }
    how = rng.choice(list(ways))
    return Damage(f"{how}: {file}", ways[how])


def bytes_damage(rng: random.Random, file: str) -> Damage:
    """Cut, empty, or with some bytes that are others."""
    how, where, bit = rng.choice(["cut", "flipped", "flipped", "flipped", "zeroed"]), rng.random(), rng.randrange(8)

    def apply(run: Path) -> None:
        raw = bytearray((run / file).read_bytes())
        place = int(where * len(raw))
        if how == "cut":
            raw = raw[:place]
        elif how == "flipped":
            raw[place] ^= 1 << bit
        else:
            raw[place : place + 64] = bytes(len(raw[place : place + 64]))
        (run / file).write_bytes(raw)

    return Damage(f"{how} at {where:.4f}, bit {bit}: {file}", apply)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to everything in a manifest."""
    if path:
        yield path
    if isinstance(content, dict):
        for key, value in content.items():
            yield from places(value, (*path, key))
    elif isinstance(content, list):
        for index, value in enumerate(content[:2]):
            yield from places(value, (*path, index))


def entry_damage(rng: random.Random, paths: list[tuple[Any, ...]]) -> Damage:
    """An entry of the manifest gone, or something else."""
    path = rng.choice([p for p in paths if len(p) <= 1 or rng.random() < 0.5] or paths)
    drop, junk = rng.random() < 0.4, rng.choice(JUNK)

    def apply(run: Path) -> None:
        file = run / "manifest.json"
        content = json.loads(file.read_text(encoding="utf-8"))
        holder = content
        for key in path[:-1]:
            holder = holder[key]
        if drop:
            del holder[path[-1]]
        else:
            holder[path[-1]] = copy.deepcopy(junk)
        file.write_text(json.dumps(content), encoding="utf-8")

    return Damage(f"manifest, {'.'.join(map(str, path))} {'dropped' if drop else f'= {junk!r}'}", apply)


def file_damage(rng: random.Random, name: str) -> Damage:
    """Gone, a folder, a pipe, a link, or text where something else belongs."""
    ways: dict[str, Callable[[Path], None]] = {
        "gone": lambda file: None,
        "a folder": lambda file: file.mkdir(),
        "a pipe": lambda file: os.mkfifo(file),
        "a link to nothing": lambda file: file.symlink_to(file.with_name("nothing")),
        "a link to elsewhere": lambda file: file.symlink_to(_elsewhere(file)),
        "text": lambda file: _text(file, "a,b\n1,2\n"),
        "nothing in it": lambda file: _text(file, ""),
        "deep JSON": lambda file: _text(file, "[" * 100_000),
        "not UTF-8": lambda file: file.write_bytes(b'{"name": "\xff"}'),  # type: ignore[dict-item, func-returns-value]
    }
    how = rng.choice(list(ways))

    def apply(run: Path) -> None:
        target = run / name
        target.rename(run.with_name("moved"))
        ways[how](target)

    return Damage(f"{name} is {how}", apply)


def _elsewhere(file: Path) -> Path:
    return next(p for p in file.parents if p.parent.name != "run" and (p / "moved").exists()) / "moved"


def _text(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def _write(table: pa.Table, file: Path, about: dict[bytes, bytes] | None = None) -> None:
    """Write a table with what was kept beside it, and something else."""
    kept = {k: v for k, v in (table.schema.metadata or {}).items() if k in (_TABLE, _RUN)}
    pq.write_table(table.replace_schema_metadata({**kept, **(about or {})}), file, write_page_checksum=True)
