"""Evaluation: sweeps over cells and the samples they give, and answers read from what a model says."""

from trimtab.evaluation.answering import ANSWER_COLUMNS, AnswerKey, answer_batches, answer_keys
from trimtab.evaluation.answers import Reading, can_stop, read_answer
from trimtab.evaluation.dose import calibrated, dose, neutral_texts
from trimtab.evaluation.grid import Cell, Grid, GridScale, parse_layers, parse_strengths
from trimtab.evaluation.methods import METHOD_COLUMNS, compare_methods, method_cosines, method_vectors
from trimtab.evaluation.replies import PLAIN, Ask, ReplyKey, prompt_text, reply_batches, reply_keys
from trimtab.evaluation.samples import COLUMNS, UNSTEERED
from trimtab.evaluation.sweeping import Best, Row, Sweep, form_of, resolve_scoring, shown_rows, sweep, sweep_batches

__all__ = [
    "ANSWER_COLUMNS",
    "COLUMNS",
    "METHOD_COLUMNS",
    "PLAIN",
    "UNSTEERED",
    "AnswerKey",
    "Ask",
    "Best",
    "Cell",
    "Grid",
    "GridScale",
    "Reading",
    "ReplyKey",
    "Row",
    "Sweep",
    "answer_batches",
    "answer_keys",
    "calibrated",
    "can_stop",
    "compare_methods",
    "dose",
    "form_of",
    "method_cosines",
    "method_vectors",
    "neutral_texts",
    "parse_layers",
    "parse_strengths",
    "prompt_text",
    "read_answer",
    "reply_batches",
    "reply_keys",
    "resolve_scoring",
    "shown_rows",
    "sweep",
    "sweep_batches",
]
