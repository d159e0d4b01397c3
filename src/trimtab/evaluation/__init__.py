"""Evaluation: sweeps over cells and their samples, and answers and replies with their measures."""

from trimtab.evaluation.answering import AnswerKey, answer_batches, answer_keys
from trimtab.evaluation.dose import calibrated, dose, neutral_texts
from trimtab.evaluation.grid import Grid, check_layer_text, layers_of, parse_layers, parse_strengths
from trimtab.evaluation.layer_maps import LayerMapTest, check_layer_map
from trimtab.evaluation.own_replies import own_replies
from trimtab.evaluation.projection import Projection, project
from trimtab.evaluation.projection_bounds import BoundSide, ProjectionBounds, projection_bounds
from trimtab.evaluation.replies import ReplyKey, ReplyTask, prompt_text, reply_batches, reply_keys
from trimtab.evaluation.reply_measures import OTHER_PROMPTS, reply_references
from trimtab.evaluation.sweeping import Best, Row, Sweep, form_of, resolve_scoring, shown_rows, sweep, sweep_batches

__all__ = [
    "OTHER_PROMPTS",
    "AnswerKey",
    "Best",
    "BoundSide",
    "Grid",
    "LayerMapTest",
    "Projection",
    "ProjectionBounds",
    "ReplyKey",
    "ReplyTask",
    "Row",
    "Sweep",
    "answer_batches",
    "answer_keys",
    "calibrated",
    "check_layer_map",
    "check_layer_text",
    "dose",
    "form_of",
    "layers_of",
    "neutral_texts",
    "own_replies",
    "parse_layers",
    "parse_strengths",
    "project",
    "projection_bounds",
    "prompt_text",
    "reply_batches",
    "reply_keys",
    "reply_references",
    "resolve_scoring",
    "shown_rows",
    "sweep",
    "sweep_batches",
]
