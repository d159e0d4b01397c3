"""The tables of baselines: a vector that does more than a prompt, and less at the same dose."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.scenarios import compared_arms
from trimtab.analysis.baselines.arm_names import COMBINED, CONTRARY, FEW_SHOT, SYSTEM_PROMPT

SIZES = {
    (SYSTEM_PROMPT, "prompt"): 1.2, (FEW_SHOT, "prompt"): 0.5, ("mean", "vector"): 2.0,
    ("mean, equal dose", "vector"): 0.8, ("pca", "other vector"): 1.9, ("random", "control"): 0.1,
    (COMBINED, "both"): 2.8, (CONTRARY, "contrary"): 0.6,
}  # fmt: skip
DOSES = {SYSTEM_PROMPT: 0.4, FEW_SHOT: 0.7, COMBINED: 1.6, CONTRARY: 1.7}
ARM = ["arm", "kind", "side", "at", "wording"]


def planted_baselines(model: str = "tiny-135M", behavior: str = "cheerful") -> dict[str, pd.DataFrame]:
    """Every table of baselines of one model and behavior."""
    scores = compared_arms(np.random.default_rng(5), SIZES, n=20, behavior=behavior).assign(model=model)
    arms = scores[scores["arm"] != "plain"].drop_duplicates(ARM)
    prompts = arms["kind"] == "prompt"
    costs = arms.assign(
        kl=arms["arm"].map(DOSES).fillna(1.1).where(arms["at"] != "equal dose", 0.4),
        place=np.where(prompts, "system message", ""), milliseconds=31.0, plain_milliseconds=28.0,
        added_tokens=np.where(prompts, 24.0, 0.0),
    )  # fmt: skip
    test = scores[scores["split"] == "test"]
    easy = test.assign(score=np.where(test["arm"] == "plain", 1.0, test["score"] - 0.4))
    replies = _replies(test)
    moved = replies[replies["arm"] != "plain"]
    sign = np.where(moved["side"] == "for", 1.0, -1.0)
    judgements = moved.assign(judge="classifier", score=5.0, change=2 * sign, coherence=np.nan, failure="")
    tables = {"scores": scores, "arms": costs, "easy": easy, "replies": replies, "judgements": judgements}
    return {f"baselines/{name}": table.reset_index(drop=True) for name, table in tables.items()}


def _replies(test: pd.DataFrame) -> pd.DataFrame:
    """A short reply to the first prompts under every arm."""
    few = test[test["prompt_id"].isin(sorted(test["prompt_id"].unique())[:4])]
    return few.drop(columns=["scoring", "order", "label", "weight", "score"]).assign(
        prompt="How are you? " + few["prompt_id"].astype(str), reply="Fine, " + few["arm"], finish="end", tokens=12,
        nll=1.0, nll_ordinary=2.0, nll_other=3.0, words=6, distinct=1.0, repeat=0.1, refusal=False,
    )  # fmt: skip
