"""Damaged and forged run folders: each ends in an error for people, or in the right result."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pandas as pd
import pytest

from damage import damages
from run_folders import finished_run
from trimtab.errors import TrimtabError
from trimtab.report import RunTables
from trimtab.report.results import analysed
from trimtab.report.write import assembled
from trimtab.study.reporting import read_run

FAST, SLOW = 140, 1400


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunTables]:
    """A finished run, and what a report reads of it."""
    folder = finished_run(tmp_path_factory.mktemp("whole") / "run")
    return folder.path, read_run(folder.path)


def tables(run: RunTables) -> dict[str, pd.DataFrame | None]:
    return {
        "samples": run.samples, "rates": run.rates, "replies": run.replies, "judgements": run.judgements,
        "dose": run.dose, **run.tables,
    }  # fmt: skip


def same(one: RunTables, other: RunTables) -> bool:
    """Whether a report of one would say what a report of the other says."""
    mine, yours = tables(one), tables(other)
    if one.manifest != other.manifest or mine.keys() != yours.keys():
        return False
    for name, table in mine.items():
        its = yours[name]
        if table is None or its is None:
            if table is not its:
                return False
        elif not table.equals(its):
            return False
    return True


def read_damaged(whole: tuple[Path, RunTables], tmp_path: Path, count: int, seed: int) -> dict[str, RunTables]:
    """What is read of folders that were damaged and are not refused; fails for what is neither."""
    path, right = whole
    others: dict[str, RunTables] = {}
    refused = 0
    faults = []
    for damage in damages(path, count, seed):
        copy = tmp_path / "copy" / "run"
        shutil.copytree(path, copy)
        damage.apply(copy)
        before = sorted(p.name for p in tmp_path.iterdir())
        started = time.process_time()
        try:
            found = read_run(copy)
            if not same(found, right):
                others[damage.name] = found
        except TrimtabError as error:
            refused += 1
            if not str(error).strip():
                faults.append(f"{damage.name}: says nothing")
        except Exception as error:
            faults.append(f"{damage.name}: {type(error).__name__}: {str(error)[:200]}")
        if time.process_time() - started > 5:
            faults.append(f"{damage.name}: took {time.process_time() - started:.0f} s")
        assert sorted(p.name for p in tmp_path.iterdir()) == before
        shutil.rmtree(tmp_path / "copy")
    assert not faults, "\n".join(faults)
    assert refused > count / 3, "most damages are found"
    return others


def test_a_damaged_run_folder_is_refused_or_read_right(whole: tuple[Path, RunTables], tmp_path: Path) -> None:
    others = read_damaged(whole, tmp_path, FAST, seed=1)
    # What is neither refused nor as before is another run that could have been: values within their range.
    assert len(others) < FAST / 3


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [2, 3])
def test_what_is_read_of_a_damaged_run_folder_can_be_reported(
    whole: tuple[Path, RunTables], tmp_path: Path, seed: int
) -> None:
    faults = []
    for name, run in read_damaged(whole, tmp_path, SLOW // 2, seed).items():
        try:
            assembled([run], analysed([run]))
        except TrimtabError:
            continue
        except Exception as error:
            faults.append(f"{name}: {type(error).__name__}: {str(error)[:200]}")
    assert not faults, "\n".join(faults)
