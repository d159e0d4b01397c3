"""Replies on the page: examples beside each other, and the replies of all cells to look up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from trimtab.analysis.formatting import fixed
from trimtab.analysis.replies import placed
from trimtab.analysis.samples import records
from trimtab.report._speakers import QUALITY, Speaker
from trimtab.report.section import Browser, Example, ExampleReply

MAX_CHARACTERS = 4_000_000
"""Of the replies that the page carries, before they are compressed."""
ENTRY = 40
"""Approximate characters of an entry besides its texts."""

FEW = 4
"""Replies of each cell that are taken before further ones of others."""
EXAMPLES, MAX_EXAMPLES = 2, 8
"""Examples of one speaker, and of the whole page."""

WAYS = {1: "toward", -1: "away"}


def examples(speakers: Sequence[Speaker]) -> list[Example]:
    """A few prompts of each speaker at its settings to use: those whose changes, each way, are nearest to the means."""
    found = [example for speaker in speakers for example in _examples(speaker)]
    return found[:MAX_EXAMPLES]


def browser(speakers: Sequence[Speaker], most: int = MAX_CHARACTERS) -> Browser:
    """The replies of all cells, up to `most` characters: of settings to use first, then of other tested cells.

    Of the rest every cell gets a few before one gets more.
    """
    shelves = [_Shelf(speaker) for speaker in speakers]
    waiting = [(rank, number, part) for number, shelf in enumerate(shelves) for rank, part in shelf.ranked()]
    room, left_out = most, 0
    for _, number, part in sorted(waiting, key=lambda entry: entry[0]):
        cost = shelves[number].cost(part.rows)
        if cost <= room:
            room -= cost
            shelves[number].add(part)
        else:
            left_out += len(part.rows)
    return Browser([shelf.content() for shelf in shelves], left_out)


class _Part(NamedTuple):
    """Some of the replies of a cell."""

    layers: str
    strength: float
    rows: list[dict[str, Any]]
    total: int
    """Replies of the whole cell."""


@dataclass
class _Shelf:
    """The replies of one speaker that the page carries, and their prompts."""

    speaker: Speaker
    prompts: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    cells: dict[tuple[str, float], list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        judged = self.speaker.judged
        still = judged[judged["strength"] == 0]
        self.still = {(str(row["split"]), str(row["prompt_id"])): row for row in records(still)}

    def ranked(self) -> Iterator[tuple[tuple[int, int, int], _Part]]:
        """The replies in parts, each with its rank: lower ranks are taken first."""
        judged = self.speaker.judged
        steered = judged[judged["strength"] != 0]
        tested = set(steered.loc[steered["split"] == "test", ["layers", "strength"]].itertuples(index=False, name=None))
        chosen = {(row["layers"], row["strength"]) for row in records(self.speaker.settings)}
        for place, ((layers, strength), rows) in enumerate(steered.groupby(["layers", "strength"], sort=False)):
            rank = 0 if (layers, strength) in chosen else 1 if (layers, strength) in tested else 2
            # Held-out replies first.
            replies = records(rows.sort_values("split", key=lambda split: split != "test", kind="stable"))
            size = FEW if rank == 2 else len(replies)
            for number, start in enumerate(range(0, len(replies), size)):
                part = _Part(str(layers), float(str(strength)), replies[start : start + size], len(replies))
                yield (rank, number, place), part

    def cost(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Characters that these replies would add."""
        new = {_key(row): row for row in rows if _key(row) not in self.prompts}
        prompts = sum(len(str(row["prompt"])) + len(self._unsteered(row)) + ENTRY for row in new.values())
        return prompts + sum(len(str(row["reply"])) + len(_note(row)) + ENTRY for row in rows)

    def add(self, part: _Part) -> None:
        """Take these replies onto the page."""
        cell = self.cells.setdefault((part.layers, part.strength), [part.layers, part.strength, [], part.total])
        for row in part.rows:
            key = _key(row)
            if key not in self.prompts:
                note = _note(self.still[key]) if key in self.still else ""
                self.places[key] = len(self.prompts)
                self.prompts[key] = [str(row["prompt"]), self._unsteered(row), note, row["split"] == "test"]
            cell[2].append([self.places[key], str(row["reply"]), _note(row)])

    def content(self) -> dict[str, Any]:
        """The speaker as the page has it; see `Browser.speakers`."""
        cells = self.speaker.cells.drop_duplicates(["layers", "strength"])
        chosen = [s for s in records(self.speaker.settings) if not s["reason"]]
        start = chosen[0] if chosen else records(cells.head(1))[0]
        return {
            "title": self.speaker.title,
            "layers": list(dict.fromkeys(cells.sort_values("layer")["layers"].astype(str))),
            "strengths": sorted(cells["strength"].unique().tolist()),
            "start": [str(start["layers"]), start["strength"]],
            "prompts": list(self.prompts.values()),
            "cells": list(self.cells.values()),
        }

    def _unsteered(self, row: Mapping[str, Any]) -> str:
        return str(self.still[_key(row)]["reply"]) if _key(row) in self.still else ""


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["split"]), str(row["prompt_id"])


def _note(row: Mapping[str, Any] | pd.Series[Any]) -> str:
    """What was measured of a reply, in words: as far as it is known, and a change of steered replies only."""
    parts = [f"not judged: {row['failure']}"] if row["failure"] else []
    if row["strength"] and math.isfinite(row["change"]):
        parts.append(f"change {'+' if row['change'] > 0 else ''}{fixed(row['change'], 1)}")
    if row["rated"]:
        parts.append(f"coherence {fixed(row['coherence'], 1)} by the judge")
    parts += [f"{title} {fixed(row[name], 1)}" for name, title in QUALITY.items() if math.isfinite(row[name])]
    return ", ".join(parts)


def _examples(speaker: Speaker) -> list[Example]:
    settings = {int(row["direction"]): row for row in records(speaker.settings) if not row["reason"]}
    if not settings:
        return []
    split = "test" if all(row["held_out"] for row in settings.values()) else "select"
    judged = speaker.judged[speaker.judged["split"] == split]
    at = {way: _at(judged, row["layers"], row["strength"]) for way, row in settings.items()}
    still = _at(judged, "", 0.0)
    found = []
    for prompt in _nearest(list(at.values()), still)[:EXAMPLES]:
        columns = [_reply(at[way].loc[prompt], f"{WAYS[way]}: {placed(settings[way])}") for way in (1, -1) if way in at]
        columns.insert(1 if 1 in at else 0, _reply(still.loc[prompt], "unsteered"))
        held = ", a held-out prompt" if split == "test" else ""
        found.append(Example(f"{speaker.title}{held}", str(still.loc[prompt]["prompt"]), columns))
    return found


def _nearest(settings: list[pd.DataFrame], still: pd.DataFrame) -> list[str]:
    """Prompts by how far their changes are from the means, in every setting that is shown; each in its own spread."""
    common = [p for p in settings[0].index if all(p in table.index for table in (still, *settings))]
    off = pd.Series(0.0, index=common)
    for table in settings:
        change = table["change"].astype(float)
        spread = change.std() if change.std() > 0 else 1.0
        off += ((change.reindex(common) - change.mean()) / spread) ** 2
    # Prompts without a judgement are no examples while there are others.
    return [str(prompt) for prompt in off.sort_values(kind="stable", na_position="last").index]


def _at(judged: pd.DataFrame, layers: str, strength: float) -> pd.DataFrame:
    rows = judged[judged["strength"] == strength]
    rows = rows[rows["layers"] == layers] if strength else rows
    table: pd.DataFrame = rows.drop_duplicates("prompt_id").set_index("prompt_id")
    return table


def _reply(row: pd.Series[Any], heading: str) -> ExampleReply:
    return ExampleReply(heading, str(row["reply"]), _note(row))
