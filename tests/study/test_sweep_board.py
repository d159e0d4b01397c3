"""The board of workers that share a sweep: every row is scored once, whoever dies between any two calls."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from trimtab.cli.main import main
from trimtab.errors import SettingError
from trimtab.study import make_study, run_study
from trimtab.study.ray._board import SharedSweeps, board_class
from trimtab.study.ray._worker import MAIN

ROWS = 24


class _Task:
    """As much of a task as the board's client looks at; without rows of prompts."""

    behavior = "b"
    rows = range(ROWS)
    keys = tuple(("test", str(index), 0) for index in range(ROWS))


def sweeps(board: Any, worker: str) -> SharedSweeps:
    return SharedSweeps(lambda name, *given: getattr(board, name)(*given), "m", worker)


@pytest.mark.parametrize("seed", range(20))
def test_every_row_is_written_once_whoever_dies(seed: int) -> None:
    draw, board, task = random.Random(seed), board_class()(), _Task()
    disk: list[int] = draw.sample(range(ROWS), 5)
    names = [MAIN, "two", "three"]
    main_claims = sweeps(board, MAIN).offer(task, set(disk))  # type: ignore[arg-type]
    claims = {MAIN: main_claims} | {name: sweeps(board, name).claims(task, set()) for name in names[1:]}  # type: ignore[arg-type]
    unwritten: dict[str, set[int]] = {name: set() for name in names}
    for _ in range(400):
        name, act = draw.choice(names), draw.random()
        if act < 0.6:  # batches of one worker need not be those of another
            before = set(claims[name].granted)
            claims[name].taken(draw.sample(range(ROWS), draw.randint(1, 5)))
            unwritten[name] |= claims[name].granted - before
        elif act < 0.85:
            disk += sorted(unwritten[name])
            claims[name].written(set(unwritten[name]))
            unwritten[name].clear()
        else:  # killed, perhaps between writing and saying so
            if draw.random() < 0.5:
                disk += sorted(unwritten[name])
            unwritten[name].clear()
            if name == MAIN:
                claims[name] = sweeps(board, MAIN).offer(task, set(disk))  # type: ignore[arg-type]
            else:
                board.release("m", name, {"b": set(disk)})
                claims[name] = sweeps(board, name).claims(task, set())  # type: ignore[arg-type]
    for name in names:
        disk += sorted(unwritten[name])
        claims[name].written(set(unwritten[name]))
    claims[MAIN].taken(range(ROWS))
    disk += sorted(claims[MAIN].granted - set(disk))
    claims[MAIN].written(set(disk))
    assert sorted(disk) == list(range(ROWS))
    assert sweeps(board, MAIN).wait(task, lambda done: None)  # type: ignore[arg-type]


def test_who_waits_learns_of_rows_that_were_given_back() -> None:
    board, task, counts = board_class()(), _Task(), list[int]()
    mine = sweeps(board, MAIN).offer(task, set(range(20)))  # type: ignore[arg-type]
    sweeps(board, "two").claims(task, set()).taken([20, 21])  # type: ignore[arg-type]
    assert not mine.taken(range(ROWS))
    assert mine.granted == {22, 23}
    mine.written({22, 23})
    assert board.next("m") is None
    assert board.release("m", "two", {"b": {20}}) == 1
    assert not sweeps(board, MAIN).wait(task, counts.append)  # type: ignore[arg-type]
    assert counts == [23]
    assert board.next("m")
    assert not mine.taken([20, 21])
    mine.written({21})
    sweeps(board, MAIN).close()
    assert board.next("m") is False
    assert board.next("other") is None


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ("m", {"workers": 2}, "on Ray: give --ray too"),
        ("m", {"workers": 0, "ray": "local"}, "workers is a number from 1 on"),
        ({"id": "m", "engine": "vllm"}, {"workers": 2, "ray": "local"}, "takes all requests of a sweep at once"),
        (
            {"id": "m", "engine": "vllm", "resources": {"workers": 2}},
            {"ray": "local"},
            r"give it `resources: \{workers: 1\}`",
        ),
    ],
)
def test_workers_that_cannot_be_are_refused_before_anything_is_read(
    model: Any, options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingError, match=words):
        run_study(make_study({"models": [model], "behaviors": ["no such file"]}), tmp_path / "run", **options)


def test_the_command_line_refuses_them_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("behaviors: [cheerful]\n")
    assert main(["study", "-q", "--workers", "2", str(file)]) == 2
    assert "give --ray too" in capsys.readouterr().err
