"""What letting a model write about one behavior would take, from the engine's own way of dividing the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from trimtab.analysis import rounds
from trimtab.data import NEUTRAL_PROMPTS, Behavior
from trimtab.engines import Request, Text
from trimtab.engines.openings import Opening, openings
from trimtab.engines.queries import follow_query
from trimtab.engines.schedule import marks_for, moved_tokens, own_tokens
from trimtab.engines.writing import places, rows_that_fit
from trimtab.evaluation import Grid, shown_rows
from trimtab.evaluation.dose import TOKENS
from trimtab.models import encode, render_prompt, user_text
from trimtab.runs.asking import Answers, Replies
from trimtab.runs.settings import Study
from trimtab.runs.targets import Target
from trimtab.steering import Intervention, Scale

CALIBRATION_ROUNDS = 4
"""Passes over the neutral prompts that calibrating took in trials."""


@dataclass(frozen=True)
class PlannedWriting:
    """What is written about one behavior, counted."""

    what: str
    """`answers` or `replies`."""
    rows: int
    """Prompts as shown; a choice pair in both orders is two."""
    cells: int
    """The unsteered one among them."""
    replies: int
    max_new_tokens: int
    passes: int
    """Forward passes over prompts; requests, where each reply is one."""
    prompt_tokens: int
    """Tokens through the whole model that these are worth: a step of the staircase counts its own layers only."""
    side_by_side: int
    """Replies that are written at once."""
    kept_tokens: int
    """Tokens whose keys and values are held: those of the replies being written and of the prompts just run."""
    read_again: bool = False
    """Whether replies are read by the unsteered model as well, for how likely they are."""
    judged: int = 0
    """Replies that judges look at: the steered ones."""
    note: str = ""
    """How the prompts are divided."""
    by_requests: bool = False
    """Whether each reply is a request of its own."""

    @property
    def generated(self) -> int:
        """Tokens written if no reply ends early."""
        return self.replies * self.max_new_tokens

    @property
    def tokens(self) -> int:
        """At most so many through the whole model."""
        return self.prompt_tokens + self.generated * (2 if self.read_again else 1)

    @property
    def steps(self) -> float:
        """Times that one token of every reply at hand is written."""
        return self.generated / self.side_by_side

    def lines(self) -> list[str]:
        """For people."""
        again = ", each read once more" if self.read_again else ""
        prompts = f"      prompts worth {self.prompt_tokens:,} tokens"
        if self.by_requests:
            prompts += " at most"
        else:
            prompts += f" in {self.passes:,} forward passes, {self.side_by_side:,} replies written at once"
        return [
            f"    {self.what} {self.rows:,} rows × {self.cells:,} cells{self.note}: {self.replies:,} replies, "
            f"at most {self.generated:,} generated tokens{again}",
            prompts,
        ]


def plan_answers(study: Study, answers: Answers, test: Behavior, grid: Grid, target: Target) -> PlannedWriting:
    """Count what asking about one behavior would take.

    Args:
        study: for how prompts are shown.
        answers: what of it asks.
        test: the prompts that are reported, a choice behavior's.
        grid: the cells.
        target: the model and what it runs on.
    """
    asked = replace(test, pairs=test.pairs[: answers.prompts])
    rows = shown_rows([("test", asked)], "choice", study.balance, study.seed)
    tokenizer = target.reached.tokenizer
    prompts = [tuple(encode(tokenizer, render_prompt(tokenizer, user_text(r.shown.pair, "choice")))) for r in rows]
    return _planned("answers", prompts, grid, answers.max_new_tokens, target)


def plan_replies(replies: Replies, parts: tuple[Behavior, Behavior], grid: Grid, target: Target) -> PlannedWriting:
    """Count what replying to the prompts of one behavior would take at most: a setting to report in either direction.

    Args:
        replies: what of the study asks.
        parts: the prompts that choose and those that report.
        grid: the cells.
        target: the model and what it runs on.
    """
    tokenizer = target.reached.tokenizer
    select, test = (part.pairs[: replies.prompts] for part in parts)
    prompts = [tuple(encode(tokenizer, render_prompt(tokenizer, user_text(pair, "text")))) for pair in select]
    whole = _planned("replies", prompts, grid, replies.max_new_tokens, target)
    chosen = _searched(len(select), grid, halving=replies.search == "halving") + len(select)
    directions = len({strength > 0 for _, strength in grid.steered})
    reported = len(test) * (1 + directions)
    share = (chosen + reported) / whole.replies
    times = len(rounds(len(select))) - 1
    how = f"the worse half of the cells dropped {times} times" if replies.search == "halving" else "every cell"
    return replace(
        whole,
        replies=chosen + reported,
        passes=max(1, round(whole.passes * share)),
        prompt_tokens=round(whole.prompt_tokens * share),
        read_again=True,
        judged=chosen + reported - len(select) - len(test),
        note=f", {how}, and {len(test):,} rows to report",
    )


def plan_dose(grid: Grid, target: Target) -> int:
    """Tokens through the whole model that measuring doses is worth, calibration included."""
    tokenizer = target.reached.tokenizer
    marks = marks_for(grid.positions, grid.first_token)
    prompts = [encode(tokenizer, render_prompt(tokenizer, prompt)) for prompt in NEUTRAL_PROMPTS]
    queries = [follow_query(Text((*prompt, *[0] * TOKENS), len(prompt))) for prompt in prompts]
    climbed = target.passes_of(layers for layers, _ in grid.steered)
    times = 1 + CALIBRATION_ROUNDS if grid.scale == "kl" else 1
    if target.by_requests:
        return round(times * sum(q.tokens for q in queries) * (1 + climbed))
    return round(times * sum(own_tokens(q, 0) + moved_tokens(q, 0, marks) * climbed for q in queries))


def _searched(prompts: int, grid: Grid, *, halving: bool) -> int:
    """Replies of steered cells until the setting is chosen; each direction is halved for itself."""
    if not halving:
        return prompts * len(grid.steered)
    toward = sum(strength > 0 for _, strength in grid.steered)
    total, before, left = 0, 0, [toward, len(grid.steered) - toward]
    for asked in rounds(prompts):
        total += sum(left) * (asked - before)
        left, before = [-(-some // 2) for some in left], asked
    return total


def _planned(
    what: str, prompts: Sequence[tuple[int, ...]], grid: Grid, max_new_tokens: int, target: Target
) -> PlannedWriting:
    facts = target.facts
    cells = [None, *_without_vectors(grid)]
    requests = [Request(prompt, cell, max_new_tokens) for prompt in prompts for cell in cells]
    if target.by_requests:
        return PlannedWriting(
            what=what,
            rows=len(prompts),
            cells=len(cells),
            replies=len(requests),
            max_new_tokens=max_new_tokens,
            passes=len(requests),
            prompt_tokens=sum(len(prompt) for prompt in prompts) * len(cells),
            side_by_side=len(requests),
            kept_tokens=0,
            by_requests=True,
        )
    length = places(max(request.most_tokens for request in requests))
    side_by_side = rows_that_fit(facts, target.dtype, target.budget, length, len(requests))
    found = openings(requests, side_by_side, target.budget)
    worth = [_worth(opening, target) for opening in found]
    staircases = {o.cells: len(o.head) * (1 + _climbed(o, target)) for o in found}
    return PlannedWriting(
        what=what,
        rows=len(prompts),
        cells=len(cells),
        replies=len(requests),
        max_new_tokens=max_new_tokens,
        passes=len(found),
        prompt_tokens=int(sum(staircases.values()) + sum(worth)),
        side_by_side=side_by_side,
        kept_tokens=side_by_side * length + int(max(worth)),
    )


def _without_vectors(grid: Grid) -> Sequence[Intervention]:
    """The cells as far as they divide the work: where they push, not which way."""
    anywhere = torch.ones(1)  # only `raw` may push along nothing
    scale: Scale = "relative" if grid.scale == "kl" else grid.scale
    return [
        Intervention(dict.fromkeys(layers, anywhere), strength, scale, grid.positions, grid.first_token)
        for layers, strength in grid.steered
    ]


def _worth(opening: Opening, target: Target) -> float:
    """Tokens through the whole model, the shared head left out."""
    head, climbed = len(opening.head), _climbed(opening, target)
    return sum(own_tokens(q, head) + moved_tokens(q, head, opening.marks) * climbed for q in opening.queries)


def _climbed(opening: Opening, target: Target) -> float:
    return target.passes_of(cell.layers for cell in opening.cells)
