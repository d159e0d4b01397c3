"""A run folder that somebody sent: nothing in it makes the program write, read or delete anything elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from run_folders import manifest, manifest_content, samples
from trimtab.errors import RunError, TrimtabError
from trimtab.report._report_files import write_report_file
from trimtab.store.cached_tables import read_cached_tables
from trimtab.store.manifest import share_of
from trimtab.store.share_folder import ShareFolder
from trimtab.store.table_folder import Kind
from trimtab.store.table_schemas import WHOLE
from trimtab.study import RunFolder

MARK = "somebody's own"


def emptied(kind: str, folder: RunFolder) -> None:
    """Write a table of a check, without rows."""
    rows = samples().assign(**dict.fromkeys(WHOLE[kind], 0))
    folder.write(f"{kind}--m--b", rows[list(WHOLE[kind])])


def lock_and_close(share: ShareFolder) -> None:
    share.lock()
    share.close()


def parts(kind: Kind) -> Callable[[RunFolder], None]:
    def add(folder: RunFolder) -> None:
        folder.parts(kind)
        if kind == "samples":
            folder.append(samples("p9"))

    return add


def everything(folder: RunFolder) -> dict[str, Callable[[], object]]:
    """Whatever is done in a run folder."""
    share = ShareFolder(folder.path, "m")
    return {
        "open": lambda: RunFolder.open(folder.path, "me").close(),
        "manifest": folder.manifest,
        "write the manifest": lambda: folder.write_manifest(manifest()),
        "shares": folder.open_shares,
        "lock a share": partial(lock_and_close, share),
        "write a share": lambda: share.write_manifest(share_of(manifest(), "m")),
        "drop a share": share.drop,
        "close shares": folder.close_shares,
        **{f"parts of {kind}": partial(parts(kind), folder) for kind in get_args(Kind)},
        **{f"table {kind}": partial(emptied, kind, folder) for kind in WHOLE},
        **{f"read {kind}": partial(folder.table, f"{kind}--m--b") for kind in WHOLE},
        **{f"remove {kind}": partial(folder.remove, f"{kind}--m--b") for kind in WHOLE},
        "vectors": lambda: folder.vector_file("m", "b").write_text("vectors"),
        **{
            name: partial(write_report_file, folder.path / name, "report", folder.path)
            for name in ("report.html", "report.md", "cells.csv", "charts/a.svg", "tables/models.csv")
        },
    }


PLACES = [
    ".lock", "manifest.json", ".manifest.json", "manifest.d", "manifest.d/m.json", "manifest.d/.m.lock", "samples",
    "samples/part-00000.parquet", "samples/part-00001.parquet", "samples/.part-00001.parquet", "replies", "answers",
    "judgements", "dose", "diagnosis", "side_effects", "robustness", "diagnosis/flags--m--b.parquet", "rates.parquet",
    "vectors", "vectors/m--b.safetensors", "report.html", "report.md", "cells.csv", "charts", "charts/a.svg", "tables",
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("target", ["a file", "a folder", "nothing"])
def test_no_link_in_a_run_folder_leads_anything_out_of_it(place: str, target: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text(MARK)
    (outside / "folder").mkdir()
    for name in ("part-00000.parquet", "m--b.safetensors", "a.svg", "m.json"):
        (outside / "folder" / name).write_text(MARK)
    folder = RunFolder.open(tmp_path / "run", "me")
    folder.write_manifest(manifest())
    folder.append(samples("p0"))
    folder.close()
    link = folder.path / place
    link.parent.mkdir(exist_ok=True)
    if link.is_dir():
        shutil.rmtree(link)
    link.unlink(missing_ok=True)
    link.symlink_to(outside / {"a file": "file", "a folder": "folder", "nothing": "nothing"}[target])
    before = {p: p.read_text() if p.is_file() else None for p in outside.rglob("*")}
    for do in everything(folder).values():
        try:
            do()
        except TrimtabError:
            continue
    assert {p: p.read_text() if p.is_file() else None for p in outside.rglob("*")} == before


@pytest.mark.parametrize("place", ["samples", "samples/part-00000.parquet", "manifest.json", "vectors"])
def test_links_that_the_run_would_use_are_named(place: str, tmp_path: Path) -> None:
    folder = RunFolder.open(tmp_path / "run", "me")
    folder.write_manifest(manifest())
    folder.append(samples("p0"))
    folder.close()
    (folder.path / place).rename(tmp_path / "moved")
    (folder.path / place).symlink_to(tmp_path / "moved")
    again = RunFolder(folder.path)
    with pytest.raises(RunError, match=f"{place}: is a link"):
        again.vector_file("m", "b") if place == "vectors" else again.samples()


def test_a_run_folder_may_be_a_link_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "there")
    folder = RunFolder.open(tmp_path / "run", "me")
    folder.write_manifest(manifest())
    folder.append(samples("p0"))
    assert list(folder.samples()["prompt_id"]) == ["p0"]
    assert (tmp_path / "there" / "samples" / "part-00000.parquet").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "../../outside", "diagnosis/../../outside--m--b", "/etc/passwd", "diagnosis/flags", "x/flags--m--b",
        "diagnosis/x--m",
    ],
)  # fmt: skip
def test_no_table_named_in_a_manifest_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    table = {"name": name, "model": "m", "behavior": "b", "digest": "d"}
    folder.path.mkdir()
    (folder.path / "manifest.json").write_text(json.dumps(manifest_content(cached_tables=[table])))
    with pytest.raises(RunError, match=r"manifest.json: cached_tables"):
        read_cached_tables(folder, "diagnosis", "flags")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b'{"a": ' * 120 + b"1" + b"}" * 120, "deep"),
        (b'{"name": "\xff"}', "JSON"),
        (b'{"name": "\\ud800"}', "JSON"),
        (b'{"name": 1' + b"0" * 5000 + b"}", "JSON"),
        (b"[]", "valid dictionary"),
        (b'{"name": "a", "name": "b"}', "name"),
        (b'{"schema_version": 99}', "update trimtab"),
        (b'{"schema_version": "2"}', "schema_version"),
        (b"", "JSON"),
        (json.dumps(manifest_content(models=[{"id": "x"}])).encode(), "models.0.name is missing"),
        (json.dumps(manifest_content(timings=[{"step": "load", "seconds": "long"}])).encode(), "timings.0.seconds"),
        (json.dumps(manifest_content(status="done")).encode(), "status"),
        (json.dumps({k: v for k, v in manifest_content().items() if k != "asked"}).encode(), "asked missing"),
    ],
)
def test_manifests_that_are_none_are_refused_with_the_place(content: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(RunError, match=r"manifest.json: ") as raised:
        RunFolder(tmp_path).manifest()
    assert words in str(raised.value)


def test_a_manifest_that_is_no_file_or_too_large_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.json")
    with pytest.raises(RunError, match="not a file but a named pipe"):
        RunFolder(tmp_path).manifest()
    (tmp_path / "manifest.json").unlink()
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(RunError, match="larger than 64 MiB"):
        RunFolder(tmp_path).manifest()
