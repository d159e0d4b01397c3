"""Counting replies that a model generates, from the engine's own way of dividing the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import torch

from trimtab._util.wording import plural
from trimtab.engines import Request
from trimtab.engines.transformers.packing.schedule import moved_tokens, own_tokens
from trimtab.engines.transformers.sharing.shared_prefixes import Opening, openings
from trimtab.engines.transformers.writing.slot_writing import places, rows_that_fit
from trimtab.evaluation import Grid
from trimtab.models import encode, encode_prompt
from trimtab.steering import SCALES, Intervention
from trimtab.steering.phases import markers_of
from trimtab.study.measures.work import WriteReplies
from trimtab.study.plan._targets import Target


@dataclass(frozen=True)
class CountedWriting:
    """Replies to some prompts in some cells, counted."""

    rows: int
    """Prompts as presented; a choice pair in both orders is two."""
    cells: int
    """The unsteered one among them."""
    replies: int
    max_new_tokens: int
    passes: int
    """Forward passes over prompts; requests, where each reply is one."""
    prompt_tokens: int
    """Tokens through the whole model that these take: a step of the staircase counts its own layers only."""
    side_by_side: int
    """Replies that are generated at once."""
    kept_tokens: int
    """Tokens whose keys and values are held: those of the replies at hand and of the prompts just run."""
    read_behind: int = 0
    """Prompts behind which the unsteered model reads each reply once more, for its likelihood."""
    read_tokens: int = 0
    """Tokens that this takes if no reply ends early, with the text that replies are compared with."""
    judged: int = 0
    """Replies that judges look at: the steered ones."""
    note: str = ""
    """How cells and prompts are chosen."""
    by_requests: bool = False
    """Whether each reply is a request of its own."""

    @property
    def generated(self) -> int:
        """Tokens generated if no reply ends early."""
        return self.replies * self.max_new_tokens

    @property
    def tokens(self) -> int:
        """Upper bound of the tokens through the whole model."""
        return self.prompt_tokens + self.generated + self.read_tokens

    @property
    def steps(self) -> float:
        """How often one token of every reply at hand is generated."""
        return self.generated / self.side_by_side

    def lines(self, what: str) -> list[str]:
        """For people: what is generated, such as `answers`, and how much of it."""
        again = f", each read behind {plural(self.read_behind, 'prompt')}" if self.read_behind else ""
        prompts = f"      prompts worth {self.prompt_tokens:,} tokens"
        if self.by_requests:
            prompts += " at most"
        else:
            prompts += f" in {self.passes:,} forward passes, {self.side_by_side:,} replies written at once"
        return [
            f"    {what} {self.rows:,} rows × {self.cells:,} cells{self.note}: {self.replies:,} replies, "
            f"at most {self.generated:,} generated tokens{again}",
            prompts,
        ]


def count_writing(work: WriteReplies, target: Target) -> CountedWriting:
    """Count replies: all of them, or those that a search leaves, as their share of all.

    Args:
        work: The prompts and cells.
        target: The model and what it runs on.
    """
    tokenizer = target.reached.tokenizer
    prompts = [encode_prompt(tokenizer, pair, work.form, target.asking) for pair in work.prompts]
    whole = replace(_every_reply(prompts, work.grid, work.max_new_tokens, target), judged=work.judged, note=work.note)
    if work.replies is not None:
        share = work.replies / whole.replies
        whole = replace(
            whole,
            replies=work.replies,
            passes=max(1, round(whole.passes * share)),
            prompt_tokens=round(whole.prompt_tokens * share),
        )
    return replace(whole, read_behind=work.read_behind, read_tokens=_read_tokens(work, prompts, whole.replies, target))


def _read_tokens(work: WriteReplies, prompts: Sequence[tuple[int, ...]], replies: int, target: Target) -> int:
    """Tokens of whole replies behind prompts of average length, and of the texts that they are compared with."""
    # What all prompts begin with, such as a system message, runs once for many texts; the first and the last of them in
    # order agree only in what all of them have.
    ends = zip(min(prompts), max(prompts), strict=False)
    head = 0 if target.by_requests else sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))
    length = sum(map(len, prompts)) / len(prompts) - head + work.max_new_tokens
    beside = sum(len(encode(target.reached.tokenizer, text, target.asking)) for text in work.read_beside)
    return round(work.read_behind * replies * length) + beside


def _every_reply(prompts: Sequence[tuple[int, ...]], grid: Grid, max_new_tokens: int, target: Target) -> CountedWriting:
    facts = target.facts
    cells = [None, *_without_vectors(grid)]
    requests = [Request(prompt, cell, max_new_tokens) for prompt in prompts for cell in cells]
    if target.by_requests:
        return CountedWriting(
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
    markers = markers_of({grid.positions}, target.reached.tokenizer, "the model")
    found = openings(requests, side_by_side, target.budget, markers)
    worth = [_worth(opening, target) for opening in found]
    staircases = {o.cells: len(o.head) * (1 + _climbed(o, target)) for o in found}
    return CountedWriting(
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
    """The cells as far as they divide the work: where they push, not along which direction."""
    anywhere = torch.ones(1)  # only `raw` may push along nothing
    setting = grid.pushed_by
    needs = SCALES.get(setting.scale).needs
    return [
        Intervention(
            where := dict.fromkeys(layers, anywhere), strength, setting.scale, setting.positions, setting.first_token,
            statistics=dict.fromkeys(needs, where),
        )
        for layers, strength in grid.steered
    ]  # fmt: skip


def _worth(opening: Opening, target: Target) -> float:
    """Tokens through the whole model, without the shared head."""
    head, climbed = len(opening.head), _climbed(opening, target)
    return sum(own_tokens(q, head) + moved_tokens(q, head, opening.marks) * climbed for q in opening.queries)


def _climbed(opening: Opening, target: Target) -> float:
    return target.passes_of(cell.layers for cell in opening.cells)
