"""How replies to prompts that no behavior is about change: their length, refusals, loops and language."""

from __future__ import annotations

from typing import Any

import pandas as pd

from trimtab.analysis.samples import records
from trimtab.stats.bootstrap import wilson
from trimtab.stats.significance import sign_test

NEUTRAL = (
    "model", "behavior", "chosen_by", "scale", "layers", "layer", "depth", "strength", "n", "words", "words_before",
    "refusals", "refusals_before", "refusals_low", "refusals_high", "repeat", "repeat_before", "language_kept",
    "language_low", "language_high", "language_n", "words_p", "refusals_p",
)  # fmt: skip


def neutral_changes(replies: pd.DataFrame) -> pd.DataFrame:
    """Measures of the replies in each steered cell beside those of the unsteered model to the same prompts.

    Args:
        replies: the columns of `REPLIES`, `language`, "" where a reply is too short to tell, and `chosen_by`, what
            chose the cells.

    Returns:
        The columns `NEUTRAL`. words: median; refusals: share, with Wilson's 95% interval; repeat: median share of a
        reply that its longest repeated run takes up; language_kept: share of replies in the language of the unsteered
        reply, among the `language_n` prompts where both are known, NaN where none are, with Wilson's interval.
        `words_p` and `refusals_p` are of exact sign tests, prompt by prompt: whether replies get longer or shorter, and
        whether more prompts are refused than before (of the prompts that change at all).
    """
    rows: list[dict[str, Any]] = []
    by = ["model", "behavior", "chosen_by"]
    for (model, behavior, chosen_by), mine in replies.groupby(by, sort=False, observed=True):
        plain = mine[mine["strength"] == 0].set_index("prompt_id")
        for _, part in mine[mine["strength"] != 0].groupby(["layers", "strength"], sort=False):
            steered = part.set_index("prompt_id").reindex(plain.index)
            told = (plain["language"] != "") & (steered["language"] != "")
            same = (plain["language"] == steered["language"])[told]
            refused = int(steered["refusal"].sum())
            low, high = wilson(refused, len(steered))
            language_low, language_high = wilson(int(same.sum()), len(same))
            rows.append(
                {
                    "model": model, "behavior": behavior, "chosen_by": chosen_by,
                    **records(part.head(1)[["scale", "layers", "layer", "depth", "strength"]])[0],
                    "n": len(steered),
                    "words": float(steered["words"].median()), "words_before": float(plain["words"].median()),
                    "refusals": refused / len(steered), "refusals_before": float(plain["refusal"].mean()),
                    "refusals_low": low, "refusals_high": high,
                    "repeat": float(steered["repeat"].median()), "repeat_before": float(plain["repeat"].median()),
                    "language_kept": float(same.mean()) if len(same) else float("nan"), "language_n": len(same),
                    "language_low": language_low, "language_high": language_high,
                    "words_p": sign_test(steered["words"].astype(float) - plain["words"].astype(float)),
                    "refusals_p": sign_test(steered["refusal"].astype(float) - plain["refusal"].astype(float)),
                }
            )  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(NEUTRAL))
    return table
