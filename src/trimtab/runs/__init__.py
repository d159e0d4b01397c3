"""Runs: studies, their folders and plans, and going on where one was stopped."""

from trimtab.runs.folder import RunFolder
from trimtab.runs.importing import Foreign, Imported, import_results
from trimtab.runs.plan import Plan
from trimtab.runs.planning import plan_study
from trimtab.runs.reopening import reopened
from trimtab.runs.reporting import Written, report_runs
from trimtab.runs.settings import Study, make_study, read_study
from trimtab.runs.study import run_study

__all__ = [
    "Foreign",
    "Imported",
    "Plan",
    "RunFolder",
    "Study",
    "Written",
    "import_results",
    "make_study",
    "plan_study",
    "read_study",
    "reopened",
    "report_runs",
    "run_study",
]
