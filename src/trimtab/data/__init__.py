"""Contrasts in: files, built-in behaviors and the hub, split into parts; pairs balanced by answer label."""

from trimtab.data.builtin import BUILT_INS, TRANSLATIONS
from trimtab.data.contrasts import (
    NOTHING_ASKED,
    AnyContrast,
    AskedTexts,
    Example,
    PromptContrast,
    PromptPair,
    SetContrast,
)
from trimtab.data.easy import easy_questions
from trimtab.data.formats import PAIR_FORMATS, PairFormat
from trimtab.data.formats.column_mapping import parse_columns
from trimtab.data.formats.files import contrast_rows, read_pairs, write_contrast, write_pairs
from trimtab.data.neutral import NEUTRAL_PROMPTS, NEUTRAL_TEXTS
from trimtab.data.pair_checks import check
from trimtab.data.pairs import Behavior, Message, Pair
from trimtab.data.presentation import Balance, Form, Presentation, letter_sign, present
from trimtab.data.sources import contrast, dataset, open_prompts
from trimtab.data.splits import sample, split

__all__ = [
    "BUILT_INS",
    "NEUTRAL_PROMPTS",
    "NEUTRAL_TEXTS",
    "NOTHING_ASKED",
    "PAIR_FORMATS",
    "TRANSLATIONS",
    "AnyContrast",
    "AskedTexts",
    "Balance",
    "Behavior",
    "Example",
    "Form",
    "Message",
    "Pair",
    "PairFormat",
    "Presentation",
    "PromptContrast",
    "PromptPair",
    "SetContrast",
    "check",
    "contrast",
    "contrast_rows",
    "dataset",
    "easy_questions",
    "letter_sign",
    "open_prompts",
    "parse_columns",
    "present",
    "read_pairs",
    "sample",
    "split",
    "write_contrast",
    "write_pairs",
]
