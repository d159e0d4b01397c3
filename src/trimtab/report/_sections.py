"""The order of the sections on the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import get_args

from trimtab.report.charts import Chart
from trimtab.report.results import Results
from trimtab.report.section import Part, Section

ORDER: tuple[Part, ...] = get_args(Part)


def sections(results: Results) -> list[Section]:
    """The sections of all measures that have something to show, part by part, in the order of the measures in each."""
    every = [section for report, found in results.measured() for section in report.sections(found)]
    filled = [replace(section, tables=[table for table in section.tables if table.rows]) for section in every]
    shown = [section for section in filled if section.content]
    unique = _Unique()
    return [
        replace(section, charts=unique(section.charts), small=section.small and len(section.charts) > 1)
        for section in sorted(shown, key=lambda section: ORDER.index(section.part))
    ]


class _Unique:
    """Gives each figure a file name of its own: names that differ in other ways may look alike in ASCII."""

    def __init__(self) -> None:
        self.taken: set[str] = set()

    def __call__(self, charts: Iterable[Chart]) -> list[Chart]:
        """These charts, renamed where a name is taken."""
        renamed = []
        for chart in charts:
            slug, number = chart.slug, 2
            while slug in self.taken:
                slug, number = f"{chart.slug}-{number}", number + 1
            self.taken.add(slug)
            renamed.append(replace(chart, slug=slug))
        return renamed
