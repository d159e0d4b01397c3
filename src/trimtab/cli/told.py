"""What a verb says at its end: the first findings, and where the rest is."""

from __future__ import annotations

import click

from trimtab.runs import Written

MOST = 8
"""Findings in the terminal; the report has all of them, sorted by what matters."""


def tell(page: Written, check: str = "") -> None:
    """Print the findings, or those of one check, and the path of a report."""
    findings = page.by_check.get(check, ()) if check else page.findings
    most = len(findings) if check else MOST
    for finding in findings[:most]:
        click.echo(finding)
    if check and not findings:
        click.echo("nothing to warn of")
    if (more := len(findings) - most) > 0:
        click.echo(f"… and {more} more in the report")
    click.echo(f"\nreport: {page.path}")
