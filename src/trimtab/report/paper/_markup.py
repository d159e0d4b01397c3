"""Sentences with formulas and citations in them, written as Markdown or as LaTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from trimtab.report.paper._references import in_words


class Formula(NamedTuple):
    """A formula, in TeX."""

    text: str


class Cited(NamedTuple):
    """Works that are cited, by their keys."""

    keys: tuple[str, ...]


Part = str | Formula | Cited
Sentence = tuple[Part, ...]
"""Text as it is, formulas and citations."""

_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "“": "``", "”": "''", "‘": "`", "’": "'", "–": "--", "—": "---", "…": r"\ldots{}",
    "α": r"$\alpha$", "Δ": r"$\Delta$", "ℓ": r"$\ell$", "±": r"$\pm$", "−": "$-$", "×": r"$\times$", "÷": r"$\div$",
    "·": r"$\cdot$", "≥": r"$\geq$", "≤": r"$\leq$", "‖": r"$\|$", "\u00a0": "~",
}  # fmt: skip
_MARKDOWN = re.compile(r"([\\`*_\[\]<>#|$~])")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def cite(*keys: str) -> Cited:
    """A citation of these works."""
    return Cited(keys)


def cited(sentence: Sentence) -> list[str]:
    """The keys that a sentence cites."""
    return [key for part in sentence if isinstance(part, Cited) for key in part.keys]


def tex(sentence: Iterable[Part]) -> str:
    """The sentence in LaTeX; names from the data are escaped."""
    return "".join(_in_tex(part) for part in sentence)


def markdown(sentence: Iterable[Part]) -> str:
    """The sentence in Markdown, with authors and years in brackets; names from the data are escaped."""
    return "".join(_in_markdown(part) for part in sentence)


def tex_escaped(text: str) -> str:
    """A text as LaTeX shows it: every character that LaTeX takes for a command is escaped."""
    return "".join(_TEX.get(letter, letter) for letter in _CONTROL.sub(" ", text))


def _in_tex(part: Part) -> str:
    if isinstance(part, Formula):
        return f"${part.text}$"
    if isinstance(part, Cited):
        return rf"~\citep{{{','.join(part.keys)}}}"
    return tex_escaped(part)


def _in_markdown(part: Part) -> str:
    if isinstance(part, Formula):
        return f"${part.text}$"
    if isinstance(part, Cited):
        return "".join(f" ({in_words(key)})" for key in part.keys if key != "trimtab")  # a text names it already
    return _MARKDOWN.sub(r"\\\1", _CONTROL.sub(" ", part))
