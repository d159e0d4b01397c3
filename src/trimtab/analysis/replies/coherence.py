"""Fluency, on-topic and coherence of a reply, from measures that need no judge."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trimtab.analysis.samples import present

MAX_SCORE = 10.0
"""Coherence and scores go from 0 to this, changes from minus this to this."""
SLACK = 0.75
"""Nats per token by which a reply may be less likely than ordinary text at no cost."""
SPAN = 2.0
"""Further nats over which fluency falls from whole to nothing."""
FEW_TOKENS = 8
"""Tokens of ordinary text that a reply's mean is taken together with: a mean over three tokens says little."""
ENOUGH = 1 / 3
"""Share of the unsteered replies' usual lift at which a reply counts as wholly on topic."""
MIN_LIFT = 0.1
"""Nats per token. Where the usual unsteered reply has less, replies do not show which prompt they are for."""

_SPEAKER = ("run", "engine", "model", "behavior")


def with_coherence(replies: pd.DataFrame) -> pd.DataFrame:
    """The replies with their fluency, on-topic and coherence, each 0 to 10.

    Fluency is 10 times the worse of two parts. Likelihood: 1 up to an `excess` of `SLACK` over ordinary text, falling
    to 0 over `SPAN`; text that the unsteered model finds surprising at every token is not its language any more.
    Variety: the share of word triples that are different ones, since a loop is likely at every token and still no
    answer. An empty reply has 0.

    On-topic compares the reply's `lift`, how much likelier it is behind its own prompt than behind others, with the
    median lift of the unsteered replies of the same split; `ENOUGH` of it is 10, none is 0, and so is an empty reply.

    Coherence is the worse of the two, and fluency alone where on-topic is unknown.

    Args:
        replies: Columns `REPLIES`; `run` may come on top.

    Returns:
        The replies with `excess` and `lift`, in nats per token, `fluency`, `on_topic` and `coherence`. NaN: fluency
        without the likelihood of ordinary text, which runs of earlier versions lack; on-topic without other prompts,
        or where unsteered replies are no likelier behind their own prompts than behind others.
    """
    empty = replies["words"] == 0
    excess = replies["nll"] - replies["nll_ordinary"]
    certain = replies["tokens"] / (replies["tokens"] + FEW_TOKENS)
    likelihood = (1 - (excess * certain - SLACK) / SPAN).clip(0, 1)
    worst = pd.Series(np.minimum(likelihood, replies["distinct"]), index=replies.index)
    fluency = (MAX_SCORE * worst).mask(empty & replies["nll_ordinary"].notna(), 0)
    lift = replies["nll_other"] - replies["nll"]
    usual = _usual_lift(replies, lift)
    on_topic = (MAX_SCORE * lift / (ENOUGH * usual)).clip(0, MAX_SCORE).mask(empty & usual.notna(), 0)
    worse = pd.Series(np.fmin(fluency, on_topic), index=replies.index).where(fluency.notna())
    found: pd.DataFrame = replies.assign(excess=excess, lift=lift, fluency=fluency, on_topic=on_topic, coherence=worse)
    return found


def _usual_lift(replies: pd.DataFrame, lift: pd.Series[float]) -> pd.Series[float]:
    """The median lift of the unsteered replies, by split; NaN where it is too small to be a measure of anything."""
    owner = present(replies, (*_SPEAKER, "split"))
    # Unsteered replies are written for every scale; each prompt counts once.
    still = replies.assign(lift=lift)[replies["strength"] == 0].drop_duplicates([*owner, "prompt_id"])
    medians = still.groupby(owner, observed=True)["lift"].median().rename("usual").reset_index()
    usual: pd.Series[float] = replies[owner].merge(medians, on=owner, how="left")["usual"].set_axis(replies.index)
    known: pd.Series[float] = usual.where(usual >= MIN_LIFT)
    return known
