"""The verdict at the top of the page: whether steering works, which setting to use, and what it costs."""

from trimtab.report.verdict._verdict_sentences import sentence
from trimtab.report.verdict.base import MAX_WHOLE, Tile, Verdict
from trimtab.report.verdict.case_verdicts import summary, verdict_sentences, verdict_table, verdicts
from trimtab.report.verdict.evidence import Case, Evidence, cases

__all__ = [
    "MAX_WHOLE",
    "Case",
    "Evidence",
    "Tile",
    "Verdict",
    "cases",
    "sentence",
    "summary",
    "verdict_sentences",
    "verdict_table",
    "verdicts",
]
