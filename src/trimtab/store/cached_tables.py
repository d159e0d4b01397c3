"""Cached tables: computed once, whole, and computed again only when something that shapes them has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from trimtab.errors import RunError
from trimtab.store._file_names import safe_name
from trimtab.store.manifest import CachedTableEntry
from trimtab.store.open_manifest import OpenManifest
from trimtab.store.run_folder import RunFolder


@dataclass(frozen=True)
class TableName:
    """The name of a table of one model and behavior."""

    measure: str
    """Its folder, such as `robustness`."""
    table: str
    """Such as `samples`."""
    model: str
    behavior: str
    details: tuple[str, ...] = ()
    """Further words that set it apart, such as a variant."""

    def __str__(self) -> str:
        """File below the run folder, without its suffix: `robustness/samples--model--behavior`."""
        words = (self.model, self.behavior, *self.details)
        return f"{self.measure}/" + "--".join([self.table, *map(safe_name, words)])


class CachedTables:
    """The cached tables of a run. The manifest records what each was computed from.

    Args:
        run: The manifest that is being written, and its folder.
    """

    def __init__(self, run: OpenManifest[Any]):
        self.run = run
        self.used: set[TableName] = set()

    def table(
        self,
        name: TableName,
        shaped_by: Any,
        make: Callable[[], pd.DataFrame],
        mend: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
    ) -> pd.DataFrame:
        """Return a table: from disk if it was computed from the same, else computed now and written.

        Args:
            name: Its name.
            shaped_by: Everything that its numbers depend on, as JSON could hold it.
            make: Computes it.
            mend: Completes one from disk in which something failed; gives the same object where nothing did.
        """
        digest = hashlib.sha256(json.dumps(shaped_by, sort_keys=True, default=str).encode()).hexdigest()[:16]
        file = str(name)
        self.used.add(name)
        known = {entry.name: entry.digest for entry in self.run.manifest.cached_tables}
        if known.get(file) == digest and (cached := self.run.folder.table(file)) is not None:
            mended = cached if mend is None else mend(cached)
            if mended is not cached:
                self.run.folder.write(file, mended)
            return mended
        made = make()
        # A table of other settings must not pass for this one if the run is killed between the two.
        if file in known:
            self.run.update(self.run.manifest.without_tables([file]))
        self.run.folder.write(file, made)
        entry = CachedTableEntry(name=file, model=name.model, behavior=name.behavior, digest=digest)
        self.run.update(self.run.manifest.with_entry(entry))
        return made

    def drop_unused(self, measures: Iterable[str]) -> None:
        """Delete tables that the study no longer asks for, such as one of a behavior that was measured before.

        Args:
            measures: Measures whose tables may be deleted, of the models and behaviors of tables used since this
                object was made. Others were not asked about.
        """
        wanted, used = set(measures), {str(name) for name in self.used}
        subjects = {(name.measure, name.model, name.behavior) for name in self.used}
        stale = [
            entry.name
            for entry in self.run.manifest.cached_tables
            if entry.measure in wanted
            and entry.name not in used
            and (entry.measure, entry.model, entry.behavior) in subjects
        ]
        if stale:
            # First, so that the manifest names no table that is gone.
            self.run.update(self.run.manifest.without_tables(stale))
        for name in stale:
            self.run.folder.remove(name)


def read_cached_tables(folder: RunFolder, measure: str, table: str) -> pd.DataFrame | None:
    """All tables of one kind as one table; None if there are none.

    Raises:
        RunError: When one is damaged or missing.
    """
    names = [t.name for t in folder.manifest().cached_tables if t.name.startswith(f"{measure}/{table}--")]
    tables = []
    for name in names:
        found = folder.table(name)
        if found is None:
            raise RunError(f"{folder.path}: the table {name} is missing; run the check again")
        if len(found):
            tables.append(found)
    return pd.concat(tables, ignore_index=True) if tables else None
