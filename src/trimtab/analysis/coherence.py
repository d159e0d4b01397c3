"""How well a reply holds together, from measures that need no judge."""

from __future__ import annotations

import numpy as np
import pandas as pd

MOST = 10.0
"""Coherence and scores go from 0 to this, changes from minus this to this."""
SLACK = 0.5
"""Nats per token by which a reply may be less likely than the unsteered one to the same prompt at no cost."""
SPAN = 2.0
"""Further nats over which fluency falls from whole to nothing."""


def with_coherence(replies: pd.DataFrame) -> pd.DataFrame:
    """The replies with `excess`, nats per token above the unsteered reply to the same prompt, and `coherence`, 0 to 10.

    Coherence is 10 times the worse of two parts. Fluency: 1 up to an excess of `SLACK`, falling to 0 over `SPAN`; a
    reply that the unsteered model finds surprising at every token is not its language any more. Variety: the share of
    word triples that are different ones, since a loop is likely at every token and still no answer. An empty reply
    has 0.
    """
    owner = [name for name in ("run", "engine", "model", "behavior", "split", "prompt_id") if name in replies.columns]
    plain = replies[replies["strength"] == 0].drop_duplicates(owner)[[*owner, "nll"]]
    table = replies.merge(plain.rename(columns={"nll": "nll_unsteered"}), on=owner, how="left")
    # Where the unsteered model says nothing, its other replies tell what is likely to it.
    speaker = [name for name in ("run", "engine", "model", "behavior") if name in replies.columns]
    usual = table.groupby(speaker, observed=True)["nll_unsteered"].transform("median")
    excess = table["nll"] - table["nll_unsteered"].fillna(usual)
    fluency = (1 - (excess - SLACK) / SPAN).clip(0, 1)
    whole = MOST * np.minimum(fluency, table["distinct"])
    coherence = whole.where(table["words"] > 0, 0.0)
    joined: pd.DataFrame = table.drop(columns="nll_unsteered").assign(excess=excess, coherence=coherence)
    return joined
