"""The texts for papers: a methods paragraph, LaTeX tables, and a BibTeX file with what they cite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trimtab.report.paper._latex_tables import latex_tables
from trimtab.report.paper._markup import Sentence, cited, markdown, tex
from trimtab.report.paper._methods import methods
from trimtab.report.paper._references import bibtex
from trimtab.report.report_inputs import RunTables
from trimtab.report.results import Results


class PaperText(NamedTuple):
    """One text."""

    title: str
    file: str
    """Beside the page."""
    text: str


def paper_texts(runs: Sequence[RunTables], results: Results) -> list[PaperText]:
    """Methods as Markdown and LaTeX, the tables of the report that a paper needs, and the references of both.

    Args:
        runs: The runs of the report.
        results: What was computed from them.

    Returns:
        The texts in this order; tables only where there are any.
    """
    paragraphs = methods(runs, results)
    tables, needed = latex_tables(results)
    both = [PaperText("Tables (LaTeX, booktabs)", "paper/tables.tex", tables)] if tables else []
    named = [key for _, sentences in paragraphs for sentence in sentences for key in cited(sentence)]
    keys = dict.fromkeys(["trimtab", *named, *needed])
    return [
        PaperText("Methods", "paper/methods.md", _joined(paragraphs, latex=False)),
        PaperText("Methods (LaTeX)", "paper/methods.tex", _joined(paragraphs, latex=True)),
        *both,
        PaperText("References (BibTeX)", "paper/references.bib", bibtex(list(keys))),
    ]


def _joined(paragraphs: Sequence[tuple[str, Sequence[Sentence]]], *, latex: bool) -> str:
    """One paragraph for each run, which begins with its name where there are several."""
    written = tex if latex else markdown
    several = len(paragraphs) > 1
    head = r"\paragraph{%s.} " if latex else "**%s.** "
    lines = [
        (head % written((name,)) if several else "") + " ".join(written(sentence) for sentence in sentences)
        for name, sentences in paragraphs
    ]
    return "\n\n".join(lines) + "\n"
