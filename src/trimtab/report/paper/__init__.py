"""Texts for papers about the runs of a report: methods, tables and references, ready to paste."""

from trimtab.report.paper._texts import PaperText, paper_texts

__all__ = ["PaperText", "paper_texts"]
