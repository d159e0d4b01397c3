"""What a report shows of each measure: its results, findings, sections, files and glossary terms, in one place each.

A measure is shown by a `MeasureReport`; `MEASURE_REPORTS` names them all, and other packages may add their own.
"""

from trimtab.report.measures.base import MeasureReport, ReportContext
from trimtab.report.measures.registry import MEASURE_REPORTS

__all__ = ["MEASURE_REPORTS", "MeasureReport", "ReportContext"]
