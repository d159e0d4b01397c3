"""Findings about scores: what moved, by how much, and what limits it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.cells import sized
from trimtab.analysis.claims import Claim
from trimtab.analysis.findings import Finding, Sentence, Subject, Values, caution, ordered, picked
from trimtab.analysis.samples import present, records, several
from trimtab.analysis.scores import score_sentences as sentences
from trimtab.analysis.scores.choice import OWNER

FEW_PROMPTS = 20
"""Below this many prompts an interval from resampling is too narrow to rely on."""

STEADY = 0.05
"""Unsteered scores that vary by less than this share of their own size make Δ explode."""

LARGE_ANTI = 0.25
"""Share of anti-steerable prompts from which on the mean hides too much to report it without a caution."""

WRONG_WAY = 0.1
"""Share of delta by which one end has to move against its sign for a caution."""

NO_STANDING: dict[str, Any] = {"best": False, "alike": 0, "ahead": 0, "such_as": "", "rival": {}}
"""Of a chosen cell that is not compared with others on the prompts that report it."""

NEGLIGIBLE_DIFFERENCE = 0.2
"""In unsteered standard deviations: a difference between option orders below this is no caution."""


def findings(
    effects: pd.DataFrame,
    best: pd.DataFrame,
    *,
    checks: pd.DataFrame,
    blindness: pd.DataFrame | None = None,
    orders: pd.DataFrame | None = None,
    steerability: pd.DataFrame | None = None,
) -> list[Finding]:
    """Findings about scores: effects first (largest Δ first), then what did not move, then cautions.

    Args:
        effects: What `effects` returned.
        best: What `best_cells` returned for it.
        checks: What `chosen_checks` returned for it.
        blindness: What `option_blindness` returned, for choice scoring.
        orders: What `order_effects` returned, for choice scoring.
        steerability: What `steerability` returned.
    """
    found = []
    for row in records(best.sort_values("glass", ascending=False, na_position="last")):
        check = records(_mine(checks, row))[0]
        found.append(_verdict(row, check, effects, best))
        cautions = _cautions(row, check, _same(effects, row))
        found += [caution(subject(row, best), sentence, values, claims=claims) for sentence, values, claims in cautions]
    if best.empty:
        found.append(Finding("negative", sentences.nothing_measured))
    for row in records(orders):
        found += _order_caution(row, best)
    for row in records(steerability):
        found += _anti_caution(row, best)
    for row in records(blindness):
        found += _blind_caution(row, best)
    return ordered(found)


def subject(row: dict[str, Any], best: pd.DataFrame) -> Subject:
    """The subject of a row: the behavior, and model, run, engine or scoring where there are several."""
    return Subject.of(row, several(best, ("model", "run", "engine", "scoring")))


def _same(effects: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """The cells of the same split, scale, positions and strength as a chosen cell: its layer curve."""
    names = [*present(effects, OWNER), "split", "scale", "positions", "strength"]
    mask = np.logical_and.reduce([effects[name] == row[name] for name in names])
    curve: pd.DataFrame = effects[mask]
    return curve


def _mine(table: pd.DataFrame, row: dict[str, Any]) -> pd.DataFrame:
    """The rows of a table about the model and behavior that a row is about."""
    mask = np.logical_and.reduce([table[name] == row[name] for name in present(table, OWNER)])
    mine: pd.DataFrame = table[mask]
    return mine


def _cell(effects: pd.DataFrame, row: dict[str, Any], split: str) -> dict[str, Any]:
    """A chosen cell's row of the effects on one of the splits."""
    names = [*present(effects, OWNER), "scale", "positions", "layers", "strength"]
    mask = np.logical_and.reduce([effects[name] == row[name] for name in names])
    return records(effects[mask & (effects["split"] == split)])[0]


def _size(row: dict[str, Any]) -> dict[str, Any]:
    """The size of an effect, as sentences give it."""
    ends = [f"{name}_{end}" for name in ("delta", "glass") for end in ("low", "high")]
    return picked(row, "layers", "strength", "scoring", "delta", "glass", *ends)


def _values(row: dict[str, Any], effects: pd.DataFrame) -> dict[str, Any]:
    """What every sentence about a chosen cell gives: where it is, its size, and what it was measured on."""
    values = {
        **_size(row),
        **picked(row, "layer", "depth", "scale", "compared", "n", "held_out", "candidates"),
        **picked(row, "tests", "p", "p_adjusted"),
    }
    if row["held_out"]:
        values |= {
            "chosen_n": int(_cell(effects, row, str(row["chosen_on"]))["n"]),
            "chosen_by": row["chosen_by"],
            "chosen_value": row[f"chosen_{row['chosen_by']}"],
        }
    return values


def _verdict(row: dict[str, Any], check: dict[str, Any], effects: pd.DataFrame, best: pd.DataFrame) -> Finding:
    about, values = (subject(row, best),), _values(row, effects)
    standing, claims = _standing(row, check)
    values["standing"] = standing
    if not row["moved"]:
        if not np.isfinite(row["delta_low"]):
            return Finding("negative", sentences.score_without_interval, values, about, decisive=True)
        return _not_moved(about, values, row, effects)
    p = row["p" if row["held_out"] else "p_adjusted"]
    claim = Claim("effect", str(about[0]), row["delta"], row["delta_low"], row["delta_high"], p)
    if row["delta"] < 0:
        # Standing compares deltas from below here: that others do more is no news.
        values["standing"] = NO_STANDING
        return Finding("negative", sentences.score_reversed, values, about, claims=[claim], decisive=True)
    return Finding("effect", sentences.score_effect, values, about, claims=[claim, *claims])


def _not_moved(about: tuple[Subject], values: Values, row: dict[str, Any], effects: pd.DataFrame) -> Finding:
    """A cell that is not shown to move stands for all cells only where no other is shown to, either.

    The others are a second look at the same prompts: their p counts twice.
    """
    names = [*present(effects, OWNER), "split"]
    mine = effects[np.logical_and.reduce([effects[name] == row[name] for name in names])]
    claims = [
        Claim("effect", str(about[0]), cell["delta"], cell["delta_low"], cell["delta_high"], 2 * cell["p_adjusted"])
        for cell in records(mine)
    ]
    shown = mine[[claim.supported and math.isfinite(claim.p) for claim in claims]]
    if shown.empty:
        return Finding("negative", sentences.no_score_effect, values, about, decisive=True)
    other = records(shown.sort_values("p_adjusted", kind="stable").head(1))[0]
    p = 2 * other["p_adjusted"]
    claim = Claim("effect", str(about[0]), other["delta"], other["delta_low"], other["delta_high"], p)
    elsewhere = {**values, "other": {**_size(other), **picked(other, "p_adjusted", "tests")}}
    return Finding("negative", sentences.score_effect_elsewhere, elsewhere, about, claims=[claim], decisive=True)


def _standing(row: dict[str, Any], check: dict[str, Any]) -> tuple[dict[str, Any], list[Claim]]:
    """How the chosen cell stands on the reported prompts: it is the best only on those that chose it."""
    if not row["held_out"] or not check["others"] > 0:
        return NO_STANDING, []
    here = sentences.layers_in_words(row["layers"])
    alike, ahead = int(check["alike"] or 0), int(check["ahead"] or 0)
    standing = {**NO_STANDING, "alike": alike, "ahead": ahead}
    rival, claims = _rival(row, check, here)
    if rival and claims:
        standing["rival"] = rival
    elif rival and rival["layers"] != str(row["layers"]):
        standing["such_as"] = rival["name"]
    best = Claim("best", here, check["margin"], p=check["behind_p"])
    if check["other_layers"] > 0 and not alike and not ahead and best.above:
        return {**standing, "best": True}, [*claims, best]
    return standing, claims


def _rival(row: dict[str, Any], check: dict[str, Any], here: str) -> tuple[dict[str, Any], list[Claim]]:
    """The cell that has the largest delta on the reported prompts, if another, and the claim that it does more."""
    if not isinstance(check["rival_layers"], str):
        return {}, []
    same = check["rival_layers"] == str(row["layers"])
    strength = f"strength {sized(check['rival_strength'], row['compared'])}"
    name = f"{strength} there" if same else sentences.layers_in_words(check["rival_layers"])
    if not same and check["rival_strength"] != row["strength"]:
        name += f" at {strength}"
    value = check["rival_delta"]
    claim = Claim("order", f"{name} above {here}", value, p=check["rival_p"], against=row["delta"])
    rival = {
        "name": name, "layers": check["rival_layers"], "strength": check["rival_strength"], "delta": value,
        "p": check["rival_p"], "others": check["others"],
    }  # fmt: skip
    return rival, [claim] if claim.above else []


def _cautions(
    row: dict[str, Any], check: dict[str, Any], curve: pd.DataFrame
) -> Iterator[tuple[Sentence, dict[str, Any], list[Claim]]]:
    if row["n"] < FEW_PROMPTS:
        yield sentences.few_prompts, picked(row, "n"), []
    if row["sd_zero"] == 0:
        yield sentences.constant_scores, {}, []
    elif row["sd_zero"] < STEADY * abs(row["mean_zero"]):
        yield sentences.steady_scores, picked(row, "sd_zero", "mean_zero"), []
    if not row["moved"]:
        return
    for end, name, sign in (("+α", "up", 1), ("−α", "down", -1)):
        claim = Claim("effect", name, check[name], check[f"{name}_low"], check[f"{name}_high"])
        # Against the sign of delta, and by more than a small part of it.
        if claim.supported and check[name] / row["delta"] < -WRONG_WAY:
            low, high = sorted(sign * check[f"{name}_{side}"] for side in ("low", "high"))
            change = {"change": sign * check[name], "change_low": low, "change_high": high}
            means = picked(row, "delta", "mean_minus", "mean_zero", "mean_plus")
            yield sentences.one_end_reversed, {"end": end, **change, **means}, [claim]
    swept = curve["layer"].unique()
    first, last = row["layer"] == swept.min(), row["layer"] == swept.max()
    # Beyond the first and the last layer of a model there are none.
    if len(swept) > 2 and ((first and row["layer"] > 0) or (last and row["depth"] < 1)):
        yield sentences.edge_of_sweep, {"end": "first" if first else "last"}, []


def _order_caution(row: dict[str, Any], best: pd.DataFrame) -> list[Finding]:
    """A caution where the delta depends on the order of the options: then the letter is being steered."""
    about = subject(row, best)
    claim = Claim("difference", str(about), row["difference"], row["difference_low"], row["difference_high"])
    if not claim.supported:
        return []
    weak, strong = sorted((row["delta_given"], row["delta_swapped"]), key=abs)
    spread = float(_mine(best, row)["sd_zero"].iloc[0])
    if weak / strong > 0.5 or abs(row["difference"]) < NEGLIGIBLE_DIFFERENCE * spread:
        return []
    values = picked(row, "delta_given", "delta_swapped", "difference", "difference_low", "difference_high")
    return [caution(about, sentences.order_dependence, values, claims=[claim], decisive=True)]


def _anti_caution(row: dict[str, Any], best: pd.DataFrame) -> list[Finding]:
    mine = _mine(best, row)
    moved = bool((mine["moved"] & (mine["delta"] > 0)).any())
    if not moved or row["anti"] < LARGE_ANTI:
        return []
    about = subject(row, best)
    share = Claim("share", str(about), row["anti"], row["anti_low"], row["anti_high"])
    values = picked(row, "n", "anti", "anti_low", "anti_high")
    return [caution(about, sentences.anti_steerable_prompts, values, claims=[share], decisive=True)]


def _blind_caution(row: dict[str, Any], best: pd.DataFrame) -> list[Finding]:
    sentence = sentences.BLINDNESS.get(row["verdict"])
    if sentence is None:
        return []
    about = subject(row, best)
    claim = Claim("difference", str(about), row["share"], row["low"], row["high"], against=0.5)
    values = picked(row, "verdict", "share", "low", "high", "share_centred", "n")
    claims = [] if row["verdict"] == "unclear" else [claim]
    return [caution(about, sentence, values, "data", claims, decisive=row["verdict"] == "blind")]
