import errno
import os
import re
import sys
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq
import pytest

from run_folders import manifest, samples
from trimtab.errors import RunError
from trimtab.inputs.secrets import command_line
from trimtab.store._file_names import safe_name
from trimtab.store.run_folder import free_folder
from trimtab.study import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    opened = RunFolder.open(tmp_path / "run", "me")
    opened.write_manifest(manifest())
    return opened


def test_parts_are_added_and_never_rewritten(folder: RunFolder) -> None:
    folder.append(samples("p1"))
    first = (folder.path / "samples" / "part-00000.parquet").stat().st_mtime_ns
    folder.append(samples("p2", "p3"))
    assert list(folder.samples()["prompt_id"]) == ["p1", "p2", "p3"]
    assert (folder.path / "samples" / "part-00000.parquet").stat().st_mtime_ns == first
    assert folder.done("m", "b") == {("test", p, 0) for p in ("p1", "p2", "p3")}
    assert folder.done("m", "other") == set()


def test_a_full_disk_leaves_what_was_there_and_nothing_half_written(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.append(samples("p1"))

    def full(table: object, where: BinaryIO, **options: object) -> None:
        where.write(b"PAR1 half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(RunError, match=r"samples/part-00001.parquet: .*No space left"):
        folder.append(samples("p2"))
    monkeypatch.undo()
    assert list(folder.samples()["prompt_id"]) == ["p1"]
    assert [p.name for p in (folder.path / "samples").iterdir()] == ["part-00000.parquet"]


def test_the_same_run_goes_on_and_another_is_refused(folder: RunFolder) -> None:
    folder.close()
    RunFolder.open(folder.path, "me").close()
    with pytest.raises(RunError, match="other settings or pairs"):
        RunFolder.open(folder.path, "somebody else")


def test_a_changed_study_gets_a_folder_of_its_own(folder: RunFolder) -> None:
    assert free_folder(folder.path, "me") == folder.path
    assert free_folder(folder.path, "changed").name == "run-2"
    second = RunFolder.open(folder.path.with_name("run-2"), "changed")
    second.write_manifest(manifest(identity="changed"))
    assert free_folder(folder.path, "changed").name == "run-2"
    assert free_folder(folder.path, "changed again").name == "run-3"


def test_two_processes_do_not_work_on_one_run(folder: RunFolder) -> None:
    with pytest.raises(RunError, match="another process"):
        RunFolder.open(folder.path, "me")


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder.open(tmp_path, "me")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(RunError, match="is a file"):
        RunFolder.open(tmp_path / "thesis.txt", "me")


def test_a_run_killed_before_its_manifest_can_be_started_again(tmp_path: Path) -> None:
    RunFolder.open(tmp_path / "run", "me").close()
    (tmp_path / "run" / ".trimtab-0123456789abcdef.part").write_text('{"ide')
    RunFolder.open(tmp_path / "run", "me").close()
    assert not list((tmp_path / "run").glob("*.part"))


def test_damaged_files_are_named(folder: RunFolder) -> None:
    (folder.path / "samples" / "part-00000.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(RunError, match=r"part-00000.parquet: is damaged"):
        folder.samples()
    (folder.path / "manifest.json").write_text("{")
    with pytest.raises(RunError, match=r"manifest.json: cannot be read"):
        folder.manifest()


def test_an_empty_run_and_no_run_are_told_apart(folder: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no samples yet"):
        folder.samples()
    with pytest.raises(RunError, match="not a run folder"):
        RunFolder(tmp_path / "nowhere").manifest()


def test_a_command_with_names_that_are_no_text_can_be_kept(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["trimtab", "study", os.fsdecode(b"caf\xe9.yaml")])
    folder.write_manifest(manifest(command=command_line()))
    assert folder.manifest().command == "trimtab study 'caf?.yaml'"


def test_names_become_file_names() -> None:
    assert safe_name("smollm2-135m") == "smollm2-135m"
    assert re.fullmatch("Qwen_Qwen3-4B-[0-9a-f]{8}", safe_name("Qwen/Qwen3-4B"))
    assert re.fullmatch("etc_passwd-[0-9a-f]{8}", safe_name("../../etc/passwd"))
    assert re.fullmatch("unnamed-[0-9a-f]{8}", safe_name(""))


def test_names_that_look_alike_as_file_names_stay_apart() -> None:
    names = ["a b", "a/b", "a_b", "a--b", "a-b", "诚实", "谄媚", "", "unnamed"]
    assert len({safe_name(name) for name in names}) == len(names)
