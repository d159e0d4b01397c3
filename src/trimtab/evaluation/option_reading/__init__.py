"""Which option a reply chooses, read from its text; and whether a reply is a refusal."""

from trimtab.evaluation.option_reading._reading import Reading, can_stop, read_answer
from trimtab.evaluation.option_reading._refusals import is_refusal

__all__ = ["Reading", "can_stop", "is_refusal", "read_answer"]
