"""Robustness: how well an effect holds under paraphrases, system prompts, option orders, and on other prompts."""

from trimtab.analysis.robustness.robustness_findings import robustness_findings
from trimtab.analysis.robustness.survival import HALF, PLAIN_VARIANT, ROBUSTNESS, robustness

__all__ = ["HALF", "PLAIN_VARIANT", "ROBUSTNESS", "robustness", "robustness_findings"]
