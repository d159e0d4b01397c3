"""Pairs in: files, built-in behaviors and the hub, split into parts and balanced by answer label."""

from trimtab.data.builtin import BUILT_INS, TRANSLATIONS
from trimtab.data.contrasts import AnyContrast, Example, PromptContrast, PromptPair, SetContrast
from trimtab.data.easy import easy_questions
from trimtab.data.formats import PAIR_FORMATS, PairFormat
from trimtab.data.formats.files import read_pairs, write_pairs
from trimtab.data.neutral import NEUTRAL_PROMPTS, NEUTRAL_TEXTS
from trimtab.data.pair_checks import check
from trimtab.data.pairs import Behavior, Message, Pair
from trimtab.data.presentation import Balance, Form, Presentation, letter_sign, present
from trimtab.data.sources import dataset
from trimtab.data.splits import sample, split

__all__ = [
    "BUILT_INS",
    "NEUTRAL_PROMPTS",
    "NEUTRAL_TEXTS",
    "PAIR_FORMATS",
    "TRANSLATIONS",
    "AnyContrast",
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
    "dataset",
    "easy_questions",
    "letter_sign",
    "present",
    "read_pairs",
    "sample",
    "split",
    "write_pairs",
]
