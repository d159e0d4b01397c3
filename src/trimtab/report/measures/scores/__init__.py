"""What a report shows of scores: effects, chosen cells, models side by side, and what limits them."""

from trimtab.report.measures.scores.score_report import SCORES
from trimtab.report.measures.scores.score_results import ScoreResults

__all__ = ["SCORES", "ScoreResults"]
