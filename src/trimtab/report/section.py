"""Sections of the page: figures, tables and replies under one heading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trimtab.report.charts import Chart
from trimtab.report.tables import Table

MAX_OPEN_FIGURES = 12
"""More figures of one kind are folded."""
MAX_OPEN_ROWS = 60
"""Longer tables are folded."""

Part = Literal["replies", "effects", "models", "measures", "trust", "answers", "details", "vectors"]
"""A part of the page. measures: what was measured at the chosen settings. trust: how far the choice can be trusted."""


@dataclass(frozen=True)
class ExampleReply:
    """One reply."""

    heading: str
    text: str
    note: str


@dataclass(frozen=True)
class Example:
    """Replies to one prompt beside each other: steered toward, unsteered, steered away."""

    title: str
    prompt: str
    replies: Sequence[ExampleReply]


@dataclass(frozen=True)
class Browser:
    """Replies by setting, for the page to look up."""

    speakers: list[dict[str, Any]]
    """title, layers, strengths, start (the setting shown first), prompts [prompt, unsteered reply, its measures in
    words, held out], cells [layers, strength, rows, number of replies].

    A row is [place of the prompt, reply, its measures in words]."""
    left_out: int
    """Replies for which there was no room."""


@dataclass(frozen=True)
class Section:
    """Figures and tables that belong together, under one heading."""

    slug: str
    title: str
    text: str
    """How to read it, in a sentence or two."""
    charts: Sequence[Chart] = ()
    tables: Sequence[Table] = ()
    small: bool = False
    """Small charts stand beside each other where the screen is wide enough."""
    paired: bool = False
    """Charts stand two by two."""
    folded: str = ""
    """What a click unfolds; "" leaves the section open."""
    file: str = ""
    """The CSV file with the numbers of the tables."""
    examples: Sequence[Example] = ()
    """Replies beside each other."""
    browser: Browser | None = None
    """The replies of all settings."""
    part: Part = "measures"
    """Where on the page it stands."""
    main: bool = False
    """Whether it is on the main page; the others are appendices, closed until they are asked for."""

    @property
    def content(self) -> bool:
        """Whether there is anything below the heading."""
        return bool(self.charts or self.tables or self.examples or self.browser)


def folded_figures(charts: Sequence[Chart], *tables: Table) -> str:
    """What folds away a wall of figures and the tables below it; "" leaves a few figures open."""
    more = " and a table" if any(table.rows for table in tables) else ""
    return f"{len(charts)} figures{more}" if len(charts) > MAX_OPEN_FIGURES else ""


def folded_rows(table: Table, most: int = MAX_OPEN_ROWS) -> str:
    """What folds away a long table; "" leaves a short one open."""
    return f"{len(table.rows)} rows" if len(table.rows) > most else ""
