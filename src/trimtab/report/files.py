"""Files that are either there in full or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import altair as alt
import vl_convert

from trimtab.errors import RunError
from trimtab.report.charts import Chart

PIXELS = 2.0
"""Pixels of a PNG for each unit of the chart: sharp on today's screens and in print."""


def vegalite_version() -> str:
    """The Vega-Lite version that Altair's specs are written for, as vl-convert names it: "6.4"."""
    major, minor = alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2]
    return f"{major}.{minor}"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file through a temporary one in the same folder, so that a reader never meets half of it."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            # A temporary file is private; the report should be as readable as any other new file.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def write_chart(chart: Chart, folder: Path) -> None:
    """A chart as SVG and PNG, and its numbers as CSV."""
    svg: str = vl_convert.vegalite_to_svg(chart.picture(), vl_version=vegalite_version())
    write_atomically(folder / f"{chart.slug}.svg", svg)
    write_atomically(folder / f"{chart.slug}.png", vl_convert.svg_to_png(svg, scale=PIXELS))
    write_atomically(folder / f"{chart.slug}.csv", chart.csv)
