"""Judged replies of the arms, in the shape of scores, and how coherent they are."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trimtab.analysis.baselines.arm_names import ARM, PLAIN
from trimtab.analysis.replies.coherence import with_coherence

REPLIES_SCORING = "replies"
"""What stands for the scoring where an arm's score is a judge's verdict on its reply."""
QUALITY = ("coherence", "fluency", "on_topic")
_REPLY = ["model", "behavior", "prompt_id", *ARM]


def judged_scores(replies: pd.DataFrame, judgements: pd.DataFrame) -> pd.DataFrame:
    """The verdicts of the first judge as scores: the change of each reply against the plain model's, which has 0.

    Args:
        replies: The table `baselines/replies`.
        judgements: The table `baselines/judgements`.

    Returns:
        What `trimtab.analysis.baselines.arm_effects` reads, with the scoring `replies`. A failed judgement is NaN.
    """
    first = _first(judgements)
    moved = first.assign(score=first["change"].astype(float))
    plain = replies[replies["arm"] == PLAIN].assign(score=0.0)
    columns = ["model", "behavior", "split", "prompt_id", "layers", "strength", "scale", *ARM, "score"]
    both: pd.DataFrame = pd.concat([plain[columns], moved[columns]], ignore_index=True)
    scores: pd.DataFrame = both.assign(scoring=REPLIES_SCORING, order=0, weight=1.0)
    return scores


def reply_quality(replies: pd.DataFrame, judgements: pd.DataFrame | None) -> pd.DataFrame:
    """Mean coherence, fluency and on-topic of each arm's replies, 0 to 10, and those of the plain model beside them.

    Coherence is the first judge's where it rates it, else the worse of fluency and on-topic.

    Returns:
        model, behavior, the columns `ARM`, layers, strength, coherence, fluency, on_topic, coherence_plain, scoring.
    """
    # On-topic is measured by the plain model's replies: those of other arms without a push are no such.
    marked = replies.assign(strength=np.where(replies["arm"] == PLAIN, 0.0, 1.0))
    rated = with_coherence(marked).assign(strength=replies["strength"])
    if judgements is not None and len(judgements):
        own = _first(judgements)[[*_REPLY, "coherence"]].rename(columns={"coherence": "own"})
        rated = rated.merge(own, on=_REPLY, how="left")
        rated["coherence"] = rated["own"].astype(float).fillna(rated["coherence"])
    keys = ["model", "behavior", *ARM, "layers", "strength"]
    means = rated.groupby(keys, sort=False, observed=True)[list(QUALITY)].mean().reset_index()
    plain = means[means["arm"] == PLAIN].set_index(["model", "behavior"])["coherence"].rename("coherence_plain")
    found: pd.DataFrame = means[means["arm"] != PLAIN].join(plain, on=["model", "behavior"])
    quality: pd.DataFrame = found.assign(scoring=REPLIES_SCORING)
    return quality


def _first(judgements: pd.DataFrame) -> pd.DataFrame:
    """The rows of the first judge of each model and behavior."""
    by = ["model", "behavior"]
    first = judgements.drop_duplicates(by)[[*by, "judge"]]
    rows: pd.DataFrame = judgements.merge(first, on=[*by, "judge"])
    return rows
