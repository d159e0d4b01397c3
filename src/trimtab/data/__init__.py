"""Pairs in: files, built-in behaviors and the hub, split into parts and balanced by answer label."""

from trimtab.data.balance import Balance, Form, Shown, letter_sign, show
from trimtab.data.builtin import BUILT_INS, TRANSLATIONS, BuiltIn
from trimtab.data.checks import Report, check
from trimtab.data.easy import easy_questions
from trimtab.data.formats import read_pairs, write_pairs
from trimtab.data.neutral import NEUTRAL_PROMPTS, NEUTRAL_TEXTS
from trimtab.data.pairs import Behavior, Message, Pair, Part
from trimtab.data.sources import dataset
from trimtab.data.splits import sample, split

__all__ = [
    "BUILT_INS",
    "NEUTRAL_PROMPTS",
    "NEUTRAL_TEXTS",
    "TRANSLATIONS",
    "Balance",
    "Behavior",
    "BuiltIn",
    "Form",
    "Message",
    "Pair",
    "Part",
    "Report",
    "Shown",
    "check",
    "dataset",
    "easy_questions",
    "letter_sign",
    "read_pairs",
    "sample",
    "show",
    "split",
    "write_pairs",
]
