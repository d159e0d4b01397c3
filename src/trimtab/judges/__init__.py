"""Judges of replies to open prompts: one interface, one registry."""

from trimtab.judges.base import MAX_SCORE, Exchange, Judge, Judgement
from trimtab.judges.language_model import LanguageModelJudge
from trimtab.judges.pattern import PatternJudge
from trimtab.judges.registry import JUDGES, parse_judge
from trimtab.judges.settings import NO_EFFECT, VERDICTS, JudgeSettings
from trimtab.llm import Cost

__all__ = [
    "JUDGES",
    "MAX_SCORE",
    "NO_EFFECT",
    "VERDICTS",
    "Cost",
    "Exchange",
    "Judge",
    "JudgeSettings",
    "Judgement",
    "LanguageModelJudge",
    "PatternJudge",
    "parse_judge",
]
