"""What a verb says at its end: the first findings, and where the rest is."""

from __future__ import annotations

import click

from trimtab.runs import Written

MOST = 8
"""Findings in the terminal; the report has all of them, sorted by what matters."""


def tell(page: Written) -> None:
    """Print the findings and the path of a report."""
    for finding in page.findings[:MOST]:
        click.echo(finding)
    if (more := len(page.findings) - MOST) > 0:
        click.echo(f"… and {more} more in the report")
    click.echo(f"\nreport: {page.path}")
