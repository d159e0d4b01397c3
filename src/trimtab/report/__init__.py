"""The report: one page that works offline, its charts as pictures, and the numbers behind it as CSV."""

from trimtab._util.callable_packages import make_callable
from trimtab.report.measures import MEASURE_REPORTS, MeasureReport, ReportContext
from trimtab.report.report_inputs import RunTables
from trimtab.report.results import Results
from trimtab.report.section import Section
from trimtab.report.write import Figures, write_report

__all__ = [
    "MEASURE_REPORTS",
    "Figures",
    "MeasureReport",
    "ReportContext",
    "Results",
    "RunTables",
    "Section",
    "write_report",
]

make_callable(__name__, "trimtab.notebook.reports:report")
