"""The report as Markdown, for pull requests and papers: findings, tables, and links to the pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from trimtab.analysis import Finding
from trimtab.report._page import Page
from trimtab.report.section import Section
from trimtab.report.tables import Table
from trimtab.report.verdict import Verdict

MAX_ROWS = 40
"""Rows of a table; the CSV file has all of them."""
HEADINGS = {
    "comparison": "Across models", "effect": "What is shown", "negative": "What is not shown",
    "caution": "Reasons for caution",
}  # fmt: skip


def as_markdown(page: Page) -> str:
    """The page as GitHub Markdown."""
    parts = [f"# {escaped(page.title)}", escaped(page.subtitle), *_verdicts(page.verdicts), *_findings(page.findings)]
    for section in page.sections:
        # Sections that can only be clicked have no place on paper.
        if section.charts or section.tables or section.examples:
            parts += _section(section)
    if page.warnings:
        parts += ["## Warnings of the run", _listed(page.warnings)]
    parts.append("## What was run")
    for table in page.background:
        parts += [f"### {escaped(table.name)}", _table(table)]
    for run in page.facts:
        pairs = [("command", run["command"]), *run["versions"]]
        parts += [f"### {escaped(run['name'])}", _listed(f"{name}: {value}" for name, value in pairs if value)]
        parts.append(_block(run["settings"]))
    parts += ["## Glossary", _listed(f"{term}: {text}" for term, text in page.glossary)]
    parts.append(f"Made with trimtab {escaped(page.trimtab_version)}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no cell or line ends."""
    plain = re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", re.sub(r"\s+", " ", text).strip())
    return plain.replace("&", "&amp;").replace("@", "&#64;")


def _block(text: str) -> str:
    """Text as it is, between fences that it does not hold."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}yaml\n{text.rstrip()}\n{fence}" if text else ""


def _verdicts(verdicts: Sequence[Verdict]) -> list[str]:
    parts = ["## Verdict"] if verdicts else []
    for verdict in verdicts:
        parts += [f"**{escaped(verdict.title)}: {escaped(verdict.word)}.** {escaped(verdict.sentence)}"]
        parts.append(_listed(f"{tile.heading} {tile.value}; {'; '.join(tile.notes)}" for tile in verdict.tiles[1:]))
        parts.append(escaped(verdict.reason))
    return parts


def _findings(findings: Sequence[Finding]) -> list[str]:
    parts = []
    for kind, heading in HEADINGS.items():
        texts = [finding.text for finding in findings if finding.kind == kind]
        if texts:
            parts += [f"## {heading}", _listed(texts)]
    return parts


def _section(section: Section) -> list[str]:
    parts = [f"## {escaped(section.title)}", escaped(section.text)]
    for chart in section.charts:
        parts.append(f"![{escaped(chart.alt)}](charts/{chart.slug}.png)")
    for table in section.tables:
        if len(section.tables) > 1:
            parts.append(f"### {escaped(table.name)}")
        parts.append(_table(table))
        left_out = table.left_out + max(0, len(table.rows) - MAX_ROWS)
        if left_out:
            parts.append(f"{left_out} more rows are in [{section.file}]({section.file}).")
    for example in section.examples:
        parts.append(f"**{escaped(example.prompt)}** ({escaped(example.title)})")
        parts.append(_listed(f"{reply.heading} ({reply.note}): {reply.text}" for reply in example.replies))
    return parts


def _table(table: Table) -> str:
    head = [escaped(column.heading) for column in table.columns]
    rule = ["--:" if column.number else ":--" for column in table.columns]
    rows = [[escaped(cell) for cell in row] for row in table.rows[:MAX_ROWS]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _listed(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)
