"""The effect of every arm on the held-out prompts, with its interval, its doses and its costs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.baselines.arm_names import ARM, CANDIDATE, PLAIN, SIDES, SYSTEM_PROMPT
from trimtab.analysis.baselines.choosing import by_prompt, chosen_wording, toward
from trimtab.analysis.samples import records
from trimtab.stats.bootstrap import Array, intervals, spread, weighted_mean, wilson
from trimtab.stats.significance import sign_flip

ARM_EFFECTS = (
    "model", "behavior", "scoring", "side", *(name for name in ARM if name != "side"), "chosen", "layers", "strength",
    "scale", "n", "unsteered", "effect", "effect_low", "effect_high", "glass", "p", "p_adjusted", "anti", "anti_low",
    "anti_high", "least", "most", "wordings", "place", "kl", "added_tokens", "milliseconds", "plain_milliseconds",
    "easy_right", "easy_plain", "coherence", "coherence_plain", "fluency", "on_topic",
)  # fmt: skip
MIN_PROMPTS = 3
"""Prompts below which an arm is not measured."""
_OWNER = ["model", "behavior", "scoring"]


@dataclass(frozen=True, eq=False)
class Matrix:
    """The scores of one model and behavior on the held-out prompts, an arm beside the other."""

    owner: dict[str, Any]
    arms: list[dict[str, Any]]
    """The columns `ARM`, layers, strength, scale and `chosen` of each; of system prompts those not chosen, too."""
    scores: Array
    """[n_prompts, n_arms]; NaN where a prompt was not fully measured."""
    plain: Array
    """Of the plain model [n_prompts]."""
    weight: Array
    """Weight of each prompt [n_prompts]."""

    def moved(self, place: int, side: str = "") -> Array:
        """What an arm changes, toward its own side or another [n_prompts]."""
        return toward(side or str(self.arms[place]["side"])) * (self.scores[:, place] - self.plain)

    def place(self, arm: str, side: str, at: str = "") -> int | None:
        """The column of a chosen arm; None where it was not measured."""
        for place, found in enumerate(self.arms):
            if found["chosen"] and (found["arm"], found["side"], found["at"]) == (arm, side, at):
                return place
        return None


def matrices(scores: pd.DataFrame) -> Iterator[Matrix]:
    """The scores of each model and behavior on the held-out prompts.

    Args:
        scores: The table `baselines/scores`.
    """
    for key, mine in scores.groupby(_OWNER, sort=False, observed=True):
        table = by_prompt(mine, "test")
        table = table[table["at"] != CANDIDATE]
        plain = table[table["arm"] == PLAIN].set_index("prompt_id")
        if plain.empty:
            continue  # the run was stopped while this was measured again; resuming finishes it
        wording = {side: chosen_wording(mine, side) for side in SIDES}
        arms: list[dict[str, Any]] = []
        columns = []
        keys = [*ARM, "layers", "strength", "scale"]
        for _, rows in table[table["arm"] != PLAIN].groupby(keys, sort=False, observed=True):
            arm = records(rows.head(1)[keys])[0]
            several = arm["arm"] == SYSTEM_PROMPT
            arms.append({**arm, "chosen": not several or wording[str(arm["side"])] in ("", arm["wording"])})
            columns.append(rows.set_index("prompt_id")["score"].reindex(plain.index).to_numpy(float))
        matrix = np.stack(columns, axis=1) if columns else np.empty((len(plain), 0))
        owner = dict(zip(_OWNER, key, strict=True))
        yield Matrix(owner, arms, matrix, plain["score"].to_numpy(float), plain["weight"].to_numpy(float))


def arm_effects(
    scores: pd.DataFrame,
    arms: pd.DataFrame | None = None,
    easy: pd.DataFrame | None = None,
    quality: pd.DataFrame | None = None,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """The effect of every arm, toward the side that it is for, against the plain model on the same prompts.

    Args:
        scores: The table `baselines/scores`.
        arms: The table `baselines/arms`: doses and costs.
        easy: The table `baselines/easy`.
        quality: From `reply_quality`, where the scores are judged replies.
        draws: Bootstrap resamples of prompts, for BCa intervals.
        seed: Of the resamples and of the sign flips.

    Returns:
        The columns `ARM_EFFECTS`. `effect`: mean score under the arm minus the plain one, with the sign turned for arms
        against the behavior. `p`: sign flips; `p_adjusted`: corrected for the arms of the side. `anti`: share of the
        prompts that move the wrong way, with Wilson's interval. `least` and `most`: the effects of all wordings of the
        system prompt. `chosen`: of these, the wording that did most on the prompts that choose; True of other arms.
    """
    rows = [row for matrix in matrices(scores) for row in _effects(matrix, draws, seed)]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(ARM_EFFECTS[: ARM_EFFECTS.index("place")]))
    # With the setting: the one that replies recommend has other doses than the one that scores chose.
    keys = ["model", "behavior", *ARM, "layers", "strength"]
    for more in (arms, _easy_shares(easy), quality):
        if more is not None and len(more):
            own = [column for column in more.columns if column in ARM_EFFECTS and column not in table.columns]
            table = table.merge(more[[*keys, *own]].drop_duplicates(keys), on=keys, how="left")
    result: pd.DataFrame = table.reindex(columns=list(ARM_EFFECTS))
    return result


def _effects(matrix: Matrix, draws: int, seed: int) -> Iterator[dict[str, Any]]:
    for side in SIDES:
        places = [place for place, arm in enumerate(matrix.arms) if arm["side"] == side]
        if not places:
            continue
        moved = np.stack([matrix.moved(place) for place in places], axis=1)
        p, adjusted = sign_flip(moved, matrix.weight, seed=seed)
        means = [_mean(moved[:, i], matrix.weight) for i in range(len(places))]
        of_prompt = [m for m, place in zip(means, places, strict=True) if matrix.arms[place]["arm"] == SYSTEM_PROMPT]
        for i, place in enumerate(places):
            arm = matrix.arms[place]
            known = np.isfinite(moved[:, i])
            n = int(known.sum())
            low, high = interval_of(moved[:, i], matrix.weight, draws, seed)
            deviation = spread(matrix.plain[known], matrix.weight[known]) if n > 1 else math.nan
            against = int((moved[known, i] < 0).sum())
            anti_low, anti_high = wilson(against, n) if n else (math.nan, math.nan)
            several = arm["arm"] == SYSTEM_PROMPT and len(of_prompt) > 1
            yield {
                **matrix.owner, **arm, "n": n, "unsteered": _mean(matrix.plain, matrix.weight), "effect": means[i],
                "effect_low": low, "effect_high": high, "glass": means[i] / deviation if deviation > 0 else math.nan,
                "p": p[i], "p_adjusted": adjusted[i], "anti": against / n if n else math.nan, "anti_low": anti_low,
                "anti_high": anti_high, "least": min(of_prompt) if several else math.nan,
                "most": max(of_prompt) if several else math.nan, "wordings": len(of_prompt) if several else 0,
            }  # fmt: skip


def interval_of(values: Array, weight: Array, draws: int, seed: int) -> tuple[float, float]:
    """The 95% BCa interval of a weighted mean; NaN for too few prompts."""
    known = np.isfinite(values)
    if known.sum() < MIN_PROMPTS:
        return math.nan, math.nan
    found, _ = intervals(values[known][:, None], (), weight[known], draws=draws, seed=seed)
    return float(found.low[0]), float(found.high[0])


def _mean(values: Array, weight: Array) -> float:
    known = np.isfinite(values)
    return weighted_mean(values[known], weight[known]) if known.any() else math.nan


def _easy_shares(easy: pd.DataFrame | None) -> pd.DataFrame | None:
    """The share of the easy questions whose right answer is the likelier one, of each arm and of the plain model."""
    if easy is None or easy.empty:
        return None
    keys = ["model", "behavior", *ARM, "layers", "strength"]
    shares = easy.assign(easy_right=easy["score"] > 0).groupby(keys, sort=False, observed=True)["easy_right"].mean()
    table = shares.reset_index()
    plain = table[table["arm"] == PLAIN][["model", "behavior", "easy_right"]].rename(
        columns={"easy_right": "easy_plain"}
    )
    found: pd.DataFrame = table[table["arm"] != PLAIN].merge(plain, on=["model", "behavior"], how="left")
    return found
