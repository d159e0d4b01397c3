"""Findings about imported probabilities: what cannot be scored, prompt against vector, choice of layer, letters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from trimtab._util.wording import listed, plural
from trimtab.analysis.claims import LARGE_FALL, Claim
from trimtab.analysis.findings import Finding, Kind, Subject, Values, caution, picked, subject_first
from trimtab.analysis.formatting import fixed, p_equals, percent, signed_strength, with_interval
from trimtab.analysis.imported.item_matrices import NO_COLUMN
from trimtab.analysis.imported.item_scores import LITTLE
from trimtab.analysis.imported.split_choice import JOINT
from trimtab.analysis.samples import records

MEASURE = "imported"
MAX_NAMED = 6
MANY = 0.1
"""Share of prompts, or of a change, from which on a caution is given."""


def imported_findings(tables: Mapping[str, pd.DataFrame], splits: int) -> list[Finding]:
    """What imported items show, and what limits it.

    Args:
        tables: `scores`, `unscored`, `contrasts`, `choice` and `changes`, as the functions of this package return them.
        splits: Random halves that the choice was repeated on.
    """
    scores = tables["scores"]
    named = [name for name in ("model", "engine", "scoring") if len(scores) and scores[name].nunique() > 1]
    return [
        *_arms(tables["contrasts"], named),
        *_choice(tables["choice"], named, splits),
        *_letters(tables["changes"], tables["choice"], named),
        *_unscored(tables["unscored"], scores, named),
        *_little(scores, named),
    ]


def _arms(contrasts: pd.DataFrame, named: list[str]) -> list[Finding]:
    """For each condition, at the largest strength, what prompt and vector do alone and together."""
    found = []
    unit = "share" if (contrasts["unit"] == "share").any() else "logits"
    mine = contrasts[contrasts["unit"] == unit]
    for _, rows in mine.groupby(["model", "behavior", "engine", "scoring", "condition"], sort=False):
        above = rows[rows["strength"] == rows["strength"].max()]
        for _, cell in above.groupby(["scale", "positions", "layers"], sort=False):
            by_name = {row["contrast"]: row for row in records(cell)}
            row = by_name["both − prompt"]
            place = picked(row, "condition", "layers", "strength", "scale", "positions", "unit")
            for sentence, names in (
                (alone, ("prompt − neither", "vector − neither")),
                (together, ("both − prompt", "both − vector")),
            ):
                parts = [_difference(by_name[name]) for name in names]
                claims = [claim for part in parts if (claim := _claim(part, str(row["behavior"]))).supported]
                values = {**place, "parts": [{**part, "shown": _claim(part, "").supported} for part in parts]}
                kind: Kind = "effect" if claims else "negative"
                found.append(Finding(kind, sentence, values, (Subject.of(row, named),), MEASURE, claims))
    return found


def _difference(row: Mapping[str, Any]) -> dict[str, float]:
    values = {"value": row["difference"], "low": row["difference_low"], "high": row["difference_high"]}
    return {**values, "p": row["p_adjusted"]}


def _claim(part: Mapping[str, float], of: str) -> Claim:
    return Claim("difference", of, part["value"], part["low"], part["high"], part["p"])


def _choice(choice: pd.DataFrame, named: list[str], splits: int) -> list[Finding]:
    """What the choice of the layer adds: of one layer for all behaviors, where there are several."""
    found = []
    for _, rows in choice.groupby(["model", "behavior", "engine", "scoring", "scale", "positions"], sort=False):
        unit = "share" if (rows["unit"] == "share").any() else "logits"
        rule = rows[(rows["unit"] == unit) & (rows["rule"] == JOINT)]
        row = records(rule if len(rule) else rows[rows["unit"] == unit])[0]
        values = picked(
            row, "rule", "unit", "layers", "delta", "delta_low", "delta_high", "chosen_half", "held_out", "same",
            "candidates", "n",
        )  # fmt: skip
        large = row["chosen_half"] > 0 and row["split_optimism"] > LARGE_FALL * row["chosen_half"]
        found.append(
            caution(
                Subject.of(row, named), held_out_choice, {**values, "splits": splits}, MEASURE, decisive=bool(large)
            )
        )
    return found


def _letters(changes: pd.DataFrame, choice: pd.DataFrame, named: list[str]) -> list[Finding]:
    """The part of a change that is the letter's, at the settings that conditions or the choice of the layer look at."""
    found = []
    plain = changes[changes["plain"].astype(bool)]
    for _, rows in plain.groupby(["model", "behavior", "engine", "scoring"], sort=False):
        unit = "share" if (rows["unit"] == "share").any() else "logits"
        shown = rows[rows["unit"] == unit]
        at = shown[shown["crossed"]] if shown["crossed"].any() else _chosen(shown, choice)
        for row in records(at):
            claim = Claim("change", str(row["behavior"]), row["letter"], row["letter_low"], row["letter_high"])
            if not claim.supported or abs(row["letter"]) < MANY * abs(row["change"]):
                continue
            whole = Claim("change", "", row["change"], row["change_low"], row["change_high"])
            even = Claim("change", "", row["balanced"], row["balanced_low"], row["balanced_high"])
            values = {**row, "even_shown": even.supported}
            lost = whole.supported and not even.supported
            found.append(caution(Subject.of(row, named), letter_change, values, MEASURE, [claim], decisive=lost))
    return found


def _chosen(rows: pd.DataFrame, choice: pd.DataFrame) -> pd.DataFrame:
    keys = ["model", "behavior", "engine", "scoring", "scale", "positions", "unit", "layers", "strength"]
    matched: pd.DataFrame = rows.merge(choice[keys].drop_duplicates(), on=keys)
    return matched


def _unscored(unscored: pd.DataFrame, scores: pd.DataFrame, named: list[str]) -> list[Finding]:
    found = []
    for (model, behavior, why), rows in unscored.groupby(["model", "behavior", "why"], sort=False):
        of = scores[(scores["model"] == model) & (scores["behavior"] == behavior)]
        values = {
            "why": why, "prompts": [str(prompt) for prompt in dict.fromkeys(rows["prompt_id"])],
            "of": int(of["n"].max()), "rows": int(rows["rows"].sum()),
        }  # fmt: skip
        found.append(caution(Subject.of(records(rows)[0], named), cannot_be_scored, values, MEASURE))
    return found


def _little(scores: pd.DataFrame, named: list[str]) -> list[Finding]:
    found = []
    for _, rows in scores.groupby(["model", "behavior", "engine", "scoring"], sort=False):
        shown = rows[rows["crossed"] | (rows["strength"] == 0)]
        shown = shown[shown["little"].notna()]
        if len(shown) and shown["little"].max() >= MANY:
            row = records(shown.sort_values("little", ascending=False))[0]
            values = picked(row, "condition", "plain", "layers", "strength", "little", "coverage")
            found.append(caution(Subject.of(row, named), little_probability, values, MEASURE))
    return found


@subject_first
def alone(values: Values) -> str:
    """What a prompt and a vector do to the score, each without the other."""
    prompt, vector = values["parts"]
    return (
        f"the prompt “{values['condition']}” alone {_changes(prompt, values, 'the score')}; the vector alone, at "
        f"{_at(values)}, {_changes(vector, values, 'it')}."
    )


@subject_first
def together(values: Values) -> str:
    """What prompt and vector do together, beyond either of them."""
    prompt, vector = values["parts"]
    return (
        f"adding the vector at {_at(values)}, to the prompt “{values['condition']}” "
        f"{_changes(prompt, values, 'the score')}; adding the prompt to the vector {_changes(vector, values, 'it')}."
    )


@subject_first
def held_out_choice(values: Values) -> str:
    """What choosing a layer on the prompts that report it adds to its effect."""
    which = "one layer for all behaviors" if values["rule"] == JOINT else "the layer"
    delta = with_interval(values["delta"], values["delta_low"], values["delta_high"], unit=_unit(values))
    return (
        f"{which}, chosen on the reported prompts out of {plural(values['candidates'], 'setting')}, is "
        f"{values['layers']}, with a delta of {delta}. Chosen on a random half of the prompts, delta is "
        f"{fixed(values['chosen_half'])} there and {fixed(values['held_out'])} on the other half, on average over "
        f"{plural(values['splits'], 'split')}: the difference is selection optimism. "
        f"{percent(values['same'])} of the halves choose the same setting."
    )


@subject_first
def letter_change(values: Values) -> str:
    """How much of a change of the score is the answer letter's."""
    even = with_interval(values["balanced"], values["balanced_low"], values["balanced_high"], unit=_unit(values))
    shown = "" if values["even_shown"] else ", which is not shown to differ from 0"
    return (
        f"at layer {values['layers']} the score changes by {fixed(values['change'])} from {values['compared']}, of "
        f"which {fixed(values['letter'])} is the answer letter’s: the share of answers with {values['first']} goes "
        f"from {percent(values['share_first_lower'])} to {percent(values['share_first_upper'])}, and the keys are not "
        f"balanced. With balanced keys the change is {even}{shown}."
    )


@subject_first
def cannot_be_scored(values: Values) -> str:
    """Which prompts have no score, and why."""
    count, of = len(values["prompts"]), values["of"]
    names = listed(values["prompts"], MAX_NAMED)
    ceiling = (
        f" A score that counts them as 0 cannot exceed {fixed(1 - count / of)}." if values["why"] == NO_COLUMN else ""
    )
    return f"{count} of {plural(of, 'prompt')} cannot be scored, because {values['why']}: {names}.{ceiling}"


@subject_first
def little_probability(values: Values) -> str:
    """That two answers hold little of the probability."""
    where = "unsteered" if values["strength"] == 0 else f"at {_at(values)}"
    under = "" if values["plain"] else f" under “{values['condition']}”"
    return (
        f"{where}{under}, the two answers together hold less than {percent(LITTLE)} of the probability at "
        f"{percent(values['little'])} of the prompts; a score that is a ratio of the two does not show it."
    )


def _at(values: Values) -> str:
    return f"layer {values['layers']}, strength {signed_strength(values['strength'])}"


def _unit(values: Values) -> str:
    return "logits" if values["unit"] == "logits" else ""


def _changes(part: Mapping[str, Any], values: Values, what: str) -> str:
    size = with_interval(part["value"], part["low"], part["high"], unit=_unit(values))
    if part["shown"]:
        return f"changes {what} by {size}"
    # An interval that leaves 0 out is of one difference alone; the test knows of all of them.
    alone = part["low"] > 0 or part["high"] < 0
    return f"is not shown to change {what} ({size}{', corrected ' + p_equals(part['p']) if alone else ''})"
