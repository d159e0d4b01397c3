"""Replies to open prompts: written cell by cell, judged, and searched for the setting to use."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import pandas as pd

from trimtab._util.wording import plural
from trimtab.analysis import JUDGEMENTS, judged_replies, recommended, reply_cells, rounds, survivors
from trimtab.data import Pair
from trimtab.engines import Model
from trimtab.errors import RunError
from trimtab.evaluation import Grid, ReplyKey, ReplyTask, reply_batches, reply_keys, reply_references
from trimtab.judges import Exchange, Judge
from trimtab.steering import UNSTEERED, Cell, layers_label
from trimtab.store.part_writer import PartWriter
from trimtab.store.run_folder import RunFolder
from trimtab.store.table_folder import Kind
from trimtab.study.measures.replies.settings import Replies
from trimtab.study.step_names import judging, replying
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
    parts: Mapping[str, Sequence[Pair]]
    """The whole parts `select` and `test` of the behavior, however few of their prompts are asked."""
    judges: Sequence[Judge]
    """The first one chooses."""
    progress: Progress
    add_seconds: Callable[[str, float, str, str], None]
    failed: set[tuple[str, ReplyKey]] = field(default_factory=set)
    """(judge, reply) of judgements that failed in this run: they are made again by the next one."""

    def run(self) -> list[Cell]:
        """Reply to the prompts that choose, in every cell or while halving the cells; then report on the others.

        What is on disk already is neither written nor judged again, except judgements that failed.

        Returns:
            The recommended cells, toward the behavior first; none without a judge.
        """
        cells = self.grid.steered
        select, test = (self.parts[split][: self.settings.prompts] for split in ("select", "test"))
        for count in self._rounds(len(select)):
            part = "" if count == len(select) else f"{count} of {plural(len(select), 'prompt')}"
            tasks = [ReplyTask("select", pair, cell) for pair in select[:count] for cell in [UNSTEERED, *cells]]
            self._ask(tasks, part)
            if count < len(select) and self.judges:
                cells = self._better_half(cells, [pair.id for pair in select[:count]])
        chosen = self._recommended([pair.id for pair in select])
        if chosen:
            self._ask([ReplyTask("test", pair, cell) for pair in test for cell in [UNSTEERED, *chosen]], "held out")
        return chosen

    def _rounds(self, prompts: int) -> list[int]:
        """Prompts asked after each round; without a judge nothing can be dropped, so halving ends with its first."""
        if self.settings.search != "halving":
            return [prompts]
        return rounds(prompts) if self.judges else rounds(prompts)[:1]

    def _ask(self, asks: Sequence[ReplyTask], part: str) -> None:
        self._write(asks, part)
        wanted = {ask.key for ask in asks}
        for judge in self.judges:
            self._judge(judge, wanted)

    def _write(self, asks: Sequence[ReplyTask], part: str) -> None:
        before = self._table("replies")
        known = set() if before is None else reply_keys(before)
        missing = [ask for ask in asks if ask.key not in known]
        if not missing:
            return
        done, total, started = len(asks) - len(missing), len(asks), time.monotonic()
        what, already = replying(self.behavior, self.model.name, part), done
        self.progress(what, done, total)

        def written(count: int, of: int) -> None:
            self.progress(what, min(already + count, total - 1), total)  # they are read once more before they are done

        # Ordinary text is read once: a run that was stopped continues with the number that its rows have.
        ordinary = math.nan if before is None else float(before["nll_ordinary"].iloc[0])
        parts = PartWriter(self.folder, "replies")
        try:
            prompts = [(ask.split, ask.pair) for ask in missing]
            references = reply_references(self.model, prompts, self.parts, ordinary=ordinary)
            for frame in reply_batches(
                self.model, self.vectors, self.grid, missing, self.behavior,
                max_new_tokens=self.settings.max_new_tokens, progress=written, references=references,
            ):  # fmt: skip
                parts.add(frame)
                done += len(frame)
        finally:
            parts.flush()
            self.progress(what, done, total)
            self.add_seconds("reply", time.monotonic() - started, self.model.name, self.behavior)

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
        what, started = judging(self.behavior, judge.name, self.model.name), time.monotonic()
        self.progress(what, 0, len(exchanges))
        parts, found, done = PartWriter(self.folder, "judgements"), list[dict[str, object]](), 0
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
            self.add_seconds("judge", time.monotonic() - started, self.model.name, self.behavior)

    def _better_half(self, cells: Sequence[Cell], prompts: Sequence[str]) -> list[Cell]:
        """Those of the cells that continue."""
        kept = survivors(self._measured(cells, prompts), self.settings.min_coherence, len(prompts))
        return self._named(kept)

    def _recommended(self, prompts: Sequence[str]) -> list[Cell]:
        """The settings to report on, of all cells that were asked every prompt, be it by an earlier search."""
        if not self.judges:
            return []
        found = recommended(self._measured(self.grid.steered, prompts), self.settings.min_coherence)
        return self._named(found[found["reason"] == ""])

    def _named(self, table: pd.DataFrame) -> list[Cell]:
        names = {layers_label(layers): layers for layers in self.grid.layers}
        return [Cell(names[layers], float(a)) for layers, a in zip(table["layers"], table["strength"], strict=True)]

    def _measured(self, cells: Sequence[Cell], prompts: Sequence[str]) -> pd.DataFrame:
        """What these prompts say of these cells by the first judge; nothing else that is on disk counts."""
        replies, judgements = self._replies(), self._table("judgements")
        assert judgements is not None
        first = judgements[(judgements["judge"] == self.judges[0].name) & (judgements["split"] == "select")]
        asked = replies[(replies["split"] == "select") & replies["prompt_id"].isin(list(prompts))]
        table = reply_cells(judged_replies(asked, first), intervals=False)
        names = {(cell.layers_label, cell.strength) for cell in cells}
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
