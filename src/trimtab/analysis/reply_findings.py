"""Findings about what a steered model says, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from trimtab.analysis.findings import Finding, signed
from trimtab.analysis.reply_cells import first_judged
from trimtab.analysis.samples import records, several

MOST_NAMED = 3
"""Cells that are named in one sentence; of the others their number is told."""

FEW_PROMPTS = 10
"""Below this many prompts a mean of replies can hang on one of them."""

_WAY = {1: "toward the behavior", -1: "away from the behavior"}


def reply_findings(
    cells: pd.DataFrame, recommended: pd.DataFrame, judges: Sequence[Mapping[str, Any]]
) -> list[Finding]:
    """Sentences about settings that steer what is said, by the first judge of each model and behavior.

    Args:
        cells: What `reply_cells` returned.
        recommended: What `recommended` returned for it.
        judges: Entries `judges` of the manifest: model, behavior, name, declined; `run` may come on top.
    """
    settings = records(first_judged(recommended))
    found = []
    for row in settings:
        found.append(_verdict(row, recommended, _by(row, judges)))
        found += [Finding("caution", text) for text in _cautions(row, recommended)]
    found += [Finding("caution", text) for text in _failures(first_judged(cells), recommended)]
    found += [Finding("caution", text) for text in dict.fromkeys(_declined(judges))]
    rank = {"effect": 0, "negative": 1, "caution": 2}
    return sorted(found, key=lambda finding: rank[finding.kind])


def placed(row: Mapping[str, Any]) -> str:
    """Where a setting steers: layer 20 at +0.3."""
    layers = str(row["layers"])
    name = f"layers {layers.replace('+', ' + ')}" if "+" in layers else f"layer {layers}"
    return f"{name} at {pushed(row['strength'])}"


def pushed(strength: float) -> str:
    """A strength with its sign: +0.3, −1."""
    return f"{strength:+g}".replace("-", "−")


def _about(row: Mapping[str, Any], table: pd.DataFrame) -> str:
    names = several(table, ("run", "engine", "scale", "positions"))
    where = f" ({', '.join(str(row[name]) for name in names)})" if names else ""
    return f"{row['behavior']} in {row['model']}{where}, by what it says"


def _verdict(row: dict[str, Any], table: pd.DataFrame, by: str) -> Finding:
    about, way = _about(row, table), _WAY[int(row["direction"])]
    if row["reason"]:
        return Finding("negative", f"{about}: {_none(row, way)}.")
    low, high = row["change_low"], row["change_high"]
    size = f"{_plus(row['change'])} of 10"
    if np.isfinite(low):
        size += f" [{_plain(low)}, {_plain(high)}]"
    clear = np.isfinite(low) and (low > 0 or high < 0)
    kept = f"coherence {_plain(row['coherence'])}"
    if np.isfinite(row["coherence_unsteered"]):
        kept += f" (unsteered {_plain(row['coherence_unsteered'])})"
    tail = f"at {kept}, {_prompts(row)}{by}"
    if clear and row["change"] * row["direction"] > 0:
        return Finding("effect", f"{about}: {placed(row)} changes it by {size} {way} {tail}.")
    if clear:
        other = _WAY[-int(row["direction"])]
        return Finding(
            "negative", f"{about}: {placed(row)} was chosen to move it {way} and moves it {size} {other} {tail}."
        )
    why = "no clear change" if np.isfinite(low) else "no interval can be given for a change"
    return Finding("negative", f"{about}: {why} {way} at the best setting, {placed(row)}: {size} {tail}.")


def _by(row: Mapping[str, Any], judges: Sequence[Mapping[str, Any]]) -> str:
    """Who judged, and how well where that is known."""
    if not row["judge"]:
        return ""
    same = (j for j in judges if j["name"] == row["judge"] and all(j[k] == row[k] for k in ("model", "behavior")))
    accuracy = next((judge.get("accuracy") for judge in same), None)
    sure = "" if accuracy is None else f" (right on {accuracy:.0%} of held-out completions)"
    return f", judged by {row['judge']}{sure}"


def _none(row: Mapping[str, Any], way: str) -> str:
    if row["reason"] == "not judged":
        return f"its replies were not judged, so there is no setting to recommend {way}"
    if row["reason"] == "no cell moves that way":
        return f"no setting moves it {way}"
    floor = row["reason"].removeprefix("no cell ").removesuffix(" and moves that way")
    return f"no setting {floor} and moves it {way}"


def _prompts(row: Mapping[str, Any]) -> str:
    n = int(row["n"])
    kind = "held-out prompt" if row["held_out"] else "prompt"
    return f"{n} {kind}{'' if n == 1 else 's'}"


def _cautions(row: dict[str, Any], table: pd.DataFrame) -> Iterator[str]:
    if row["reason"]:
        return
    about, way = _about(row, table), _WAY[int(row["direction"])]
    if not row["held_out"]:
        yield f"{about}: the setting {way} is reported on the prompts that chose it, so its numbers flatter."
    if row["coherence"] < row["floor"]:
        yield (
            f"{about}: the setting {way} kept a coherence of {row['floor']:g} on the prompts that chose it and has "
            f"{_plain(row['coherence'])} on others; a weaker one is safer."
        )
    elif row["edge"]:
        yield (
            f"{about}: the setting {way} is the strongest that was tried ({pushed(row['strength'])}); "
            "a stronger one might do more."
        )
    if row["n"] < FEW_PROMPTS:
        yield f"{about}: only {_prompts(row)} judged for the setting {way}; its mean can hang on one of them."


def _failures(cells: pd.DataFrame, table: pd.DataFrame) -> Iterator[str]:
    failed = cells[cells["failed"] > 0]
    names = [name for name in ("run", "engine", "model", "behavior", "scale", "positions") if name in failed.columns]
    for _, mine in failed.groupby(names, sort=False, observed=True):
        named = [f"{placed(row)} ({int(row['failed'])} of {int(row['prompts'])})" for row in records(mine)]
        left = len(named) - MOST_NAMED
        more = f" and {left} more {'cell' if left == 1 else 'cells'}" if left > 0 else ""
        total = int(mine["failed"].sum())
        replies = "1 reply" if total == 1 else f"{total} replies"
        yield (
            f"{_about(records(mine.head(1))[0], table)}: {replies} could not be judged and count in no change: "
            f"{', '.join(named[:MOST_NAMED])}{more}."
        )


def _declined(judges: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for entry in judges:
        if entry.get("declined"):
            reason = str(entry["declined"]).rstrip(".")
            yield f"{entry['behavior']} in {entry['model']}, by what it says: {entry['name']} did not judge: {reason}."


def _plus(value: float) -> str:
    text = signed(value, 1)
    return f"+{text}" if value > 0 and float(f"{value:.1f}") > 0 else text


def _plain(value: float) -> str:
    return signed(value, 1)
