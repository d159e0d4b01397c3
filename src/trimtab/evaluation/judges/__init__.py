"""Judges of replies to open prompts, behind one small interface."""

from trimtab.evaluation.judges.base import MOST, Exchange, Judge, Judgement
from trimtab.evaluation.judges.cost import Cost
from trimtab.evaluation.judges.language_model import LanguageModelJudge
from trimtab.evaluation.judges.pattern import PatternJudge

__all__ = ["MOST", "Cost", "Exchange", "Judge", "Judgement", "LanguageModelJudge", "PatternJudge"]
