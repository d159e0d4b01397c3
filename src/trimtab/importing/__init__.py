"""Results of other programs, imported into run folders."""

from typing import Literal

__all__ = ["Values"]

Values = Literal["logits", "probabilities"]
"""What the two columns of a score hold: logits or log-probabilities, or probabilities."""
