"""Replies to open prompts, what judges made of them, and how far each cell moves the model: the tables."""

from __future__ import annotations

WRITTEN_REPLIES = (
    "model", "behavior", "engine", "layer", "layers", "depth", "scale", "strength", "positions", "split", "prompt_id",
    "prompt", "reply", "finish", "tokens", "nll", "words", "distinct", "repeat", "refusal",
)  # fmt: skip
"""A row for each reply; the unsteered model's have strength 0, layer −1 and layers "".

finish: `end` where the model ended it, `length` where it was cut off; tokens: of the reply; nll: mean nats per token
under the *unsteered* model, NaN for an empty reply; words; distinct: share of its word triples that are different ones;
repeat: share of its words that its longest repeated run of words takes up; refusal: whether it declines to answer."""

REPLIES = (*WRITTEN_REPLIES, "nll_ordinary", "nll_other")
"""Replies that are read beside ordinary text and other prompts too, in nats per token under the unsteered model.

nll_ordinary: the median over the neutral passages that come with trimtab, the same number in every row; nll_other: of
the reply itself behind other prompts of the split, on average; NaN for an empty reply and where the split has one
prompt only. Both are missing in runs of earlier versions."""

JUDGEMENTS = (
    "model", "behavior", "engine", "layers", "scale", "strength", "positions", "split", "prompt_id", "judge", "score",
    "change", "coherence", "failure",
)  # fmt: skip
"""A row for each reply and judge: score 0 to 10; change −10 to 10, against the unsteered reply; coherence 0 to 10, NaN
for judges that do not look at it; failure: why there is no judgement, "" where there is one (the numbers are NaN then).
Judges that only compare have no rows for unsteered replies."""

DOSE = (
    "model", "behavior", "engine", "layer", "layers", "depth", "scale", "strength", "positions", "kl", "relative",
    "alpha",
)  # fmt: skip
"""A row for each steered cell: kl, the mean divergence of its next-token distributions from the unsteered ones on
neutral prompts, in nats; relative: norm of the push ÷ mean norm of the residual stream; alpha: the strength in units of
the vector, h + α·v (of several layers, their mean)."""
