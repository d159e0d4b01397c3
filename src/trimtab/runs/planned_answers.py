"""What asking a model about one behavior would take, from the engine's own way of dividing the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from trimtab.data import Behavior
from trimtab.engines import Request
from trimtab.engines.openings import Opening, openings
from trimtab.engines.schedule import moved_tokens, own_tokens
from trimtab.engines.writing import places, rows_that_fit
from trimtab.evaluation import Grid, shown_rows
from trimtab.models import encode, render_prompt, user_text
from trimtab.runs.asking import Answers
from trimtab.runs.settings import Study
from trimtab.runs.targets import Target
from trimtab.steering import Intervention, Scale


@dataclass(frozen=True)
class PlannedAnswers:
    """One behavior asked of one model, counted."""

    rows: int
    """Prompts as shown; a pair in both orders is two."""
    cells: int
    """The unsteered one among them."""
    max_new_tokens: int
    passes: int
    """Forward passes over prompts."""
    prompt_tokens: int
    """Tokens through the whole model that these are worth: a step of the staircase counts its own layers only."""
    side_by_side: int
    """Replies that are written at once."""
    kept_tokens: int
    """Tokens whose keys and values are held: those of the replies being written and of the prompts just run."""

    @property
    def replies(self) -> int:
        """Every row in every cell."""
        return self.rows * self.cells

    @property
    def generated(self) -> int:
        """Tokens written if no reply ends early."""
        return self.replies * self.max_new_tokens

    @property
    def tokens(self) -> int:
        """At most so many through the whole model."""
        return self.prompt_tokens + self.generated

    @property
    def steps(self) -> float:
        """Times that one token of every reply at hand is written."""
        return self.generated / self.side_by_side

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"    answers {self.rows:,} rows × {self.cells:,} cells: {self.replies:,} replies, "
            f"at most {self.generated:,} generated tokens",
            f"      prompts worth {self.prompt_tokens:,} tokens in {self.passes:,} forward passes, "
            f"{self.side_by_side:,} replies written at once",
        ]


def plan_answers(study: Study, answers: Answers, test: Behavior, grid: Grid, target: Target) -> PlannedAnswers:
    """Count what asking about one behavior would take.

    Args:
        study: for how prompts are shown.
        answers: what of it asks.
        test: the prompts that are reported, a choice behavior's.
        grid: the cells.
        target: the model and what it runs on.
    """
    tokenizer, facts = target.reached.tokenizer, target.facts
    asked = replace(test, pairs=test.pairs[: answers.prompts])
    rows = shown_rows([("test", asked)], "choice", study.balance, study.seed)
    prompts = [tuple(encode(tokenizer, render_prompt(tokenizer, user_text(r.shown.pair, "choice")))) for r in rows]
    cells = [None, *_without_vectors(grid)]
    requests = [Request(prompt, cell, answers.max_new_tokens) for prompt in prompts for cell in cells]
    length = places(max(request.most_tokens for request in requests))
    side_by_side = rows_that_fit(facts, target.dtype, target.budget, length, len(requests))
    found = openings(requests, side_by_side, target.budget)
    worth = [_worth(opening, facts.layers) for opening in found]
    staircases = {o.cells: len(o.head) * (1 + _climbed(o, facts.layers)) for o in found}
    return PlannedAnswers(
        rows=len(rows),
        cells=len(cells),
        max_new_tokens=answers.max_new_tokens,
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


def _worth(opening: Opening, n_layers: int) -> float:
    """Tokens through the whole model, the shared head left out."""
    head, climbed = len(opening.head), _climbed(opening, n_layers)
    return sum(own_tokens(q, head) + moved_tokens(q, head, opening.marks) * climbed for q in opening.queries)


def _climbed(opening: Opening, n_layers: int) -> float:
    """Passes that the cells are worth: one that joins behind layer ℓ goes through the layers above ℓ only."""
    return sum(n_layers - 1 - cell.layers[0] for cell in opening.cells) / n_layers
