"""Studies: settings, plans and runs, and what is measured in them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from trimtab.store import TABLE_SOURCES

if TYPE_CHECKING:
    from trimtab.importing.external_results import ExternalResults, Imported, import_results
    from trimtab.store.run_folder import RunFolder
    from trimtab.study.plan.planning import plan_study
    from trimtab.study.plan.text import Plan
    from trimtab.study.reporting import Written, report_runs
    from trimtab.study.resume import reopened
    from trimtab.study.run import run_study
    from trimtab.study.settings.study_file import Study, make_study, read_study

_HOMES = {
    "ExternalResults": "trimtab.importing.external_results",
    "Imported": "trimtab.importing.external_results",
    "Plan": "trimtab.study.plan.text",
    "RunFolder": "trimtab.store.run_folder",
    "Study": "trimtab.study.settings.study_file",
    "Written": "trimtab.study.reporting",
    "import_results": "trimtab.importing.external_results",
    "make_study": "trimtab.study.settings.study_file",
    "plan_study": "trimtab.study.plan.planning",
    "read_study": "trimtab.study.settings.study_file",
    "reopened": "trimtab.study.resume",
    "report_runs": "trimtab.study.reporting",
    "run_study": "trimtab.study.run",
}
"""Imported when first used: the command line lists measures without torch and pydantic."""

__all__ = [
    "ExternalResults",
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


def _register_tables_of_measures() -> None:
    from trimtab.study.measures.registry import MEASURES

    MEASURES.load_tables()


TABLE_SOURCES.append(_register_tables_of_measures)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'trimtab.study' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
