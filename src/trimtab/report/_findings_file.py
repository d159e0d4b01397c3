"""Findings as a table: subject and values beside the sentence, for programs that do not read sentences."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd

from trimtab.analysis import Finding

COLUMNS = (
    "kind", "measure", "code", "use", "decisive", "run", "model", "behavior", "values", "claims", "text",
)  # fmt: skip
"""A finding about several subjects has a row for each; `values` and `claims` are JSON."""


def findings_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """A row for each finding and subject, in the order of the page."""
    rows = []
    for finding in findings:
        entry = finding.row()
        written = {name: json.dumps(entry[name], ensure_ascii=False) for name in ("values", "claims")}
        rows += [{**entry, **written, **subject} for subject in entry["subjects"] or [{}]]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(COLUMNS))
    return table
