"""The run folder on disk: its manifest, tables with schemas, cached tables, and merging of shares."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["TABLE_SOURCES"]

TABLE_SOURCES: list[Callable[[], None]] = []
"""Called when a run folder names a table that is not registered: each registers the tables that it knows of. Layers
above the run folder append theirs."""
