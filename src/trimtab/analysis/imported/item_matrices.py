"""Items of imported results: the probabilities of two answers to each prompt, under each condition and strength."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.stats.bootstrap import Array

ITEMS = (
    "model", "behavior", "engine", "layer", "layers", "depth", "scale", "strength", "positions", "scoring", "split",
    "prompt_id", "order", "label", "matching", "weight", "score", "condition", "plain", "first", "second", "p_first",
    "p_second", "share", "unscored",
)  # fmt: skip
"""Columns of a table of items, one row for each prompt, option order, condition and cell. `score` is a logit
difference, or the log-odds of the two probabilities; `share` is the probability of the matching answer, of the two
together; `plain` marks the condition without a prompt; `first` and `second` are the letters of the two columns, and
`matching` is the one of the matching answer."""

NO_COLUMN = "the matching answer has no column"
"""Why a prompt is not scored: its answer is none of the two whose probabilities are known. Published scores count such
a prompt as 0 (Rimsky et al. 2024, `plot_results.py`)."""

Unit = Literal["share", "logits"]
UNITS: Mapping[Unit, str] = {"share": "share", "logits": "score"}
"""The two ways of scoring an item, with the column of each."""

OWNER = ("model", "behavior", "engine", "scoring")
CELL = ("scale", "positions", "layers", "layer", "strength")
UNSTEERED = {"scale": "", "positions": "", "layers": "", "layer": -1, "strength": 0.0}
"""The values of `CELL` on rows without steering."""

_MEASURED = ("share", "score", "p_first", "p_second")


@dataclass(frozen=True)
class Place:
    """A cell under a condition."""

    condition: str
    cell: tuple[Any, ...]
    """The values of `CELL`."""

    @property
    def steered(self) -> bool:
        """Whether it has a strength other than 0."""
        return bool(self.cell[-1] != 0)

    @property
    def named(self) -> dict[str, Any]:
        """The columns of the cell."""
        return dict(zip(CELL, self.cell, strict=True))


UNSTEERED_CELL = tuple(UNSTEERED[name] for name in CELL)


class Subject:
    """The items of one model and behavior as matrices: a row for each prompt and option order, a column a place.

    Args:
        owner: The values of `OWNER`.
        items: Rows with the columns `ITEMS`.
    """

    def __init__(self, owner: dict[str, Any], items: pd.DataFrame):
        self.owner, self.items = owner, items
        rows = items[["prompt_id", "order", "weight", "matching", "first"]]
        rows = rows.drop_duplicates(["prompt_id", "order"]).sort_values(["prompt_id", "order"])
        self.first = str(rows["first"].iloc[0])
        """Letter of the first answer; `positive`, or empty, where there are no letters."""
        self.weight: Array = rows["weight"].to_numpy(float)
        self.key: NDArray[np.int64] = np.select(
            [(rows["matching"] == "").to_numpy(), (rows["matching"] == rows["first"]).to_numpy()], [0, 1], -1
        )
        """1 where the matching answer has the first letter, −1 where it has the second, 0 without: [n_rows]."""
        names, starts, self.prompt = np.unique(rows["prompt_id"].to_numpy(str), return_index=True, return_inverse=True)
        self.prompts: list[str] = [str(name) for name in names]
        self._starts = starts
        where = pd.MultiIndex.from_frame(rows[["prompt_id", "order"]])
        self._row = where.get_indexer(pd.MultiIndex.from_frame(items[["prompt_id", "order"]]))

    @cached_property
    def plain(self) -> str:
        """Name of the plain condition; empty where no item is under it."""
        names = self.items.loc[self.items["plain"].astype(bool), "condition"]
        return str(names.iloc[0]) if len(names) else ""

    @cached_property
    def conditions(self) -> list[str]:
        """The conditions, the plain one first."""
        names = [str(name) for name in self.items["condition"].unique()]
        return sorted(names, key=lambda name: name != self.plain)

    @cached_property
    def places(self) -> list[Place]:
        """Every cell under every condition, unsteered first, then by layer and strength."""
        found = list(dict.fromkeys(self._places))
        order = [self.conditions.index(place.condition) for place in found]
        keys = [
            (number, place.steered, place.cell[0], place.cell[1], place.cell[3], place.cell[2], place.cell[4])
            for number, place in zip(order, found, strict=True)
        ]
        return [found[i] for i in sorted(range(len(found)), key=lambda i: keys[i])]

    @cached_property
    def _places(self) -> list[Place]:
        steered = (self.items["strength"] != 0).to_list()
        cells = zip(*(self.items[name].to_list() for name in CELL), strict=True)
        conditions = self.items["condition"].to_list()
        return [
            Place(str(condition), cell if moved else UNSTEERED_CELL)
            for condition, cell, moved in zip(conditions, cells, steered, strict=True)
        ]

    @cached_property
    def _column(self) -> NDArray[np.int64]:
        number = {place: i for i, place in enumerate(self.places)}
        return np.array([number[place] for place in self._places], dtype=np.int64)

    def rows(self, name: str) -> Array:
        """A column of the items by row and place, NaN where a place lacks a row: [n_rows, n_places]."""
        matrix = np.full((len(self.weight), len(self.places)), np.nan)
        matrix[self._row, self._column] = self.items[name].to_numpy(float)
        return matrix

    def without_column(self) -> NDArray[np.bool_]:
        """Which prompts have an answer without a column at each place: [n_prompts, n_places]."""
        matrix = np.zeros((len(self.prompts), len(self.places)), dtype=bool)
        matrix[self.prompt[self._row], self._column] |= (self.items["unscored"] == NO_COLUMN).to_numpy()
        return matrix

    def by_prompt(self, name: str) -> Array:
        """The same for each prompt, its option orders averaged by weight; NaN where one of them has no value."""
        weighted = np.add.reduceat(self.weight[:, None] * self.rows(name), self._starts, axis=0)
        values: Array = weighted / np.add.reduceat(self.weight, self._starts)[:, None]
        return np.where(np.isfinite(values), values, np.nan)

    @cached_property
    def prompt_weight(self) -> Array:
        """The weight of each prompt: [n_prompts]."""
        counts = np.bincount(self.prompt, minlength=len(self.prompts))
        mean: Array = np.add.reduceat(self.weight, self._starts) / counts
        return mean

    @cached_property
    def crossed(self) -> list[tuple[Any, ...]]:
        """The steered cells that were measured under the plain condition and under another."""
        under: dict[tuple[Any, ...], set[str]] = {}
        for place in self.places:
            if place.steered:
                under.setdefault(place.cell, set()).add(place.condition)
        return [cell for cell, names in under.items() if len(names) > 1 and self.plain in names]

    def is_crossed(self, place: Place) -> bool:
        """Whether the place belongs to the cells that are compared between conditions."""
        return place.cell in self.crossed if place.steered else len(self.conditions) > 1


def subjects(items: pd.DataFrame) -> Iterator[Subject]:
    """The items of each model and behavior that report: those of the split test, where there are any."""
    for key, rows in items.groupby(list(OWNER), sort=False):
        held_out = rows["split"] == "test"
        yield Subject(dict(zip(OWNER, key, strict=True)), rows[held_out] if held_out.any() else rows)
