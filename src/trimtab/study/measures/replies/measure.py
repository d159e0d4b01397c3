"""The measure of replies: what is generated at most, what judging it costs, and its run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from trimtab.analysis import rounds
from trimtab.data import NEUTRAL_TEXTS, Behavior
from trimtab.errors import TrimtabWarning
from trimtab.evaluation import OTHER_PROMPTS, Grid
from trimtab.study._unscored import prompts_of
from trimtab.study.measures._stored_tables import growing_tables
from trimtab.study.measures.base import Measure, Subject, Unit
from trimtab.study.measures.context import Context
from trimtab.study.measures.grids import narrowed, reply_grid
from trimtab.study.measures.replies.judging import Panel, highest_cost
from trimtab.study.measures.replies.run import Replying
from trimtab.study.measures.replies.settings import Replies
from trimtab.study.measures.work import WriteReplies


class RepliesMeasure(Measure[Replies]):
    """Replies to open prompts, judged, and the setting that they recommend."""

    name = "replies"
    settings = Replies
    tables = growing_tables("replies", "judgements")
    grows = True
    needs_scores = False

    def unfit(self, behavior: Behavior) -> str:
        """That there is nothing to reply to, as of raw text; empty where there is."""
        return "" if prompts_of(behavior) else "no prompts to reply to"

    def units(self, settings: Replies, subject: Subject) -> Iterator[Unit]:
        """One unit: the prompts that choose, in the cells that a search leaves, and a setting each way to report."""
        select, test = (prompts_of(part)[: settings.prompts] for part in subject.parts[1:])
        grid = reply_grid(subject.study, settings, subject.n_layers, subject.directed)
        halving = settings.search == "halving"
        choosing = _replies_until_chosen(len(select), grid, halving=halving)
        directions = len({strength > 0 for _, strength in grid.steered})
        times = len(rounds(len(select))) - 1
        how = f"the worse half of the cells dropped {times} times" if halving else "every cell"
        work = WriteReplies(
            select,
            "text",
            grid,
            settings.max_new_tokens,
            replies=len(select) + choosing + len(test) * (1 + directions),
            judged=choosing + len(test) * directions,
            read_behind=1 + OTHER_PROMPTS,
            read_beside=NEUTRAL_TEXTS,
            note=f", {how}, and {len(test):,} rows to report",
        )
        yield Unit("replies", (work,), grid=grid)

    def costs(self, settings: Replies, subject: Subject) -> list[str]:
        """What judging would cost at most, a line for each judge that costs anything."""
        judged = sum(piece.judged for piece in self.work(settings, subject) if isinstance(piece, WriteReplies))
        return highest_cost(settings, subject.setting.label, subject.behavior, judged)

    def run(self, settings: Replies, context: Context, grid: Grid, panel: Panel) -> Grid | None:
        """Generate and judge the replies that the run lacks.

        Args:
            settings: Which prompts, judges and search.
            context: The model and behavior.
            grid: The cells that reply, calibrated where their strengths are doses.
            panel: The judges.

        Returns:
            The recommended setting, toward the behavior if there is one, at both signs.
        """
        subject, model = context.subject, context.model
        for reason in panel.declined:
            warnings.warn(f"a judge declined: {reason}", TrimtabWarning, stacklevel=2)
        if settings.search == "halving" and not panel.judges:
            warnings.warn(
                f"{subject.name}: without a judge cells cannot be halved; only the first prompts were asked",
                TrimtabWarning,
                stacklevel=2,
            )
        replying = Replying(
            context.folder, model, context.vector, grid, subject.name, settings,
            {"select": prompts_of(subject.parts[1]), "test": prompts_of(subject.parts[2])}, panel.judges,
            context.progress,
            context.add_seconds,
        )  # fmt: skip
        chosen = replying.run()
        return narrowed(grid, *chosen[0]) if chosen else None


REPLIES = RepliesMeasure()


def _replies_until_chosen(prompts: int, grid: Grid, *, halving: bool) -> int:
    """Replies of steered cells until the setting is chosen; each direction is halved by itself."""
    if not halving:
        return prompts * len(grid.steered)
    toward = sum(strength > 0 for _, strength in grid.steered)
    total, before, left = 0, 0, [toward, len(grid.steered) - toward]
    for asked in rounds(prompts):
        total += sum(left) * (asked - before)
        left, before = [-(-some // 2) for some in left], asked
    return total
