"""How replies to prompts that no behavior is about change: their length, refusals, loops and language."""

from __future__ import annotations

from typing import Any

import pandas as pd

from trimtab.analysis.bootstrap import wilson
from trimtab.analysis.samples import records

NEUTRAL = (
    "model", "behavior", "layers", "layer", "depth", "strength", "n", "words", "words_before", "refusals",
    "refusals_before", "refusals_low", "refusals_high", "repeat", "repeat_before", "language_kept", "language_n",
)  # fmt: skip


def neutral_changes(replies: pd.DataFrame) -> pd.DataFrame:
    """Measures of the replies in each steered cell beside those of the unsteered model to the same prompts.

    Args:
        replies: the columns of `REPLIES` and `language`, "" where a reply is too short to tell.

    Returns:
        The columns `NEUTRAL`. words: median; refusals: share, with Wilson's 95% interval; repeat: median share of a
        reply that its longest repeated run takes up; language_kept: share of replies in the language of the unsteered
        reply, among the `language_n` prompts where both can be told, NaN where none can.
    """
    rows: list[dict[str, Any]] = []
    for (model, behavior), mine in replies.groupby(["model", "behavior"], sort=False, observed=True):
        plain = mine[mine["strength"] == 0].set_index("prompt_id")
        for _, part in mine[mine["strength"] != 0].groupby(["layers", "strength"], sort=False):
            steered = part.set_index("prompt_id").reindex(plain.index)
            told = (plain["language"] != "") & (steered["language"] != "")
            same = (plain["language"] == steered["language"])[told]
            refused = int(steered["refusal"].sum())
            low, high = wilson(refused, len(steered))
            rows.append(
                {
                    "model": model, "behavior": behavior,
                    **records(part.head(1)[["layers", "layer", "depth", "strength"]])[0],
                    "n": len(steered),
                    "words": float(steered["words"].median()), "words_before": float(plain["words"].median()),
                    "refusals": refused / len(steered), "refusals_before": float(plain["refusal"].mean()),
                    "refusals_low": low, "refusals_high": high,
                    "repeat": float(steered["repeat"].median()), "repeat_before": float(plain["repeat"].median()),
                    "language_kept": float(same.mean()) if len(same) else float("nan"), "language_n": len(same),
                }
            )  # fmt: skip
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(NEUTRAL))
    return table
