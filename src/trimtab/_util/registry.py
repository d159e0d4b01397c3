"""Registries: what can be extended, by name, imported when it is first used.

A registry holds named things of one kind: aggregations, scales, engines, judges, pair formats, measures. Each entry
has a line for `--help` and the docs, and is either the object itself or `"package.module:attribute"`, so that listing
names imports nothing. Other packages add entries with `register`, or by an entry point in the group of the registry:

    [project.entry-points."trimtab.aggregations"]
    trimmed = "my_package.trimmed:TRIMMED"

The conformance tests, the choices of the command line and the tables in the docs go over the registries.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from trimtab._util.suggest import suggestion
from trimtab.errors import SettingError, TrimtabWarning

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """One name of a registry."""

    target: Any
    """The object, or where to import it from: `"package.module:attribute"`."""
    summary: str
    """One line on what it does, for `--help` and the docs."""


class Registry(Generic[T]):
    """Things of one kind by name.

    Args:
        kind: What one entry is, in the singular, for messages: `aggregation`.
        group: The entry-point group that other packages may add to: `trimtab.aggregations`.
        entries: What comes with trimtab.
    """

    def __init__(self, kind: str, group: str, entries: dict[str, Entry]):
        self.kind, self.group = kind, group
        self._entries = dict(entries)
        self._own = tuple(entries)
        self._searched = False
        self._search_lock = threading.Lock()
        self._left_out: set[str] = set()

    def register(self, name: str, target: T | str, summary: str) -> None:
        """Add an entry.

        Args:
            name: What users write.
            target: The object, or `"package.module:attribute"`.
            summary: One line on what it does.

        Raises:
            SettingError: When the name is taken.
        """
        if name in self.names():
            raise SettingError(f"{self.kind} {name!r} is registered already")
        self._entries[name] = Entry(target, summary)

    @contextmanager
    def temporarily(self, name: str, target: T | str, summary: str = "") -> Iterator[None]:
        """Add an entry for the length of a `with` block, as tests do."""
        self.register(name, target, summary)
        try:
            yield
        finally:
            del self._entries[name]

    def names(self) -> tuple[str, ...]:
        """All names: those that come with trimtab first, then those of other packages."""
        self._search()
        return tuple(self._entries)

    def summaries(self) -> dict[str, str]:
        """Name and line of every entry; imports nothing of them."""
        self._search()
        return {name: entry.summary for name, entry in self._entries.items()}

    def markdown(self) -> str:
        """The entries as the rows of a Markdown table, for the docs."""
        rows = [f"| `{name}` | {summary} |" for name, summary in self.summaries().items()]
        return "\n".join([f"| {self.kind} | |", "|---|---|", *rows])

    def get(self, name: str) -> T:
        """The entry of a name, imported when needed.

        Raises:
            SettingError: When there is none, naming those there are; or when a package's entry cannot be imported.
        """
        self.require(name)
        entry = self._entries[name]
        if isinstance(entry.target, str):
            module, _, attribute = entry.target.partition(":")
            try:
                loaded = getattr(importlib.import_module(module), attribute)
            except Exception as error:  # the code of another package may raise anything
                what = str(error) or type(error).__name__
                raise SettingError(f"{self.kind} {name!r} cannot be imported from {entry.target}: {what}") from error
            self._entries[name] = entry = Entry(loaded, entry.summary)
        return cast(T, entry.target)

    def loadable(self) -> Iterator[tuple[str, T]]:
        """Name and object of every entry that can be imported; warns once about each of the others.

        For lists of all entries: what is wrong with one package must not stop the use of the others.
        """
        for name in self.names():
            try:
                loaded = self.get(name)
            except SettingError as error:
                if name not in self._left_out:
                    self._left_out.add(name)
                    warnings.warn(f"left out: {error}", TrimtabWarning, stacklevel=2)
                continue
            yield name, loaded

    def require(self, name: str) -> str:
        """The name itself, if there is such an entry.

        Raises:
            SettingError: When there is none, naming those there are.
        """
        names = self.names()
        if name not in names:
            raise SettingError(
                f"unknown {self.kind} {name!r}{suggestion(str(name), names)}; choose from {', '.join(names)}"
            )
        return name

    def valid(self, name: str) -> str:
        """As `require`, for the validators of pydantic models.

        Raises:
            ValueError: When there is no such entry, naming those there are.
        """
        try:
            return self.require(name)
        except SettingError as error:
            raise ValueError(str(error)) from None

    @property
    def built_in(self) -> tuple[str, ...]:
        """Names of the entries that come with trimtab."""
        return self._own

    def _search(self) -> None:
        """Look once for the entry points of installed packages; names of trimtab's own stay its own."""
        if self._searched:
            return
        from importlib.metadata import entry_points

        ignored = []
        with self._search_lock:
            if self._searched:
                return
            for point in entry_points(group=self.group):
                distribution = point.dist.name if point.dist else "another package"
                if point.name not in self._entries:
                    self._entries[point.name] = Entry(point.value, f"From {distribution}.")
                else:
                    ignored.append(f"{self.kind} {point.name!r} of {distribution} is ignored: the name is taken")
            self._searched = True
        for message in ignored:
            warnings.warn(message, TrimtabWarning, stacklevel=4)
