"""Baselines: the vector beside prompts, other vectors and fine-tuning, on the same prompts."""

from trimtab.analysis.baselines.arm_differences import ARM_DIFFERENCES, arm_differences
from trimtab.analysis.baselines.arm_effects import ARM_EFFECTS, arm_effects
from trimtab.analysis.baselines.baseline_findings import baseline_findings
from trimtab.analysis.baselines.judged_arms import judged_scores, reply_quality

__all__ = [
    "ARM_DIFFERENCES",
    "ARM_EFFECTS",
    "arm_differences",
    "arm_effects",
    "baseline_findings",
    "judged_scores",
    "reply_quality",
]
