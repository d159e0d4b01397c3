"""Sources in a study file are looked for beside it, whatever they are made of."""

from __future__ import annotations

from pathlib import Path

from trimtab.study._file_locations import located


def test_files_are_found_in_the_folder_of_the_study(tmp_path: Path) -> None:
    for name in ("good.txt", "bad.txt", "cats vs dogs.jsonl", "table.parquet"):
        (tmp_path / name).write_text("x")
    assert located("good.txt", tmp_path) == f"{tmp_path}/good.txt"
    assert located("good.txt vs bad.txt", tmp_path) == f"{tmp_path}/good.txt vs {tmp_path}/bad.txt"
    assert located("cats vs dogs.jsonl", tmp_path) == f"{tmp_path}/cats vs dogs.jsonl"
    assert located("table.parquet#3", tmp_path) == f"{tmp_path}/table.parquet#3"
    for name in ("cheerful", "hub:a/b#train", "elsewhere.jsonl", "no.txt vs none.txt"):
        assert located(name, tmp_path) == name
