"""Contrasts beyond pairs of completions: two prompts for each item, or two lists that have no pairs.

A `Behavior` contrasts two completions of one prompt. Here the contrast lies elsewhere: in the prompt (system prompts,
templates, personas), or between two lists of texts or conversations of any lengths. Every shape has a name, a hash, a
way to split, and sides: the examples that show the behavior and those that do not.
"""

from __future__ import annotations

from trimtab.data.contrasts.asked_texts import NOTHING_ASKED, AskedTexts
from trimtab.data.contrasts.base import Contrast, Example, Shape
from trimtab.data.contrasts.prompt_contrasts import PromptContrast, PromptPair
from trimtab.data.contrasts.set_contrasts import SetContrast
from trimtab.data.pairs import Behavior

AnyContrast = Behavior | PromptContrast | SetContrast
"""A contrast of any shape."""

__all__ = [
    "NOTHING_ASKED",
    "AnyContrast",
    "AskedTexts",
    "Contrast",
    "Example",
    "PromptContrast",
    "PromptPair",
    "SetContrast",
    "Shape",
]
