"""Judges of replies to open prompts, behind one small interface."""

from trimtab.evaluation.judges.base import MOST, Exchange, Judge, Judgement

__all__ = ["MOST", "Exchange", "Judge", "Judgement"]
