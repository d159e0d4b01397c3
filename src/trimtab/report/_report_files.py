"""The files of a report."""

from __future__ import annotations

from pathlib import Path

from trimtab._util.atomic_files import write_whole
from trimtab.report.charts import Chart
from trimtab.report.charts.pictures import ONE_COLUMN, TWO_COLUMNS, pictures


def write_report_file(path: Path, content: str | bytes, out: Path) -> None:
    """Write a file of a report.

    A report can be made again, so it need not outlive a power cut.

    Args:
        path: The file.
        content: What to write.
        out: The folder of the report, below which nothing is written through a link.

    Raises:
        RunError: when it cannot be written.
    """
    write_whole(path, content, inside=out, durable=False)


def write_chart(chart: Chart, out: Path, *, one_column: bool = True) -> None:
    """A chart as SVG, PDF and PNG, and its numbers as CSV, in the folder `charts` of a report.

    Pictures there are 7 inches wide, those in `charts/one-column` 3.4 inches; a PNG has 300 dots an inch.

    Args:
        chart: The chart.
        out: The folder of the report.
        one_column: Whether to draw it in the narrow width as well.

    Raises:
        RunError: when they cannot be written.
    """
    charts = out / "charts"
    for picture in pictures(chart, (TWO_COLUMNS, ONE_COLUMN) if one_column else (TWO_COLUMNS,)):
        for ending in ("svg", "pdf", "png"):
            write_report_file(charts / picture.folder / f"{chart.slug}.{ending}", getattr(picture, ending), out)
    write_report_file(charts / f"{chart.slug}.csv", chart.csv, out)
