"""A study over several models on Ray: the rows of the plain run, whoever is killed meanwhile."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args
from unittest.mock import MagicMock

import pandas as pd
import pytest

if importlib.util.find_spec("ray") is None:
    pytest.skip("Ray is not installed: pip install 'trimtab[ray]'", allow_module_level=True)

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from study import slow_ray_worker
from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer
from trimtab.errors import RunError, SettingError, TrimtabWarning
from trimtab.store.table_folder import Kind
from trimtab.study import RunFolder, make_study, run_study
from trimtab.study.ray import _helpers, driver
from trimtab.study.ray._worker import Place
from trimtab.study.ray.cluster import Needs
from workers import TESTS, is_gone, parts, ray_with_slow_workers, worker_of

KEYS = ["model", "behavior", "split", "prompt_id", "order", "layers", "strength", "judge"]
A_TO_M = {"pattern": "[a-m]", "name": "a to m"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with tiny models: `one` and `other` of four layers, `short` of two."""
    place = tmp_path_factory.mktemp("models")
    for seed, (name, family, layers) in enumerate([("one", "llama", 4), ("other", "qwen3", 4), ("short", "llama", 2)]):
        tiny_model(family, seed, num_hidden_layers=layers).save_pretrained(place / name)
        tiny_tokenizer(CHAT_TEMPLATE).save_pretrained(place / name)
    return place


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with ray_with_slow_workers():
        yield


def study(models: Path, *names: str, **changes: Any) -> dict[str, Any]:
    """A bit of everything that a study can do."""
    return {
        "name": "side-by-side",
        "models": [{"id": str(models / name), "name": name, "dtype": "float32"} for name in names],
        "behaviors": [{"source": "corrigible", "limit": 16}, {"source": "cheerful", "limit": 16}],
        "layers": "1,2",
        "strengths": [-0.4, 0.4],
        "scale": "relative",
        "answers": {"prompts": 2, "max_new_tokens": 3},
        "replies": {"prompts": 3, "max_new_tokens": 4, "judges": ["classifier", A_TO_M]},
        "dose": True,
        "diagnosis": {"behaviors": ["cheerful"]},
        **changes,
    }


def rows(folder: Path) -> dict[str, pd.DataFrame]:
    """All tables of a run, without the order in which their rows came."""
    run = RunFolder(folder)
    tables = {kind: table for kind in get_args(Kind) if (table := run.parts(kind)) is not None}
    assert len(tables) == len(get_args(Kind)), "a table is missing"
    for kind, table in tables.items():
        keys = [name for name in KEYS if name in table]
        assert not table.duplicated(keys).any(), f"a row of {kind} is there twice"
        tables[kind] = table.sort_values(keys).reset_index(drop=True)
    return tables | {name: run.table(name) for name in (entry.name for entry in run.manifest().cached_tables)}


def same_rows(one: Path, other: Path) -> None:
    mine, plain = rows(one), rows(other)
    assert mine.keys() == plain.keys()
    for name, table in plain.items():
        pd.testing.assert_frame_equal(mine[name], table, check_exact=True, obj=name)


def same_run(one: Path, other: Path) -> None:
    same_rows(one, other)
    told = [RunFolder(folder).manifest() for folder in (one, other)]
    for key in ("status", "models", "vectors", "judges", "asked", "settings"):
        assert getattr(told[0], key) == getattr(told[1], key), key
    for key in ("warnings", "judge_definitions", "cached_tables"):
        one_list, other_list = (sorted(getattr(manifest, key), key=repr) for manifest in told)
        assert one_list == other_list, key
    steps = [{(t.step, t.model, t.behavior) for t in manifest.timings} for manifest in told]
    assert steps[0] == steps[1]
    assert not (one / "manifest.d").exists()


@pytest.fixture(scope="module")
def plain(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of both models, one after the other."""
    with pytest.MonkeyPatch.context() as patch:
        from trimtab.engines.transformers.packing import budget
        from trimtab.evaluation import answering
        from trimtab.store import part_writer

        patch.setattr(budget, "CPU_TOKENS", budget.CPU_TOKENS)
        patch.setattr(part_writer, "SECONDS_BETWEEN_PARTS", part_writer.SECONDS_BETWEEN_PARTS)
        patch.setattr(answering, "ROWS_PER_FRAME", answering.ROWS_PER_FRAME)
        slow_ray_worker.one_by_one()
        return run_study(make_study(study(models, "one", "other")), tmp_path_factory.mktemp("plain") / "run")


@pytest.mark.usefixtures("cluster")
def test_a_worker_killed_half_way_is_replaced_and_the_run_ends_with_the_rows_of_the_plain_one(
    models: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "Worker", slow_ray_worker.SlowWorker)
    folder, killed, said = tmp_path / "run", list[int](), list[tuple[str, int, int]]()

    def progress(what: str, done: int, total: int) -> None:
        said.append((what, done, total))
        pid = worker_of(folder, "one")
        if not killed and pid is not None and parts(folder, "one") >= 4:
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    with pytest.warns(TrimtabWarning, match="a judge declined: cheerful"):
        run_study(make_study(study(models, "one", "other")), folder, ray="local", progress=progress)
    assert len(killed) == 1
    assert ("starting one again, as its worker died", 1, 1) in said
    for model in ("one", "other"):
        assert any(what == f"sweep corrigible in {model}" and done == total for what, done, total in said)
        assert any(what == f"judge cheerful by a to m in {model}" for what, _, _ in said)
    same_run(folder, plain)


@pytest.mark.usefixtures("cluster")
def test_workers_share_the_sweeps_of_a_model_and_the_rows_are_those_of_one_process_whoever_dies(
    models: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "Worker", slow_ray_worker.SlowWorker)
    monkeypatch.setattr(_helpers, "Helper", slow_ray_worker.SlowHelper)
    folder, killed, messages = tmp_path / "run", list[str](), list[str]()
    wanted = make_study(study(models, "one", answers=None, replies=None, diagnosis=None, dose=False))

    def stop(what: str, done: int, total: int) -> None:
        """Kill the second worker, then stop the run while the first one does what it has left."""
        messages.append(what)
        if not killed and parts(folder, "one.worker2") >= 3:
            for line in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    if b"SlowHelper" in line.read_bytes():
                        killed.append(line.parent.name)
                        os.kill(int(line.parent.name), signal.SIGKILL)
        if "starting one.worker2 again" in messages:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(wanted, folder, ray="local", progress=stop, workers=2)
    assert len(killed) == 1
    assert any("one.worker2 has stopped; others do its" in message for message in messages)
    before = [parts(folder, name) for name in ("one", "one.worker2")]
    assert 0 < sum(before) < 64
    run_study(wanted, folder, ray="local", workers=2)
    after = [parts(folder, name) for name in ("one", "one.worker2")]
    assert all(more > fewer > 0 for more, fewer in zip(after, before, strict=True)), "both did some, both times"
    keys = [name for name in KEYS if name != "judge"]
    expected = RunFolder(plain).samples().query("model == 'one'")
    found = RunFolder(folder).samples()
    for table in (found, expected):
        assert not table.duplicated(keys).any()
    pd.testing.assert_frame_equal(
        *(table.sort_values(keys).reset_index(drop=True) for table in (found, expected)), check_exact=True
    )
    assert not (folder / "manifest.d").exists()
    assert RunFolder(folder).manifest().status == "finished"


class Death(Exception):
    """As Ray's when a worker's process is gone."""


class DoomedRay:
    """Ray as far as a worker is started and found dead."""

    def __init__(self) -> None:
        self.started = 0

    def remote(self, _: Any) -> Any:
        made = MagicMock()
        made.options.return_value.remote.return_value.work.remote.side_effect = self.start
        return made

    def start(self) -> int:
        self.started += 1
        return self.started

    def get(self, _: int) -> None:
        raise Death("killed")

    def kill(self, _: Any) -> None:
        """It is dead."""


def test_a_worker_that_takes_part_is_started_again_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_helpers.Helpers, "_give_back", lambda *_: True)
    ray, messages = DoomedRay(), list[str]()
    place = Place(tmp_path, tmp_path, "session")
    helpers = _helpers.Helpers(ray, tmp_path, place, lambda what, done, total: messages.append(what), (Death,))
    helpers.start(make_study(study(tmp_path, "one")).models[0], Needs(1, 0), 1)
    for _ in range(3):
        helpers.finish(next(iter(helpers.active)))
    with pytest.warns(TrimtabWarning, match=r"one.worker2 died 4 times and takes no further part .*\(killed\)"):
        helpers.finish(next(iter(helpers.active)))
    assert helpers.active == {}
    assert ray.started == 4
    assert messages == ["starting one.worker2 again"] * 3


@pytest.mark.usefixtures("cluster")
def test_what_stops_some_models_is_told_when_the_others_are_done(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "Worker", slow_ray_worker.DoomedWorker)
    monkeypatch.setattr(driver, "_MAX_FUTILE_STARTS", 1)
    settings = study(models, "other", "short", "one", answers=None, replies=None, diagnosis=None, dose=False)
    settings["models"][0]["name"] = "doomed"
    with pytest.raises(RunError) as caught:
        run_study(make_study(settings), tmp_path / "run", ray="local")
    told = sorted(str(caught.value).splitlines())
    assert told[0].startswith("doomed: its worker died 2 times in a row without making progress")
    assert re.match(r"short: layer 2 is out of range", told[1])
    found = RunFolder(tmp_path / "run")
    assert found.manifest().status == "running"
    assert set(found.samples()["model"]) == {"one"}


@pytest.mark.usefixtures("cluster")
def test_a_model_that_never_fits_is_refused_before_anything_is_computed(models: Path, tmp_path: Path) -> None:
    settings = study(models, "one", answers=None, replies=None, diagnosis=None)
    settings["models"][0]["resources"] = {"gpus": 8, "cpus": 3}
    with pytest.raises(SettingError, match="one: asks for 3 CPUs and 8 GPUs, and Ray has 2 CPUs and 0 GPUs here"):
        run_study(make_study(settings), tmp_path / "run", ray="local")


@pytest.mark.usefixtures("cluster")
def test_a_cluster_is_waited_for_until_a_large_enough_node_joins_and_one_is_told_what_for(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "NODE_TIMEOUT_SECONDS", 0.6)
    monkeypatch.setattr(driver, "REMINDER_SECONDS", 0.1)
    settings = study(models, "one", answers=None, replies=None, diagnosis=None, dose=False)
    settings["models"][0]["resources"] = {"cpus": 64}
    messages: list[str] = []

    def progress(what: str, done: int, total: int) -> None:
        messages.append(what)
        if messages.count("waiting for a node with 64 CPUs and 0 GPUs for one") == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(make_study(settings), tmp_path / "run", ray="auto", progress=progress)
    assert RunFolder(tmp_path / "run").manifest().status == "running"


# As the command line would run it, with slow workers.
COMMAND = """
import sys
from study import slow_ray_worker
from trimtab.cli.main import main
from trimtab.study.ray import driver
slow_ray_worker.PAUSE_SECONDS = 0.5
driver.Worker = slow_ray_worker.SlowWorker
sys.exit(main(sys.argv[1:]))
"""


def started(settings: dict[str, Any], folder: Path) -> subprocess.Popen[str]:
    file = folder.with_name("study.yaml")
    file.write_text(json.dumps(settings))
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "study", str(file), "-o", str(folder), "--ray"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(TESTS), "RAY_worker_niceness": "0"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_leaves_no_worker_behind_and_goes_on_without_ray(
    how: signal.Signals, models: Path, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    settings = study(models, "one", "other")
    process = started(settings, folder)
    while parts(folder, "one") < 2 or parts(folder, "other") < 2:
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.05)
    workers = [worker_of(folder, model) for model in ("one", "other")]
    # Ctrl-C reaches every process of the terminal; a kill only the one that is named.
    os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert all(pid is not None and is_gone(pid) for pid in workers)
    assert len(RunFolder(folder).manifest().models) == 2, "a run that was stopped can be read"
    if how == signal.SIGINT:
        assert process.returncode == 130, errors
        assert "the same command continues where it was" in errors
        assert "Traceback" not in errors
    from trimtab.engines.transformers.packing import budget
    from trimtab.evaluation import answering

    monkeypatch.setattr(budget, "CPU_TOKENS", 1)
    monkeypatch.setattr(answering, "ROWS_PER_FRAME", 5)
    run_study(make_study(settings | {"name": "study"}), folder)
    same_rows(folder, plain)
    assert not (folder / "manifest.d").exists()
