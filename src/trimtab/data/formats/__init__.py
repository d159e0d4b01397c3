"""File formats of contrastive pairs, one file each.

A format from outside this package is a subclass of `PairFormat`, registered with `PAIR_FORMATS.register` or by an
entry point in the group `trimtab.pair_formats`. Files are JSON lines; the keys of the rows decide about the format.
"""

from __future__ import annotations

from trimtab._util.registry import Entry, Registry
from trimtab.data.formats.base import PairFormat

PAIR_FORMATS: Registry[PairFormat] = Registry(
    "pair format",
    "trimtab.pair_formats",
    {
        "pairs": Entry(
            "trimtab.data.formats.native:PAIRS", "pairs.jsonl: prompt, positive, negative; choices for choice pairs."
        ),
        "evals": Entry(
            "trimtab.data.formats.evals:EVALS",
            "Model-written evals: question, answer_matching_behavior, answer_not_matching_behavior.",
        ),
    },
)
"""Every pair format by name. Where two fit a file equally well, the first is taken."""

__all__ = ["PAIR_FORMATS", "PairFormat"]
