"""Findings about side effects at the settings that were checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.cells import FULL, LOWER, UPPER, ends
from trimtab.analysis.claims import Claim
from trimtab.analysis.findings import Finding, Kind, Sentence, Subject, caution, picked
from trimtab.analysis.samples import present, records
from trimtab.analysis.side_effects import _side_sentences as sentences

MAX_PERPLEXITY = 1.25
"""Perplexity of plain text, as a multiple of the unsteered one, above which there is a caution."""
MAX_EASY_LOSS = 0.05
"""Loss of easy questions, as a share, above which there is a caution."""
MAX_LENGTH_RATIO = 1.5
"""Ratio of the lengths of steered and unsteered replies to neutral prompts from which on there is a caution."""
MIN_SAME_LANGUAGE = 0.8
"""Share of replies in the unsteered language below which there is a caution."""

CHOSEN = ("model", "behavior", "scale", "layers", "strength", "compared", "chosen_by")
_CELL = CHOSEN[:5]
OPPOSITE = "replies, at the opposite sign"
"""What chose the other sign of a recommended setting: nothing did, but a check measures both."""

_DECISIVE = (sentences.more_refusals, sentences.other_language)

Caution = tuple[Sentence, dict[str, Any], list[Claim]]
CELL = ("layers", "scale", "strength", "chosen_by")


def chosen_cells(
    best: pd.DataFrame, checked: Sequence[pd.DataFrame], recommended: pd.DataFrame | None = None
) -> pd.DataFrame:
    """The settings that were checked: those that scores chose, and those that replies recommend.

    Args:
        best: from `best_cells`, of one run.
        checked: tables of checks, with model, behavior, scale, layers, strength and `chosen_by`.
        recommended: from `trimtab.analysis.recommended`, of the run's first judges; None where no replies were judged.

    Returns:
        The columns `CHOSEN`, strength without its sign, and `sign`: 1 or −1, at which replies recommend the setting,
        which is checked at both.
    """
    known = pd.concat([_settings(table) for table in checked if len(table)] or [pd.DataFrame(columns=[*CHOSEN])])
    known = known.astype({"strength": float})
    agreed = known[known["chosen_by"] == "scores and replies"][[*_CELL]].drop_duplicates().assign(agreed=True)
    scores = (
        best.reindex(columns=list(CHOSEN[:6])).astype({"strength": float}).merge(agreed, on=list(_CELL), how="left")
    )
    scores["chosen_by"] = scores["agreed"].notna().map({True: "scores and replies", False: "scores"})
    by_replies = known[known["chosen_by"] == "replies"].drop_duplicates(list(_CELL))
    parts = [part for part in (scores[[*CHOSEN]], by_replies) if len(part)]
    chosen: pd.DataFrame = pd.concat(parts, ignore_index=True) if parts else scores[[*CHOSEN]]
    signed: pd.DataFrame = chosen.assign(sign=_signs(chosen, recommended))
    return signed


def _signs(chosen: pd.DataFrame, recommended: pd.DataFrame | None) -> list[int]:
    """The sign of each recommended setting: that toward the behavior, away from it where there is no other."""
    settings = records(recommended)
    toward = {(row["model"], row["behavior"]) for row in settings if row["direction"] > 0 and not row["reason"]}
    away = {(row["model"], row["behavior"]) for row in settings if row["direction"] < 0 and not row["reason"]}
    subjects = zip(chosen["model"], chosen["behavior"], strict=True)
    return [-1 if subject in away - toward else 1 for subject in subjects]


def signed_cells(chosen: pd.DataFrame) -> pd.DataFrame:
    """The cells of chosen settings, each once: at both signs where both were compared.

    Args:
        chosen: from `chosen_cells`; `run` may come on top.

    Returns:
        Its columns without `compared` and `sign`, with a signed strength; `chosen_by` names both where both chose a
        cell, and `OPPOSITE` where replies recommend the setting at the other sign.
    """
    keys = [*present(chosen, ("run",)), *CHOSEN[:4]]
    rows = [
        {**{name: row[name] for name in keys}, "strength": strength, "chosen_by": _chosen_by(row, strength)}
        for row in records(chosen)
        for strength in ends(row["strength"], row["compared"])
        if strength
    ]
    cells = pd.DataFrame(rows, columns=[*keys, "strength", "chosen_by"]).astype({"strength": float})
    cells["chosen_by"] = cells.groupby([*keys, "strength"])["chosen_by"].transform(_together)
    once: pd.DataFrame = cells.drop_duplicates([*keys, "strength"])
    return once


def of_signs(checked: pd.DataFrame, chosen: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """A table of a check with signed strengths, whose `chosen_by` is that of each sign.

    Args:
        checked: from `neutral_changes`, or from `task_changes`.
        chosen: from `chosen_cells`.
        by: columns that tell the rows of a cell apart, where it has several.
    """
    if checked.empty:
        return checked
    cells = signed_cells(chosen).rename(columns={"chosen_by": "by_sign"})
    named = checked.drop_duplicates([*_CELL, *by]).merge(cells, on=list(_CELL), how="left")
    by_sign = named["by_sign"].fillna(named["chosen_by"])
    table: pd.DataFrame = named.assign(chosen_by=by_sign).drop(columns="by_sign")
    return table


def _chosen_by(setting: dict[str, Any], strength: float) -> str:
    """What chose one sign of a setting: replies recommend one only, scores choose both."""
    if strength * setting["sign"] > 0:
        return str(setting["chosen_by"])
    return {"replies": OPPOSITE, "scores and replies": "scores"}.get(setting["chosen_by"], str(setting["chosen_by"]))


def _together(names: pd.Series[str]) -> str:
    """What chose a cell that several settings have."""
    every = set(names)
    if len(every) > 1:
        every.discard(OPPOSITE)
    return every.pop() if len(every) == 1 else "scores and replies"


def _settings(table: pd.DataFrame) -> pd.DataFrame:
    """The settings of one check; what was compared is read off the signs that it ran, where it does not say."""
    found = table.assign(strength=table["strength"].abs())
    if "compared" not in found.columns:
        found = found[table["strength"] != 0]
        up = (table["strength"] > 0).groupby([found[n] for n in (*_CELL, "chosen_by")], observed=True)
        both, toward = up.transform("nunique") == 2, table.loc[found.index, "strength"] > 0
        found["compared"] = np.where(both, FULL, np.where(toward, UPPER, LOWER))
    settings: pd.DataFrame = found[[*CHOSEN]].drop_duplicates()
    return settings


def side_findings(cells: pd.DataFrame, best: pd.DataFrame, neutral: pd.DataFrame) -> list[Finding]:
    """Findings about what the chosen settings change besides the behavior they are for.

    Args:
        cells: from `side_cells`.
        best: from `chosen_cells`: the settings that findings are about.
        neutral: from `neutral_changes`; with `of_signs` only the signs that were chosen are spoken of.
    """
    named = ("model",) if cells["model"].nunique() > 1 else ()
    chosen = signed_cells(best)
    rows = cells.merge(chosen[chosen["chosen_by"] != OPPOSITE], on=list(_CELL))
    found = []
    for _, mine in rows.groupby(["model", "behavior"], sort=False, observed=True):
        for row in records(mine.sort_values("strength", ascending=False)):
            about = Subject.of(row, named)
            if row["others"] and pd.notna(row["side"]):
                found.append(_shifts(row, about))
            found += [_caution(about, part) for part in _costs(row)]
    for row in records(neutral[neutral["chosen_by"] != OPPOSITE] if len(neutral) else neutral):
        about = Subject.of(row, named)
        found += [_caution(about, part) for part in _replies(row)]
    return found


def _caution(about: Subject, part: Caution) -> Finding:
    sentence, values, claims = part
    return caution(about, sentence, values, "side effects", claims, decisive=sentence in _DECISIVE)


def _costs(row: dict[str, Any]) -> Iterator[Caution]:
    """Cautions about plain text and easy questions."""
    worse = Claim("change", "perplexity", row["perplexity"], row["perplexity_low"], row["perplexity_high"], against=1)
    if worse.above and row["perplexity"] > MAX_PERPLEXITY:
        values = picked(row, *CELL, "perplexity", "perplexity_low", "perplexity_high")
        yield sentences.higher_perplexity, values, [worse]
    fewer = Claim(
        "change", "easy questions", row["easy"], row["easy_low"], row["easy_high"], against=row["easy_before"]
    )
    if fewer.below and row["easy"] < row["easy_before"] - MAX_EASY_LOSS:
        values = picked(row, *CELL, "easy", "easy_low", "easy_high", "easy_before")
        yield sentences.fewer_easy_questions, values, [fewer]


def _shifts(row: dict[str, Any], about: Subject) -> Finding:
    """How far the behavior itself moves, and how far the others; what is not shown is called not shown."""
    intended = Claim("effect", "its own score", row["intended"], row["intended_low"], row["intended_high"])
    side = Claim("change", "the others", row["side"], row["side_low"], row["side_high"])
    worst = Claim("change", str(row["worst"]), row["worst_shift"], row["worst_low"], row["worst_high"])
    shown = [claim for claim in (intended, side) if claim.supported]
    alone = worst.supported and row["others"] > 1
    if alone:
        shown.append(worst)
    more = side.above and row["side"] > abs(row["intended"])
    kind: Kind = "effect" if intended.above and not more else "caution" if shown else "negative"
    sizes = [f"{name}{end}" for name in ("intended", "side") for end in ("", "_low", "_high")]
    values = {
        **picked(row, *CELL, *sizes, "others"),
        "own": "toward" if intended.above else "away" if intended.below else "",
        "others_moved": side.above,
        "worst": {"name": str(row["worst"]), **picked(row, "worst_shift", "worst_low", "worst_high")} if alone else {},
    }
    # Others that are shown to move further than the behavior itself, or alone.
    apart = side.above and not (intended.above and row["side_low"] <= row["intended_high"])
    return Finding(kind, sentences.side_effect, values, (about,), "side effects", shown, decisive=apart)


def _replies(row: dict[str, Any]) -> Iterator[Caution]:
    """Cautions about replies to neutral prompts."""
    before = row["words_before"]
    length = Claim("change", "words", row["words"], p=row["words_p"], against=before)
    if before > 0 and length.supported and not 1 / MAX_LENGTH_RATIO < row["words"] / before < MAX_LENGTH_RATIO:
        yield sentences.reply_length, picked(row, *CELL, "n", "words", "words_before", "words_p"), [length]
    refused = Claim("change", "refusals", row["refusals"], p=row["refusals_p"], against=row["refusals_before"])
    if refused.above:
        names = ("refusals", "refusals_low", "refusals_high", "refusals_before", "refusals_p")
        yield sentences.more_refusals, picked(row, *CELL, "n", *names), [refused]
    kept = Claim("change", "language", row["language_kept"], row["language_low"], row["language_high"], against=1.0)
    if row["language_n"] and kept.below and row["language_kept"] < MIN_SAME_LANGUAGE:
        interval = ("language_kept", "language_low", "language_high")
        yield sentences.other_language, picked(row, *CELL, "n", *interval, "language_n"), [kept]
