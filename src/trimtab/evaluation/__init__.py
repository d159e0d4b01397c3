"""Evaluation: sweeps over cells and the samples they give, and answers read from what a model says."""

from trimtab.evaluation.answering import ANSWER_COLUMNS, AnswerKey, answer_batches, answer_keys
from trimtab.evaluation.answers import Reading, can_stop, read_answer
from trimtab.evaluation.grid import Grid, parse_layers, parse_strengths
from trimtab.evaluation.samples import COLUMNS, UNSTEERED
from trimtab.evaluation.sweeping import Best, Row, Sweep, form_of, resolve_scoring, shown_rows, sweep, sweep_batches

__all__ = [
    "ANSWER_COLUMNS",
    "COLUMNS",
    "UNSTEERED",
    "AnswerKey",
    "Best",
    "Grid",
    "Reading",
    "Row",
    "Sweep",
    "answer_batches",
    "answer_keys",
    "can_stop",
    "form_of",
    "parse_layers",
    "parse_strengths",
    "read_answer",
    "resolve_scoring",
    "shown_rows",
    "sweep",
    "sweep_batches",
]
