"""What a verb prints at its end: the findings, and the path of the report."""

from __future__ import annotations

from trimtab.cli.terminal import echo, echo_path, echo_text
from trimtab.report import MEASURE_REPORTS
from trimtab.study import Written

MAX_FINDINGS = 20
"""Findings in the terminal: more than a page leads with. A study of many models has hundreds behind them."""


def tell(page: Written, check: str = "") -> None:
    """Print the findings, or those of one check, and the path of a report."""
    findings = page.by_check.get(check, ()) if check else page.findings
    most = len(findings) if check else MAX_FINDINGS
    for finding in findings[:most]:
        echo_text(finding)
    if check and check not in MEASURE_REPORTS.names():
        echo_text(f"{check} has no report; its tables are in {page.path.parent / check}")
    elif check and not findings:
        echo("nothing to warn of")
    if (more := len(findings) - most) > 0:
        echo(f"… and {more} more in the report")
    echo("")
    echo_path("report", page.path)
