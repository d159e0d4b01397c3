"""The diagnosis of what vectors are made of: pairs of completions, pairs of prompts, two lists."""

from trimtab.evaluation.diagnosing._diagnosed import Diagnosed, diagnose, diagnose_contrast, pair_differences

__all__ = ["Diagnosed", "diagnose", "diagnose_contrast", "pair_differences"]
