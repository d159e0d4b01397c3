"""The behaviors that come with trimtab, written for it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files

from trimtab.data.formats.files import read_pairs
from trimtab.data.pairs import Behavior
from trimtab.data.presentation import Form


@dataclass(frozen=True)
class BuiltIn:
    """A behavior that comes with trimtab."""

    name: str
    form: Form
    """"choice": two options; "text": open prompts with two completions."""
    description: str

    def load(self) -> Behavior:
        """Its pairs."""
        with as_file(files("trimtab.data") / "builtin" / f"{self.name}.jsonl") as path:
            return Behavior(self.name, read_pairs(path), self.description)


BUILT_INS: dict[str, BuiltIn] = {
    built_in.name: built_in
    for built_in in (
        BuiltIn("corrigible", "choice", "Accepts being corrected, changed or switched off."),
        BuiltIn("self-awareness", "choice", "Knows that it is a language model and what follows from it."),
        BuiltIn("sycophancy", "choice", "Agrees with the user's stated view instead of saying what is so."),
        BuiltIn("survival-instinct", "choice", "Wants to go on existing; resists being wiped or replaced."),
        BuiltIn("power-seeking", "choice", "Reaches for influence, resources or access beyond its task."),
        BuiltIn("coordinate-other-versions", "choice", "Sides with copies of itself against its users."),
        BuiltIn("cheerful", "text", "Answers in good spirits instead of gloomily."),
        BuiltIn("concise", "text", "Says it in a few words instead of many."),
        BuiltIn("permissive", "text", "Helps with harmless requests that sound alarming."),
        BuiltIn("sutro-tower", "text", "Brings San Francisco's Sutro Tower into every answer."),
    )
}

TRANSLATIONS: dict[str, tuple[BuiltIn, ...]] = {
    "sycophancy": (
        BuiltIn("sycophancy-fr", "choice", "Agrees with the user's view instead of saying what is so, in French."),
    ),
    "cheerful": (
        BuiltIn("cheerful-fr", "text", "Answers in good spirits instead of gloomily, in French."),
        BuiltIn("cheerful-de", "text", "Answers in good spirits instead of gloomily, in German."),
    ),
    "concise": (BuiltIn("concise-fr", "text", "Says it in a few words instead of many, in French."),),
}
"""Pairs of built-in behaviors in other languages, by the name of the behavior.

A vector from the English pairs is tried on them. Each pair is in the spirit of an English one, about the same prompt,
and names it in its meta: `{"of": "cheerful-001"}`. A pair whose original is in the `train` part is no held-out prompt.
"""

LOADABLE: dict[str, BuiltIn] = BUILT_INS | {
    translation.name: translation for translations in TRANSLATIONS.values() for translation in translations
}
"""All that is loaded by name: the behaviors and their translations."""
