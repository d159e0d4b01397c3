"""A text that would take all memory is refused before any of it is taken."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from trimtab.data import Behavior, Pair, dataset
from trimtab.engines import Model
from trimtab.engines.transformers.packing import row_memory
from trimtab.errors import DataError
from trimtab.models import PromptError
from trimtab.vectors import extract

if TYPE_CHECKING:
    from trimtab.models import Backbone

HUGE = Pair("huge", "x" * (3 * row_memory.longest_row()), "good", "bad", origin="pairs.jsonl:7")


def test_a_huge_pair_is_refused_by_name_and_takes_no_memory(llama: Backbone) -> None:
    tracemalloc.start()
    with pytest.raises(PromptError, match=r"pair huge \(pairs\.jsonl:7\): .* tokens are more than") as caught:
        extract(Model(llama), Behavior("b", (*dataset("cheerful")[:4], HUGE)))
    assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    tracemalloc.stop()
    assert len(caught.value.problems) == 1


def test_a_huge_message_is_refused_wherever_it_is_said(llama: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(llama)
    vector = extract(model, dataset("cheerful")[:4])
    monkeypatch.setattr(row_memory, "longest_row", lambda: 30)
    message = "word " * 40
    with pytest.raises(DataError, match="more than this machine has memory for"):
        model.chat(message, max_new_tokens=2)
    with model.steer(vector, layer=1), pytest.raises(DataError, match="memory"):
        model.generate(["Hi", message], max_new_tokens=2)


def test_ordinary_texts_have_room() -> None:
    assert row_memory.longest_row() > 4096
    assert row_memory.too_long(4096) == ""
