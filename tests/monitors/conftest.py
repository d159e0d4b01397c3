"""A tiny model that chats, and a monitor of vowels."""

from __future__ import annotations

import pytest

from monitors.vowels import open_pairs
from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer
from trimtab.engines import Model
from trimtab.models import wrap
from trimtab.monitors import Monitor, fit_monitor


@pytest.fixture(scope="session")
def chatty() -> Model:
    return Model(wrap(tiny_model("llama"), tiny_tokenizer(CHAT_TEMPLATE), name="tiny-chat"))


@pytest.fixture(scope="session")
def monitor(chatty: Model) -> Monitor:
    train, select, _ = open_pairs(48).split(seed=0)
    return fit_monitor(chatty, train, select)
