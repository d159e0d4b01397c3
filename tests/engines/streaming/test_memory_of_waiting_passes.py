"""Passes that wait for their layer: their states go to a file, or the job takes more streams, and no number changes."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from streams import is_left_alone, streamed
from sweeps import make_cells, swept
from tiny import random_pairs, tiny
from trimtab.engines import TransformersEngine
from trimtab.engines.transformers.packing.budget import Budget
from trimtab.engines.transformers.streaming._waiting_states import WaitingStates
from trimtab.engines.transformers.streaming.stream_groups import share_streams
from trimtab.engines.transformers.streaming.together import PassBytes
from trimtab.errors import ModelError
from trimtab.models import Backbone

BUDGET = Budget(tokens=1, ceiling=1 << 18, row_tokens=96, rows=64, cache_bytes=1 << 30, recurring=False)


def scores(backbone: Backbone, **limits: Any) -> Tensor:
    engine = TransformersEngine(backbone)
    engine.budget = replace(engine.budget, tokens=1, **limits)
    return swept(engine, random_pairs(), make_cells(backbone, "after_prompt"), "text")


def test_states_without_room_wait_in_a_file_and_come_back_bit_by_bit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    written: list[int] = []
    write = WaitingStates._write

    def counted(self: WaitingStates, storage: torch.UntypedStorage) -> tuple[int, int]:
        written.append(storage.nbytes())
        return write(self, storage)

    monkeypatch.setattr(WaitingStates, "_write", counted)
    backbone, weights = streamed("llama")
    expected = scores(tiny("llama"))
    assert torch.equal(scores(backbone), expected)
    assert not written
    before = weights.streams
    assert torch.equal(scores(backbone, waiting_bytes=20_000), expected)
    assert weights.streams == before + 1
    assert len(written) > 10
    assert not list(tmp_path.glob("trimtab*"))
    assert is_left_alone(backbone)


def test_a_job_without_room_on_the_disk_takes_more_streams() -> None:
    backbone, weights = streamed("llama")
    expected = scores(tiny("llama"))
    scores(backbone)
    before = weights.streams
    assert torch.equal(scores(backbone, waiting_bytes=60_000, file_bytes=40_000), expected)
    assert 2 <= weights.streams - before <= 5


def test_masks_and_results_have_to_fit_into_memory() -> None:
    passes = [PassBytes(0, 60), PassBytes(0, 30), PassBytes(0, 20)]
    cut = share_streams(passes, replace(BUDGET, held_bytes=100))
    assert cut.groups == (range(2), range(2, 3))
    assert "2 streams" in cut.reason


def test_states_may_fill_memory_and_file_and_no_more() -> None:
    passes = [PassBytes(70)] * 5
    budget = replace(BUDGET, waiting_bytes=100, file_bytes=120)
    cut = share_streams(passes, budget)
    assert cut.groups == (range(3), range(3, 5))
    assert cut.file_bytes == 110
    assert share_streams(passes, replace(budget, waiting_bytes=350)).groups == (range(5),)
    assert share_streams([PassBytes(1000)], budget).groups == (range(1),), "a pass that has no room is tried alone"
    assert share_streams([], budget).groups == ()


def test_a_region_of_the_file_is_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    states = WaitingStates(0)
    first, second = torch.arange(50.0), torch.arange(30.0)
    with states.open():
        for _ in range(3):
            with states.waiting(first), states.waiting(second):
                assert first.untyped_storage().nbytes() == 0
            assert torch.equal(first, torch.arange(50.0))
            assert torch.equal(second, torch.arange(30.0))
        assert states.file_bytes == 320


def test_a_full_disk_is_an_error_that_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def seek(self, where: int) -> None: ...

        def write(self, view: object) -> int:
            raise OSError(28, "No space left on device")

        def close(self) -> None: ...

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: Full())
    states, kept = WaitingStates(0), torch.arange(5.0)
    with states.open(), pytest.raises(ModelError, match="TMPDIR"), states.waiting(kept):
        pass
    assert torch.equal(kept, torch.arange(5.0))
