"""A warning about strengths far beyond what is usual for their scale: mostly they are in another unit."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from trimtab.errors import TrimtabWarning
from trimtab.steering import SCALES
from trimtab.study import Study

TOO_FAR = 2.0
"""Multiples of the largest usual size from which on a strength is warned of.

For `relative` that is 1: a push as long as the state that it is added to."""


def warn_of_strengths(scale: str, strengths: Iterable[float]) -> None:
    """Warn of strengths from `TOO_FAR` times the usual on; of scales without a usual range nothing is known.

    Args:
        scale: What the strengths mean.
        strengths: What was typed.
    """
    usual = SCALES.get(scale).usual_range
    if usual is None:
        return
    least, most = usual
    largest = max(map(abs, strengths), default=0.0)
    if largest >= TOO_FAR * most:
        warnings.warn(
            f"strength {largest:g} {scale} is {largest:g} times the length of the state that is pushed; usual are "
            f"{least:g} to {most:g}. Multiples of the vector are another scale, raw",
            TrimtabWarning,
            stacklevel=2,
        )


def warn_of_study(study: Study) -> None:
    """Warn of the strengths of a study, those of its replies included."""
    if study.share_strength:  # each layer has a part of it
        return
    warn_of_strengths(study.scale, study.strengths)
    replies = study.replies
    if replies is not None and replies.strengths is not None:
        warn_of_strengths(replies.scale or study.scale, replies.strengths)
