"""Other libraries stay quiet while a verb runs: no bars, no notices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_SETTINGS = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DATASETS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}
"""Read by these libraries when they are imported, which is later; what a person has set stays."""


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Set what makes libraries quiet, as far as it is not set."""
    added = [name for name in _SETTINGS if name not in os.environ]
    os.environ.update({name: _SETTINGS[name] for name in added})
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
