"""Keeping other libraries' progress bars and advice out of the user's terminal."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_WITH_BARS = ("transformers.modeling_gguf_pytorch_utils",)
"""Modules whose bars take no notice of transformers' switch."""
_HELPERS = ("accelerate", "bitsandbytes", "torchao", "peft")
"""Loggers of what transformers loads models with."""
_DATASETS = "HF_DATASETS_DISABLE_PROGRESS_BARS"


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Silence what transformers, its helpers and their bars say while a model is read; downloads keep their bars."""
    from transformers.utils import logging as hf_logging

    before, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    helpers = {logging.getLogger(name): logging.getLogger(name).level for name in _HELPERS}
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    for logger in helpers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in helpers.items():
            logger.setLevel(level)
        hf_logging.set_verbosity(before)
        if bars:
            hf_logging.enable_progress_bar()


@contextmanager
def without_reading_bars() -> Iterator[None]:
    """Silence the bars of transformers that do not ask its own switch, those of GGUF files."""
    silenced: list[tuple[Any, Any]] = []
    for name in _WITH_BARS:
        module: Any = importlib.import_module(name)
        if (bar := getattr(module, "tqdm", None)) is not None:
            silenced.append((module, bar))
            module.tqdm = functools.partial(bar, disable=True)
    try:
        yield
    finally:
        for module, bar in silenced:
            module.tqdm = bar


@contextmanager
def no_bars() -> Iterator[None]:
    """Silence the bars of downloads and datasets too: progress is shown in one way, or not at all."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    hub = are_progress_bars_disabled()
    before = os.environ.get(_DATASETS)
    os.environ[_DATASETS] = "1"  # read when `datasets` is imported, which may be later
    disable_progress_bars()
    if (datasets := sys.modules.get("datasets")) is not None:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        if not hub:
            enable_progress_bars()
        if before is None:
            del os.environ[_DATASETS]
        else:
            os.environ[_DATASETS] = before
