"""From scores to statements: effect sizes, intervals, layer choice, comparison of models. Tables in, tables out."""

from trimtab.analysis.answers import RATES, answer_agreement, answer_curves, answer_rates
from trimtab.analysis.audit import audit
from trimtab.analysis.choice import best_cells
from trimtab.analysis.comparison import compare_groups, compare_models, correlations, group_contrasts, models_frame
from trimtab.analysis.effects import Denominator, effects
from trimtab.analysis.engine_agreement import engine_agreement
from trimtab.analysis.findings import Finding, findings
from trimtab.analysis.halving import rounds, survivors
from trimtab.analysis.letters import option_blindness, order_effects
from trimtab.analysis.random_directions import (
    NULL_TESTS,
    NULLS,
    THE_VECTOR,
    null_effects,
    null_findings,
    null_tests,
)
from trimtab.analysis.replies import DOSE, JUDGEMENTS, REPLIES
from trimtab.analysis.reply_agreement import reply_agreement
from trimtab.analysis.reply_cells import first_judged, judged_replies, reply_cells
from trimtab.analysis.reply_findings import reply_findings
from trimtab.analysis.robustness import PLAIN_VARIANT, ROBUSTNESS, robustness, robustness_findings
from trimtab.analysis.samples import COLUMNS, prompt_scores, rows_at, scores_at, several
from trimtab.analysis.side_effects import COUPLE, EASY, SHIFTS, SIDE_CELLS, selectivity, side_cells, side_shifts
from trimtab.analysis.stability import layer_choice
from trimtab.analysis.steerability import steerability
from trimtab.analysis.tails import tails
from trimtab.analysis.tuning import pareto, recommended, usable_strengths

__all__ = [
    "COLUMNS",
    "COUPLE",
    "DOSE",
    "EASY",
    "JUDGEMENTS",
    "NULLS",
    "NULL_TESTS",
    "PLAIN_VARIANT",
    "RATES",
    "REPLIES",
    "ROBUSTNESS",
    "SHIFTS",
    "SIDE_CELLS",
    "THE_VECTOR",
    "Denominator",
    "Finding",
    "answer_agreement",
    "answer_curves",
    "answer_rates",
    "audit",
    "best_cells",
    "compare_groups",
    "compare_models",
    "correlations",
    "effects",
    "engine_agreement",
    "findings",
    "first_judged",
    "group_contrasts",
    "judged_replies",
    "layer_choice",
    "models_frame",
    "null_effects",
    "null_findings",
    "null_tests",
    "option_blindness",
    "order_effects",
    "pareto",
    "prompt_scores",
    "recommended",
    "reply_agreement",
    "reply_cells",
    "reply_findings",
    "robustness",
    "robustness_findings",
    "rounds",
    "rows_at",
    "scores_at",
    "selectivity",
    "several",
    "side_cells",
    "side_shifts",
    "steerability",
    "survivors",
    "tails",
    "usable_strengths",
]
