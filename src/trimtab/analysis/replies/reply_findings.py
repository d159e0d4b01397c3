"""Findings about replies: the settings that change them, and what limits these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Any

import pandas as pd

from trimtab.analysis.claims import LARGE_FALL, Claim
from trimtab.analysis.findings import Finding, Sentence, Subject, caution, ordered, picked
from trimtab.analysis.replies import reply_sentences as sentences
from trimtab.analysis.replies.reply_cells import SPEAKER, first_judged
from trimtab.analysis.replies.tuning import ROUNDING
from trimtab.analysis.samples import present, records, several
from trimtab.stats.bootstrap import LEVEL

FEW_PROMPTS = 10
"""Below this many prompts a mean of replies can depend on one of them."""

ACCURATE = 0.85
"""Share of held-out completions below which a judge's mistakes change what a reader may conclude."""

MANY_INCOHERENT = 0.1
"""Share of incoherent replies from which the mean of coherence needs a word beside it."""

VERDICT = (
    "direction", "layers", "scale", "strength", "change", "change_low", "change_high", "coherence", "rated", "fluency",
    "on_topic", "fluency_unsteered", "on_topic_unsteered", "n", "held_out", "candidates", "judge",
)  # fmt: skip


def reply_findings(
    cells: pd.DataFrame, recommended: pd.DataFrame, judges: Sequence[Mapping[str, Any]]
) -> list[Finding]:
    """Findings about the recommended settings, by the first judge of each model and behavior.

    Args:
        cells: What `reply_cells` returned.
        recommended: What `with_falls` returned for it.
        judges: Entries `judges` of the manifest: model, behavior, name, declined; `run` may come on top.
    """
    found = []
    for row in records(first_judged(recommended)):
        found.append(_verdict(row, recommended, judges))
        about = _subject(row, recommended)
        found += [
            caution(about, sentence, values, "replies", claims, decisive=_decisive(sentence, values))
            for sentence, values, claims in _cautions(row)
        ]
    found += _inaccurate(first_judged(recommended), recommended, judges)
    found += _failures(first_judged(cells), recommended)
    found += _declined(judges)
    return ordered(found)


def _subject(row: Mapping[str, Any], table: pd.DataFrame) -> Subject:
    return Subject.of(row, ("model", *several(table, ("run", "engine", "scale", "positions"))))


def _verdict(row: dict[str, Any], table: pd.DataFrame, judges: Sequence[Mapping[str, Any]]) -> Finding:
    about = _subject(row, table)
    if row["reason"]:
        sentence = sentences.NO_SETTING.get(row["reason"], sentences.no_coherent_setting)
        values = {"direction": int(row["direction"]), "min_coherence": row["floor"]}
        return Finding("negative", sentence, values, (about,), "replies", decisive=True)
    claim = _change(row, about)
    single = row["held_out"] or row["candidates"] <= 1
    values = {
        **picked(row, *VERDICT),
        "min_coherence": row["floor"],
        "direction": int(row["direction"]),
        "accuracy": _accuracy(row, judges),
        "p": claim.p,
        "corrected": () if single else (claim.low, claim.high),
    }
    if not claim.supported:
        return Finding("negative", sentences.no_reply_effect, values, (about,), "replies", decisive=True)
    if row["change"] * row["direction"] > 0:
        return Finding("effect", sentences.reply_effect, values, (about,), "replies", [claim])
    return Finding("negative", sentences.reply_reversed, values, (about,), "replies", [claim], decisive=True)


def _change(row: dict[str, Any], about: Subject) -> Claim:
    """The change as a claim; of many cells that chose and report themselves, with an interval for all of them."""
    value, low, high = row["change"], row["change_low"], row["change_high"]
    if row["held_out"] or row["candidates"] <= 1:
        return Claim("effect", str(about), value, low, high, row["change_p"])
    normal = NormalDist()
    tail = (1 - LEVEL) / (2 * row["candidates"])
    wider = normal.inv_cdf(1 - tail) / normal.inv_cdf(0.5 + LEVEL / 2)
    ends = value - wider * (value - low), value + wider * (high - value)
    return Claim("effect", str(about), value, *ends, row["change_p_adjusted"])


def _accuracy(row: Mapping[str, Any], judges: Sequence[Mapping[str, Any]]) -> float | None:
    """The accuracy of the judge on held-out completions, where it is known."""
    owner = ("model", "behavior", "run") if "run" in row else ("model", "behavior")
    same = (j for j in judges if j["name"] == row["judge"] and all(j.get(k, row[k]) == row[k] for k in owner))
    return next((judge.get("accuracy") for judge in same), None)


def _cautions(row: dict[str, Any]) -> Iterator[tuple[Sentence, dict[str, Any], list[Claim]]]:
    if row["reason"]:
        return
    way = {"direction": int(row["direction"])}
    if not row["held_out"]:
        yield sentences.optimistic_setting, way, []
    if row["incoherent"] >= MANY_INCOHERENT and row["incoherent"] > row["incoherent_unsteered"]:
        values = picked(row, "incoherent", "incoherent_unsteered", "prompts", "coherence")
        yield sentences.incoherent_replies, {**way, "min_coherence": row["floor"], **values}, []
    if row["coherence"] < row["floor"] - ROUNDING:
        yield (
            sentences.less_coherent,
            {
                **way,
                "min_coherence": row["floor"],
                **picked(row, "select_coherence", "coherence", "rated", "on_topic"),
            },
            [],
        )
    elif row["edge"]:
        yield sentences.strongest_tried, {**way, **picked(row, "strength")}, []
    fallen = Claim("change", sentences.WAYS[way["direction"]], row["fall"], p=row["fall_p"])
    if fallen.above:
        values = picked(row, "select_change", "change", "fall", "fall_p")
        yield sentences.fall_of_change, {**way, **values}, [fallen]
    if row["rated"] < 1 and pd.isna(row["on_topic"]):
        yield sentences.topic_unmeasured, way, []
    if row["n"] < FEW_PROMPTS:
        yield sentences.few_replies, {**way, **picked(row, "n", "held_out")}, []


def _decisive(sentence: Sentence, values: Mapping[str, Any]) -> bool:
    """Whether a caution speaks against the setting: too little coherence, or most of the change gone."""
    lost = "fall" in values and values["fall"] > LARGE_FALL * abs(values["select_change"])
    return sentence is sentences.less_coherent or lost


def _inaccurate(settings: pd.DataFrame, table: pd.DataFrame, judges: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Judges that are wrong too often, each once for a model and behavior."""
    subjects = settings.drop_duplicates([*present(settings, SPEAKER), "judge"])
    for row in records(subjects):
        accuracy = _accuracy(row, judges)
        if accuracy is not None and accuracy < ACCURATE:
            values = {**picked(row, "judge"), "accuracy": accuracy, "limit": ACCURATE}
            yield caution(_subject(row, table), sentences.inaccurate_judge, values, "replies", decisive=True)


def _failures(cells: pd.DataFrame, table: pd.DataFrame) -> Iterator[Finding]:
    failed = cells[cells["failed"] > 0]
    names = [name for name in ("run", "engine", "model", "behavior", "scale", "positions") if name in failed.columns]
    for _, mine in failed.groupby(names, sort=False, observed=True):
        settings = [
            {**picked(row, "layers", "strength"), "failed": int(row["failed"]), "prompts": int(row["prompts"])}
            for row in records(mine)
        ]
        about = _subject(records(mine.head(1))[0], table)
        yield caution(about, sentences.unjudged_replies, {"settings": settings}, "replies")


def _declined(judges: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Judges that refused a behavior, each reason once."""
    given = set()
    for entry in judges:
        if not entry.get("declined"):
            continue
        about = Subject(str(entry["behavior"]), str(entry["model"]), named=("model",))
        values = {"judge": entry["name"], "reason": str(entry["declined"]).rstrip(".")}
        if (key := (about, *values.values())) not in given:
            given.add(key)
            yield caution(about, sentences.declined_judge, values, "replies")
