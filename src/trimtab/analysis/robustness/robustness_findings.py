"""Findings about robustness: in which variants the effect survives, and in which it does not."""

from __future__ import annotations

from typing import Any

import pandas as pd

from trimtab._util.wording import listed, plural
from trimtab.analysis.cells import setting_in_words
from trimtab.analysis.claims import Claim
from trimtab.analysis.findings import Finding, Kind, Sentence, Subject, Values, caution, picked, subject_first
from trimtab.analysis.formatting import percent_with_interval
from trimtab.analysis.robustness.survival import HALF, MIN_PROMPTS, PLAIN_VARIANT
from trimtab.analysis.samples import records

SHARE = ("variant", "share", "share_low", "share_high")


def robustness_findings(table: pd.DataFrame) -> list[Finding]:
    """What survives and what does not, for each model, behavior and setting of a table from `robustness`."""
    found = []
    named = ("model",) if table["model"].nunique() > 1 else ()
    by = ["model", "behavior", "chosen_by"]
    for _, rows in table.groupby(by, sort=False, observed=True):
        row = records(rows.head(1))[0]
        setting = picked(row, "layers", "scale", "strength", "compared", "chosen_by")
        found += _survival(Subject.of(row, named), setting, rows[rows["kind"] != PLAIN_VARIANT])
    return found


def _survival(about: Subject, setting: dict[str, Any], tried: pd.DataFrame) -> list[Finding]:
    def warn(sentence: Sentence, claims: list[Claim] | None = None, **values: Any) -> Finding:
        # What is lost with another phrasing is no property of the model.
        return caution(about, sentence, {**setting, **values}, "robustness", claims or [], decisive=bool(claims))

    if tried.empty:
        return [warn(no_variants)]
    if (tried["verdict"] == "no effect").all():
        return [warn(no_plain_effect)]
    known = tried[tried["share"].notna()]
    if known.empty:
        return [warn(unmeasurable_variants, tried=len(tried))]
    shares = {str(row["variant"]): _share(row) for row in records(known)}
    kept, lost, reversed_ = (known[known["verdict"] == verdict] for verdict in ("kept", "lost", "reversed"))
    ends = records(known.sort_values("share").iloc[[0, -1]])
    values = {
        **setting, "tried": len(known), "kept": kept["variant"].astype(str).tolist(),
        "least": picked(ends[0], *SHARE), "most": picked(ends[1], *SHARE),
    }  # fmt: skip
    kind: Kind = "effect" if len(kept) and lost.empty and reversed_.empty else "caution"
    claims = [shares[name] for name in values["kept"]]
    found = [Finding(kind, survival, values, (about,), "robustness", claims)]
    if len(lost):
        names = lost["variant"].astype(str).tolist()
        found.append(warn(lost_effect, [shares[name] for name in names], variants=names))
    if len(reversed_):
        rows = records(reversed_)
        claims = [Claim("effect", str(r["variant"]), r["delta"], r["delta_low"], r["delta_high"]) for r in rows]
        found.append(warn(reversed_effect, claims, variants=[str(row["variant"]) for row in rows]))
    return found


@subject_first
def survival(values: Values) -> str:
    """In how many variants the effect survives, and the range of what is left of it."""
    least, most, tried = values["least"], values["most"], values["tried"]
    spread = f"“{least['variant']}” leaves {_left(least)}"
    if tried > 1:
        spread += f", “{most['variant']}” {_left(most)}"
    return (
        f"{_at(values)} the effect is shown to keep more than half of itself in {len(values['kept'])} of "
        f"{plural(tried, 'variant')}: {spread}."
    )


@subject_first
def no_variants(values: Values) -> str:
    """That no variant was measured."""
    return f"{_at(values)} no variant was measured, so robustness is unknown."


@subject_first
def no_plain_effect(values: Values) -> str:
    """That there is no effect that could survive."""
    return f"{_at(values)} no clear effect on the plain prompts, so nothing that could survive."


@subject_first
def unmeasurable_variants(values: Values) -> str:
    """That no variant has a share."""
    return (
        f"{_at(values)} none of {plural(values['tried'], 'variant')} could be measured: fewer than {MIN_PROMPTS} "
        "prompts, scores that do not vary, or scores that are not finite."
    )


@subject_first
def lost_effect(values: Values) -> str:
    """That less than half of the effect is left in some variants."""
    return f"{_at(values)} the effect does not survive {_quoted(values)}: less than half of it is left."


@subject_first
def reversed_effect(values: Values) -> str:
    """That the effect has the other sign in some variants."""
    return f"{_at(values)} the effect does not survive {_quoted(values)}: it points the other way."


def _at(values: Values) -> str:
    return f"at {setting_in_words(values)},"


def _share(row: dict[str, Any]) -> Claim:
    return Claim("share", str(row["variant"]), row["share"], row["share_low"], row["share_high"], against=HALF)


def _left(row: Values) -> str:
    return percent_with_interval(row["share"], row["share_low"], row["share_high"], (0.0, HALF, 1.0))


def _quoted(values: Values) -> str:
    return listed([f"“{name}”" for name in values["variants"]])
