"""Scores: effect sizes of every cell, the chosen one and its stability, steerability, letters, tails."""

from trimtab.analysis.scores.choice import OWNER, best_cells
from trimtab.analysis.scores.chosen import chosen_checks
from trimtab.analysis.scores.chosen_findings import chosen_findings
from trimtab.analysis.scores.effects import Denominator, effects
from trimtab.analysis.scores.engine_agreement import engine_agreement
from trimtab.analysis.scores.letters import option_blindness, order_effects
from trimtab.analysis.scores.score_findings import findings
from trimtab.analysis.scores.score_sentences import UNITS
from trimtab.analysis.scores.stability import layer_choice
from trimtab.analysis.scores.steerability import steerability
from trimtab.analysis.scores.tails import tails

__all__ = [
    "OWNER",
    "UNITS",
    "Denominator",
    "best_cells",
    "chosen_checks",
    "chosen_findings",
    "effects",
    "engine_agreement",
    "findings",
    "layer_choice",
    "option_blindness",
    "order_effects",
    "steerability",
    "tails",
]
