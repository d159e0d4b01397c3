"""Tests that share an engine run in one process; with `--dist loadgroup` others run beside them."""

from __future__ import annotations

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Engines belong to a module, and where a module has several each is its `engines` parameter."""
    for item in items:
        which = getattr(item, "callspec", None)
        engine = which.params.get("engines", "") if which is not None else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.stem} {engine}"))
