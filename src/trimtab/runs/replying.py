"""Replies to open prompts: written cell by cell, judged, and searched for the setting to use."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field

import pandas as pd

from trimtab.analysis import JUDGEMENTS, judged_replies, recommended, reply_cells, rounds, survivors
from trimtab.data import Pair
from trimtab.engines import Model
from trimtab.errors import RunError
from trimtab.evaluation import PLAIN, Ask, Cell, Grid, ReplyKey, reply_batches, reply_keys
from trimtab.evaluation.judges import Exchange, Judge
from trimtab.runs.asking import Replies
from trimtab.runs.folder import Kind, Parts, RunFolder
from trimtab.vectors import SteeringVector

Progress = Callable[[str, int, int], None]

JUDGEMENTS_AT_ONCE = 16
_WHERE = ["engine", "layers", "scale", "strength", "positions", "split", "prompt_id"]
_PROMPT = ["split", "prompt_id"]


@dataclass(frozen=True, eq=False)
class Replying:
    """One model and one behavior."""

    folder: RunFolder
    model: Model
    vectors: SteeringVector
    grid: Grid
    behavior: str
    settings: Replies
    judges: Sequence[Judge]
    """The first one chooses."""
    progress: Progress
    took: Callable[[str, float], None]
    failed: set[tuple[str, ReplyKey]] = field(default_factory=set)
    """(judge, reply) of judgements that failed in this run: they are made again by the next one."""

    def run(self, select: Sequence[Pair], test: Sequence[Pair]) -> None:
        """Reply to the prompts that choose, in every cell or while halving the cells; then report on the others.

        What is on disk already is neither written nor judged again, except judgements that failed.
        """
        cells = self.grid.steered
        for count in self._rounds(len(select)):
            self._ask([Ask("select", pair, cell) for pair in select[:count] for cell in [PLAIN, *cells]])
            if count < len(select) and self.judges:
                cells = self._better_half(cells, [pair.id for pair in select[:count]])
        chosen = self._recommended([pair.id for pair in select])
        if chosen:
            self._ask([Ask("test", pair, cell) for pair in test for cell in [PLAIN, *chosen]])

    def _rounds(self, prompts: int) -> list[int]:
        """Prompts asked after each round; without a judge nothing can be dropped, so halving ends with its first."""
        if self.settings.search != "halving":
            return [prompts]
        return rounds(prompts) if self.judges else rounds(prompts)[:1]

    def _ask(self, asks: Sequence[Ask]) -> None:
        self._write(asks)
        wanted = {ask.key for ask in asks}
        for judge in self.judges:
            self._judge(judge, wanted)

    def _write(self, asks: Sequence[Ask]) -> None:
        before = self._table("replies")
        known = set() if before is None else reply_keys(before)
        missing = [ask for ask in asks if ask.key not in known]
        if not missing:
            return
        done, total, started = len(asks) - len(missing), len(asks), time.monotonic()
        what = f"replies about {self.behavior} from {self.model.name}"
        self.progress(what, done, total)
        parts = Parts(self.folder, "replies")
        try:
            for frame in reply_batches(
                self.model, self.vectors, self.grid, missing, self.behavior, max_new_tokens=self.settings.max_new_tokens
            ):
                parts.add(frame)
                done += len(frame)
                self.progress(what, done, total)
        finally:
            parts.flush()
            self.took(f"reply {self.behavior}, {self.model.name}", time.monotonic() - started)

    def _judge(self, judge: Judge, wanted: Set[ReplyKey]) -> None:
        """Judge those of the wanted replies that have no judgement; others on disk are of an earlier search."""
        replies = self._replies()
        unsteered = replies[replies["strength"] == 0].set_index(_PROMPT)["reply"]
        steered = replies[replies["strength"] != 0]
        before = self._table("judgements")
        known = {key for name, key in self.failed if name == judge.name}
        if before is not None:
            known |= reply_keys(before[(before["judge"] == judge.name) & (before["failure"] == "")])
        keys = zip(steered["split"], steered["prompt_id"], steered["layers"], steered["strength"], strict=True)
        waiting = steered[[key in wanted and key not in known for key in keys]]
        if waiting.empty:
            return
        exchanges = [
            Exchange(row.prompt, row.reply, unsteered[row.split, row.prompt_id]) for row in waiting.itertuples()
        ]
        what, started = f"judging {self.behavior} by {judge.name}", time.monotonic()
        self.progress(what, 0, len(exchanges))
        parts, found, done = Parts(self.folder, "judgements"), list[dict[str, object]](), 0
        try:
            for index, judgement in judge.judge(exchanges):
                place = waiting.iloc[index][_WHERE].to_dict()
                if judgement.failure:
                    key = ReplyKey(place["split"], place["prompt_id"], place["layers"], float(place["strength"]))
                    self.failed.add((judge.name, key))
                found.append(
                    {"model": self.model.name, "behavior": self.behavior, **place, "judge": judge.name}
                    | vars(judgement)
                )
                done += 1
                if len(found) == JUDGEMENTS_AT_ONCE:
                    parts.add(pd.DataFrame(found, columns=list(JUDGEMENTS)))
                    found = []
                self.progress(what, done, len(exchanges))
        finally:
            if found:
                parts.add(pd.DataFrame(found, columns=list(JUDGEMENTS)))
            parts.flush()
            self.took(f"judge {self.behavior}, {self.model.name}", time.monotonic() - started)

    def _better_half(self, cells: Sequence[Cell], prompts: Sequence[str]) -> list[Cell]:
        """Those of the cells that go on."""
        kept = survivors(self._measured(cells, prompts), self.settings.floor, len(prompts))
        return self._named(kept)

    def _recommended(self, prompts: Sequence[str]) -> list[Cell]:
        """The settings to report on, of all cells that were asked every prompt, be it by an earlier search."""
        if not self.judges:
            return []
        found = recommended(self._measured(self.grid.steered, prompts), self.settings.floor)
        return self._named(found[found["reason"] == ""])

    def _named(self, table: pd.DataFrame) -> list[Cell]:
        names = {"+".join(map(str, layers)): layers for layers in self.grid.layers}
        return [(names[layers], float(a)) for layers, a in zip(table["layers"], table["strength"], strict=True)]

    def _measured(self, cells: Sequence[Cell], prompts: Sequence[str]) -> pd.DataFrame:
        """What these prompts say of these cells by the first judge; nothing else that is on disk counts."""
        replies, judgements = self._replies(), self._table("judgements")
        assert judgements is not None
        first = judgements[(judgements["judge"] == self.judges[0].name) & (judgements["split"] == "select")]
        asked = replies[(replies["split"] == "select") & replies["prompt_id"].isin(list(prompts))]
        table = reply_cells(judged_replies(asked, first), intervals=False)
        names = {("+".join(map(str, layers)), strength) for layers, strength in cells}
        rows: pd.DataFrame = table[[key in names for key in zip(table["layers"], table["strength"], strict=True)]]
        return rows

    def _replies(self) -> pd.DataFrame:
        found = self._table("replies")
        if found is None:
            raise RunError(f"{self.folder.path}: the replies of {self.model.name} about {self.behavior} are gone")
        return found

    def _table(self, kind: Kind) -> pd.DataFrame | None:
        """What is on disk of this model and behavior; None if nothing is."""
        table = self.folder.parts(kind, {"model": self.model.name, "behavior": self.behavior})
        return None if table is None or table.empty else table
