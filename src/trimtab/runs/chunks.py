"""Tables of a run that are made once, whole, and made again only when what shapes them has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from trimtab.runs.folder import RunFolder
from trimtab.runs.names import safe_name


class Chunks:
    """The checks of a run: a table for each model and behavior, and what it was made from in the manifest."""

    def __init__(self, folder: RunFolder, manifest: dict[str, Any]):
        self.folder, self.manifest = folder, manifest
        self.known: dict[str, str] = manifest.setdefault("chunks", {})
        self.used: set[str] = set()

    def table(self, name: str, shaped_by: Any, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The table of this name: from disk if it was made from the same, else made now and kept.

        Args:
            name: from `chunk_name`.
            shaped_by: everything that its numbers depend on, as JSON could hold it.
            make: makes it.
        """
        digest = hashlib.sha256(json.dumps(shaped_by, sort_keys=True, default=str).encode()).hexdigest()[:16]
        self.used.add(name)
        if self.known.get(name) == digest and (kept := self.folder.table(name)) is not None:
            return kept
        made = make()
        # A table of other settings must not pass for this one if the run is killed between the two.
        if self.known.pop(name, None) is not None:
            self.folder.write_manifest(self.manifest)
        self.folder.write(name, made)
        self.known[name] = digest
        self.folder.write_manifest(self.manifest)
        return made

    def drop_unused(self, kinds: Iterable[str]) -> None:
        """Forget the tables that the study asks for no more, such as a behavior measured before.

        Only of these kinds, and of the models and behaviors that were checked now: others were not asked about.
        """
        prefixes = tuple(f"{kind}/" for kind in kinds)
        checked = {_subject(name) for name in self.used}
        stale = [n for n in self.known if n.startswith(prefixes) and n not in self.used and _subject(n) in checked]
        for name in stale:
            del self.known[name]
            self.folder.remove(name)


def _subject(name: str) -> tuple[str, ...]:
    """Kind, model and behavior that a table is about."""
    kind, _, rest = name.partition("/")
    return kind, *rest.split("--")[1:3]


def chunk_name(kind: str, what: str, *about: str) -> str:
    """Where a table is in the run folder, such as `robustness/samples--model--behavior`."""
    return f"{kind}/" + "--".join([what, *(safe_name(part) for part in about)])


def read_chunks(folder: RunFolder, kind: str, what: str) -> pd.DataFrame | None:
    """All tables of one kind below each other; None if there are none.

    Raises:
        RunError: when one is damaged.
    """
    names = [name for name in folder.manifest().get("chunks", {}) if name.startswith(f"{kind}/{what}--")]
    tables = [table for name in names if (table := folder.table(name)) is not None and len(table)]
    return pd.concat(tables, ignore_index=True) if tables else None
