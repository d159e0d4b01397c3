"""Replies beside each other: examples on the page, and all cells to be looked up."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from trimtab.analysis.reply_findings import placed
from trimtab.analysis.samples import records
from trimtab.report.spoken import Speaker
from trimtab.report.tables import fixed

MOST_CHARACTERS = 4_000_000
"""Of the replies that travel with the page, before they are packed."""
ENTRY = 40
"""Characters that an entry takes besides its texts, about."""

FEW = 4
"""Replies that each cell gets before others get more."""
EXAMPLES, MOST_EXAMPLES = 2, 8
"""Examples of one speaker, and on the page."""

WAYS = {1: "toward", -1: "away"}


@dataclass(frozen=True)
class Said:
    """One reply."""

    heading: str
    text: str
    note: str


@dataclass(frozen=True)
class Example:
    """Replies to one prompt beside each other: steered toward, unsteered, steered away."""

    title: str
    prompt: str
    replies: Sequence[Said]


@dataclass(frozen=True)
class Browser:
    """Replies by cell, as the page looks them up."""

    speakers: list[dict[str, Any]]
    """title, layers, strengths, start (the cell shown first), prompts [prompt, unsteered reply, its coherence, held
    out], cells [layers, strength, rows, how many there are].

    A row is [place of the prompt, reply, change, coherence, failure]."""
    left_out: int
    """Replies for which there was no room."""


def examples(speakers: Sequence[Speaker]) -> list[Example]:
    """A few prompts of each speaker, at its settings to use: those whose change is nearest to the mean one."""
    found = [example for speaker in speakers for example in _examples(speaker)]
    return found[:MOST_EXAMPLES]


def browser(speakers: Sequence[Speaker], most: int = MOST_CHARACTERS) -> Browser:
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
    """The replies of one speaker that are carried, and the prompts that they answer."""

    speaker: Speaker
    prompts: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    cells: dict[tuple[str, float], list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        judged = self.speaker.judged
        still = judged[judged["strength"] == 0]
        self.still = {(str(row["split"]), str(row["prompt_id"])): row for row in records(still)}

    def ranked(self) -> Iterator[tuple[tuple[int, int, int], _Part]]:
        """The replies in parts, with the order in which they find room."""
        judged = self.speaker.judged
        steered = judged[judged["strength"] != 0]
        tested = set(steered.loc[steered["split"] == "test", ["layers", "strength"]].itertuples(index=False, name=None))
        chosen = {(row["layers"], row["strength"]) for row in records(self.speaker.settings)}
        for place, ((layers, strength), rows) in enumerate(steered.groupby(["layers", "strength"], sort=False)):
            rank = 0 if (layers, strength) in chosen else 1 if (layers, strength) in tested else 2
            # Held-out replies first.
            said = records(rows.sort_values("split", key=lambda split: split != "test", kind="stable"))
            size = FEW if rank == 2 else len(said)
            for number, start in enumerate(range(0, len(said), size)):
                part = _Part(str(layers), float(str(strength)), said[start : start + size], len(said))
                yield (rank, number, place), part

    def cost(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Characters that these replies would add."""
        new = {_key(row): row for row in rows if _key(row) not in self.prompts}
        prompts = sum(len(str(row["prompt"])) + len(self._unsteered(row)) + ENTRY for row in new.values())
        return prompts + sum(len(str(row["reply"])) + len(row["failure"]) + ENTRY for row in rows)

    def add(self, part: _Part) -> None:
        """Carry these replies."""
        cell = self.cells.setdefault((part.layers, part.strength), [part.layers, part.strength, [], part.total])
        for row in part.rows:
            key = _key(row)
            if key not in self.prompts:
                coherence = _short(self.still[key]["coherence"]) if key in self.still else None
                self.places[key] = len(self.prompts)
                self.prompts[key] = [str(row["prompt"]), self._unsteered(row), coherence, row["split"] == "test"]
            said = [
                self.places[key],
                str(row["reply"]),
                _short(row["change"]),
                _short(row["coherence"]),
                row["failure"],
            ]
            cell[2].append(said)

    def content(self) -> dict[str, Any]:
        """What the page gets; see `Browser.speakers`."""
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


def _short(value: Any) -> float | None:
    """A number for the page, to one decimal; None where there is none."""
    return round(float(value), 1) if value is not None and math.isfinite(value) else None


def _examples(speaker: Speaker) -> list[Example]:
    settings = {int(row["direction"]): row for row in records(speaker.settings) if not row["reason"]}
    if not settings:
        return []
    split = "test" if all(row["held_out"] for row in settings.values()) else "select"
    judged = speaker.judged[speaker.judged["split"] == split]
    at = {way: _at(judged, row["layers"], row["strength"]) for way, row in settings.items()}
    still = _at(judged, "", 0.0)
    main = at[1] if 1 in at else at[-1]
    mean = main["change"].mean()
    nearest = main.assign(off=(main["change"] - mean).abs()).sort_values("off", kind="stable")
    common = [p for p in nearest.index if all(p in table.index for table in (still, *at.values()))]
    found = []
    for prompt in common[:EXAMPLES]:
        columns = [_said(at[way].loc[prompt], f"{WAYS[way]}: {placed(settings[way])}") for way in (1, -1) if way in at]
        columns.insert(1 if 1 in at else 0, _said(still.loc[prompt], "unsteered", still=True))
        held = ", a held-out prompt" if split == "test" else ""
        found.append(Example(f"{speaker.title}{held}", str(still.loc[prompt]["prompt"]), columns))
    return found


def _at(judged: pd.DataFrame, layers: str, strength: float) -> pd.DataFrame:
    rows = judged[judged["strength"] == strength]
    rows = rows[rows["layers"] == layers] if strength else rows
    table: pd.DataFrame = rows.drop_duplicates("prompt_id").set_index("prompt_id")
    return table


def _said(row: pd.Series[Any], heading: str, *, still: bool = False) -> Said:
    change = "" if still or not math.isfinite(row["change"]) else f"change {fixed(row['change'], 1)}, "
    failed = f"not judged: {row['failure']}, " if row["failure"] else ""
    return Said(heading, str(row["reply"]), f"{failed}{change}coherence {fixed(row['coherence'], 1)}")
