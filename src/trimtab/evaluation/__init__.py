"""Evaluation: sweeps over cells and the samples they give, and answers read from what a model says."""

from trimtab.evaluation.answering import REPLY_COLUMNS, ReplyKey, answer_batches, reply_keys
from trimtab.evaluation.answers import Reading, can_stop, read_answer
from trimtab.evaluation.grid import Grid, parse_layers, parse_strengths
from trimtab.evaluation.samples import COLUMNS, UNSTEERED
from trimtab.evaluation.sweeping import Best, Row, Sweep, form_of, resolve_scoring, shown_rows, sweep, sweep_batches

__all__ = [
    "COLUMNS",
    "REPLY_COLUMNS",
    "UNSTEERED",
    "Best",
    "Grid",
    "Reading",
    "ReplyKey",
    "Row",
    "Sweep",
    "answer_batches",
    "can_stop",
    "form_of",
    "parse_layers",
    "parse_strengths",
    "read_answer",
    "reply_keys",
    "resolve_scoring",
    "shown_rows",
    "sweep",
    "sweep_batches",
]
