"""Imported results with probabilities or conditions: published scores, arms, choice of layer, letters."""

from trimtab.analysis.imported.condition_contrasts import condition_contrasts
from trimtab.analysis.imported.imported_findings import imported_findings
from trimtab.analysis.imported.item_matrices import ITEMS, NO_COLUMN
from trimtab.analysis.imported.item_scores import item_scores, unscored_items
from trimtab.analysis.imported.letter_parts import letter_changes, letter_parts
from trimtab.analysis.imported.split_choice import split_choice

__all__ = [
    "ITEMS",
    "NO_COLUMN",
    "condition_contrasts",
    "imported_findings",
    "item_scores",
    "letter_changes",
    "letter_parts",
    "split_choice",
    "unscored_items",
]
