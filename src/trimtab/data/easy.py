"""Easy questions, on which it is measured whether a steered model still gets things right."""

from __future__ import annotations

from trimtab.data.builtin import BuiltIn
from trimtab.data.pairs import Behavior


def easy_questions() -> Behavior:
    """80 questions, each with its right short answer (positive) and a wrong one of the same kind (negative).

    They are there to be answered, not to be steered towards: a model's share of right answers, scored as text, falls
    where a push harms what it knows. Questions come in twos with the same two answers, right in one and wrong in the
    other ("Paris." and "Rome."), so anyone who prefers an answer whatever is asked gets exactly half of them right.
    Their topics (`meta["topic"]`) are facts, arithmetic, words, reading, ordering, everyday and science. The bundled
    model gets 85% of them right, by design: the questions were chosen to leave room to fall, and some to rise.
    """
    return BuiltIn("easy-questions", "text", "Gives the right short answer to an easy question.").load()
