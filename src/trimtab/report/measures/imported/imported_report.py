"""What a report shows of imported probabilities and conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from trimtab.analysis import Finding
from trimtab.analysis.imported import (
    condition_contrasts,
    imported_findings,
    item_scores,
    letter_changes,
    letter_parts,
    split_choice,
    unscored_items,
)
from trimtab.report import charts
from trimtab.report.measures.base import MeasureReport, ReportContext, Tables
from trimtab.report.measures.imported import _imported_captions as captions
from trimtab.report.measures.imported import _imported_tables as tables
from trimtab.report.report_inputs import RunTables
from trimtab.report.section import Section, folded_figures, folded_rows

SPLITS = 1000


@dataclass(frozen=True)
class ImportedResults:
    """The tables of `trimtab.analysis.imported`, of every run that has items."""

    tables: Tables
    """`scores`, `unscored`, `contrasts`, `choice`, `parts` and `changes`."""
    findings: Sequence[Finding] = ()

    def shown(self, name: str) -> pd.DataFrame:
        """The rows of a table for the page: cells measured under several conditions, or else at the chosen layer."""
        table, choice = self.tables[name], self.tables["choice"]
        if table.empty:
            return table
        wanted = table["crossed"].astype(bool)
        if not wanted.any() and len(choice):
            keys = [key for key in ("run", "model", "behavior", "engine", "scoring", "layers") if key in table]
            chosen = pd.MultiIndex.from_frame(choice[keys].astype(str))
            wanted = (table["layers"] == "") | pd.MultiIndex.from_frame(table[keys].astype(str)).isin(chosen)
        rows: pd.DataFrame = table[wanted] if wanted.any() else table
        return rows


class ImportedReport(MeasureReport[ImportedResults]):
    """Scores as published, arms, the choice of the layer, letters, and what cannot be scored."""

    name = "imported"
    tables = ("items",)

    def results(self, context: ReportContext) -> ImportedResults | None:
        """Analyse the items of each run; None where none was imported with probabilities or conditions."""
        found = context.by_run(self.name, _analysed)
        return None if found is None else ImportedResults(*found)

    def findings(self, results: ImportedResults) -> Sequence[Finding]:
        """Prompt against vector, the choice of the layer, letters, what cannot be scored."""
        return results.findings

    def sections(self, results: ImportedResults) -> Sequence[Section]:
        """Scores and arms among the effects; the choice, letters and gaps where trust is."""
        scores, contrasts = results.shown("scores"), results.tables["contrasts"]
        figures = charts.condition_scores(scores) if len(scores) else []
        scored, letters = tables.scored_table(scores), tables.letters_table(results.shown("parts"))
        unscored = tables.unscored_table(results.tables["unscored"])
        return [
            Section(
                "imported-scores",
                "Scores as published",
                captions.SCORES + (captions.FIGURE if figures else ""),
                figures,
                [tables.score_grid(scores), scored],
                small=len(figures) > 1,
                folded=folded_figures(figures),
                file="tables/imported_scores.csv",
                part="effects",
                main=True,
            ),
            Section(
                "imported-arms",
                "Prompt, vector, and both",
                captions.ARMS,
                tables=[tables.contrast_table(contrasts, unit) for unit in ("share", "logits")],
                file="tables/imported_arms.csv",
                part="effects",
            ),
            Section(
                "imported-choice",
                "Choice of the layer, held out",
                captions.CHOICE,
                tables=[tables.choice_table(results.tables["choice"])],
                file="tables/imported_choice.csv",
                part="trust",
            ),
            Section(
                "imported-letters",
                "Answer letters in the scores",
                captions.LETTERS,
                tables=[tables.changes_table(results.shown("changes")), letters],
                file="tables/imported_letters.csv",
                folded=folded_rows(letters),
                part="trust",
            ),
            Section(
                "imported-unscored",
                "Prompts that cannot be scored",
                captions.UNSCORED,
                tables=[unscored],
                file="tables/imported_unscored.csv",
                folded=folded_rows(unscored),
                part="trust",
            ),
        ]

    def files(self, results: ImportedResults) -> Mapping[str, pd.DataFrame]:
        """All tables, of every layer and condition."""
        found = results.tables
        return {
            "tables/imported_scores.csv": found["scores"],
            "tables/imported_arms.csv": found["contrasts"],
            "tables/imported_choice.csv": found["choice"],
            "tables/imported_letters.csv": found["parts"],
            "tables/imported_letter_changes.csv": found["changes"],
            "tables/imported_unscored.csv": found["unscored"],
        }

    def glossary(self, _results: ImportedResults) -> Sequence[tuple[str, str]]:
        """Conditions, shares, balanced scores."""
        return captions.GLOSSARY


def _analysed(_run: RunTables, found: Mapping[str, pd.DataFrame]) -> tuple[Tables, list[Finding]]:
    items = found["items"]
    made = {
        "scores": item_scores(items),
        "unscored": unscored_items(items),
        "contrasts": condition_contrasts(items),
        "choice": split_choice(items, splits=SPLITS),
        "parts": letter_parts(items),
        "changes": letter_changes(items),
    }
    return made, imported_findings(made, SPLITS)


IMPORTED = ImportedReport()
