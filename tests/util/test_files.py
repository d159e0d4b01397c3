"""Files are there whole or not at all, are written through no link, and every failure names the file."""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trimtab._util.atomic_files import (
    is_leftover,
    make_folder,
    open_inside,
    remove,
    remove_leftovers,
    whole_file,
    whole_folder,
    write_whole,
)
from trimtab.errors import DataError, RunError


def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "new" / "a.txt"
    write_whole(file, "one")
    os.chmod(file, 0o600)
    write_whole(file, b"two")
    assert file.read_bytes() == b"two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(file.parent) == ["a.txt"]


def test_a_new_file_is_as_readable_as_any_other(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    write_whole(tmp_path / "a", "x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_what_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    write_whole(file, "old")

    def write(failure: type[BaseException]) -> None:
        with whole_file(file) as opened:
            opened.write(b"new")
            raise failure

    for failure in (KeyboardInterrupt, ValueError):
        with pytest.raises(failure):
            write(failure)
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_the_temporary_name_cannot_be_foreseen(tmp_path: Path) -> None:
    names = set()
    for _ in range(3):
        with whole_file(tmp_path / "a.txt") as opened:
            opened.write(b"x")
            names |= {name for name in os.listdir(tmp_path) if is_leftover(name)}
    assert len(names) == 3


LINKS: dict[str, Callable[[Path, Path], None]] = {
    "the file": lambda run, outside: (run / "samples").mkdir() or (run / "samples" / "a").symlink_to(outside / "a"),  # type: ignore[func-returns-value]
    "its folder": lambda run, outside: (run / "samples").symlink_to(outside),
    "a file that is not there": lambda run, outside: (
        (run / "samples").mkdir()  # type: ignore[func-returns-value]
        or (run / "samples" / "a").symlink_to(outside / "new")
    ),
}


@pytest.mark.parametrize("link", LINKS)
def test_nothing_is_written_read_or_deleted_through_a_link(link: str, tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    outside.mkdir()
    (outside / "a").write_text("mine")
    LINKS[link](run, outside)
    file = run / "samples" / "a"
    with pytest.raises(RunError, match=r"samples.* is a link"):
        write_whole(file, "theirs", inside=run)
    with pytest.raises(RunError, match="is a link"):
        remove(file, inside=run)
    with pytest.raises(RunError, match="is a link"), open_inside(file, run):
        pass
    with pytest.raises(RunError, match="is a link"):
        make_folder(file, inside=run)
    assert (outside / "a").read_text() == "mine"
    assert os.listdir(outside) == ["a"]


def test_the_folder_as_a_whole_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "there")
    write_whole(tmp_path / "run" / "samples" / "a", "x", inside=tmp_path / "run")
    assert (tmp_path / "there" / "samples" / "a").read_text() == "x"


def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="leads out of"):
        write_whole(tmp_path / "run" / ".." / "a", "x", inside=tmp_path / "run")


@pytest.mark.parametrize("kind", ["a folder", "a named pipe", "a link"])
def test_only_files_are_replaced_and_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    {"a folder": path.mkdir, "a named pipe": lambda: os.mkfifo(path), "a link": lambda: path.symlink_to(tmp_path)}[
        kind
    ]()
    with pytest.raises(RunError, match=f"a: .*{kind}"):
        write_whole(path, "x")
    with pytest.raises(RunError, match=r"is (a link|not a file but)"), open_inside(path, tmp_path):
        pass


@pytest.mark.parametrize(
    "code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.ENAMETOOLONG, errno.EIO]
)
@pytest.mark.parametrize("where", ["open", "fsync", "replace"])
def test_whatever_fails_is_told_with_the_name_of_the_file(
    code: int, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, where, fail)
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "a"))) as raised:
        write_whole(tmp_path / "a", "x", error=DataError)
    assert os.strerror(code) in str(raised.value)
    assert not os.listdir(tmp_path)


def test_a_limit_on_the_size_of_files_is_told_with_the_name_of_the_file(tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    code = (
        "from pathlib import Path; import pandas as pd\n"
        "from trimtab.errors import TrimtabError\n"
        "from run_folders import samples, manifest\n"
        "from trimtab.study import RunFolder\n"
        "try: RunFolder(Path('run')).append(samples(*map(str, range(20_000))))\n"
        "except TrimtabError as error: print(error)\n"
    )
    paths = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    env = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=env,
        preexec_fn=limited, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "run/samples/part-00000.parquet: cannot write the table: File too large" in done.stdout
    assert "ulimit -f" in done.stdout
    assert not list((tmp_path / "run" / "samples").iterdir())


def test_a_kill_leaves_a_leftover_that_the_next_run_clears_away(tmp_path: Path) -> None:
    code = (
        "import os, signal; from pathlib import Path; from trimtab._util.atomic_files import whole_file\n"
        "with whole_file(Path('samples/a')) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = os.listdir(tmp_path / "samples")
    assert is_leftover(left)
    (tmp_path / "samples" / "part-00000.parquet").touch()
    remove_leftovers(tmp_path)
    assert os.listdir(tmp_path / "samples") == ["part-00000.parquet"]


def test_text_that_no_file_can_hold_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a: .*'\\ud800', half of a character"):
        write_whole(tmp_path / "a", "x\ud800", error=DataError)
    assert not os.listdir(tmp_path)


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def stop() -> None:
        with whole_folder(tmp_path / "run") as workplace:
            (workplace / "a").write_text("x")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        stop()
    assert not os.listdir(tmp_path)
    (tmp_path / "run").mkdir()
    with whole_folder(tmp_path / "run") as workplace:
        (workplace / "a").write_text("x")
    assert (tmp_path / "run" / "a").read_text() == "x"
    with pytest.raises(RunError, match="run: cannot write the folder"), whole_folder(tmp_path / "run"):
        pass
    assert os.listdir(tmp_path) == ["run"]
