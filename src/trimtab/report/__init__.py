"""The report: one page that works offline, its charts as pictures, and the numbers behind it as CSV."""

from trimtab.report.results import Results
from trimtab.report.runs import RunTables
from trimtab.report.write import write_report

__all__ = ["Results", "RunTables", "write_report"]
