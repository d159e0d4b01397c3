"""Measures of replies that need no judge: words and repetition, language, and likelihood beside references."""

from trimtab.evaluation.reply_measures.reply_languages import language
from trimtab.evaluation.reply_measures.reply_references import (
    OTHER_PROMPTS,
    ReplyReferences,
    nats_of_replies,
    plain_text,
    reply_references,
)
from trimtab.evaluation.reply_measures.surface_measures import measure

__all__ = [
    "OTHER_PROMPTS",
    "ReplyReferences",
    "language",
    "measure",
    "nats_of_replies",
    "plain_text",
    "reply_references",
]
