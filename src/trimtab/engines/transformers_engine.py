"""The default engine: transformers on one machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from trimtab.engines import padded_writing, writing
from trimtab.engines.base import Captured, Followed, Pausable, Scored
from trimtab.engines.batches import Marks, Packed, Query, pack, pad
from trimtab.engines.budget import Budget, budget_for
from trimtab.engines.forward import climb, read_last_layer, read_layers, run
from trimtab.engines.masks import has_only_attention
from trimtab.engines.openings import Opening
from trimtab.engines.queries import (
    Scoring,
    Text,
    capture_query,
    follow_query,
    read_followed,
    read_scores,
    score_query,
    state_query,
)
from trimtab.engines.requests import Reply, Request, Writing
from trimtab.engines.schedule import marks_of, require_reach, schedule, unmarked
from trimtab.engines.shared_cache import Beginning
from trimtab.engines.sharing import sharing_is_exact
from trimtab.errors import SettingError
from trimtab.models import Backbone, EncodedPair, TokenPosition
from trimtab.steering import Intervention, check_layers, steered

_PLAIN_ROWS = 8


@dataclass(frozen=True, eq=False)
class _Head:
    """What all sequences begin with, already run."""

    tokens: tuple[int, ...] = ()
    beginning: Beginning | None = None


class TransformersEngine:
    """Runs a transformers model with hooks on its decoder layers; the model itself is never changed."""

    name = "transformers"

    def __init__(self, backbone: Backbone, *, memory_bytes: int | None = None):
        self.backbone = backbone
        self.budget: Budget = budget_for(backbone.facts, backbone.device, backbone.dtype, memory_bytes)

    @cached_property
    def shares_beginnings(self) -> bool:
        """Whether packed prefix trees are exact for this model, found out once by trying.

        Not so for recurrent layers, or for position schemes that count places in the row.
        """
        return has_only_attention(self.backbone.model.config.get_text_config()) and sharing_is_exact(self.backbone)

    def steered(self, intervention: Intervention) -> AbstractContextManager[Pausable]:
        """Hooks on the model, for whoever calls it."""
        return steered(self.backbone, [intervention])

    def close(self) -> None:
        """Nothing is held outside of this process."""

    @torch.no_grad()
    def capture(self, pairs: Sequence[EncodedPair], token_position: TokenPosition) -> Iterator[Captured]:
        """Stream the pairs' states behind every layer, batch by batch; the unembedding is never computed."""
        if not pairs:
            return
        queries = [capture_query(pair, token_position) for pair in pairs]
        for chosen, states in self._every_state(queries, None):
            some = [queries[i] for i in chosen]
            yield Captured(list(chosen), *(_mean_reads(some, states, sequence) for sequence in (0, 1)))

    @torch.no_grad()
    def states(self, texts: Sequence[Text], layers: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        """Stream (text, its states behind some layers [tokens, layers, d_model] float32), token by token.

        Read are the tokens behind each text's prompt; layers come lowest first.

        Raises:
            SettingError: for a layer the model does not have.
        """
        n_layers = self.backbone.facts.layers
        if wrong := [layer for layer in layers if not 0 <= layer < n_layers]:
            raise SettingError(f"layer {wrong[0]} is out of range: this model has layers 0 to {n_layers - 1}")
        if not texts:
            return
        by_prompt: dict[tuple[int, ...], list[int]] = {}
        for index, text in enumerate(texts):
            by_prompt.setdefault(text.tokens[: text.prompt_length], []).append(index)
        groups = list(by_prompt.values())
        queries = [state_query([texts[i] for i in group]) for group in groups]
        for chosen, states in self._every_state(queries, layers):
            indices = [i for group in chosen for i in groups[group]]
            lengths = [len(texts[i].tokens) - texts[i].prompt_length for i in indices]
            yield from zip(indices, torch.split(states, lengths), strict=True)

    def _every_state(
        self, queries: Sequence[Query], layers: Sequence[int] | None
    ) -> Iterator[tuple[tuple[int, ...], Tensor]]:
        """Run queries unsteered; stream (indices, states [reads, layers, d_model]) batch by batch."""
        plan = schedule(queries, 0, unmarked, self.budget, share=self.shares_beginnings)
        head = self._run_head(plan.head, queries, unmarked, ())
        for chosen in plan.batches:
            batch = self._lay_out([queries[i] for i in chosen], head, unmarked, share=False).present
            yield chosen, read_layers(self.backbone, batch, head.beginning, layers)

    @torch.no_grad()
    def score_choices(
        self, pairs: Sequence[EncodedPair], interventions: Sequence[Intervention | None], scoring: Scoring
    ) -> Tensor:
        """One score a pair [pairs], each under its own intervention, by hooks on plain padded rows.

        The slow, obvious way that the sweep is tested against.
        """
        scores = []
        for start in range(0, len(pairs), _PLAIN_ROWS):
            some, cells = pairs[start : start + _PLAIN_ROWS], interventions[start : start + _PLAIN_ROWS]
            queries = [score_query(pair, scoring) for pair in some]
            rows = [(c, q.prompt_length) for c, q in zip(cells, queries, strict=True) for _ in q.sequences]
            steering = steered(self.backbone, [c for c, _ in rows], [n for _, n in rows])
            states = read_last_layer(self.backbone, pad(queries, unmarked, self.pad_token), steering)
            scores.append(read_scores(self.backbone, some, states[None], scoring)[0])
        return torch.cat(scores) if scores else torch.zeros(0)

    @torch.no_grad()
    def sweep(
        self,
        pairs: Sequence[EncodedPair],
        cells: Sequence[Intervention],
        scoring: Scoring,
        *,
        done: Collection[int] = (),
    ) -> Iterator[Scored]:
        """Stream the scores of every pair in every cell, batch by batch, by the one-pass sweep.

        The batches do not depend on `done`: those whose pairs are all in it are left out, the others stay the same.

        Raises:
            SettingError: for a layer the model does not have, when the cells differ in positions, or when their
                positions cannot change what is scored.
        """
        check_layers(cells, self.backbone.facts.layers)
        if not pairs:
            return
        marks = marks_of(cells)
        queries = [score_query(pair, scoring) for pair in pairs]
        require_reach(queries, marks)
        for chosen, states in self._every_cell(queries, cells, marks, done):
            yield Scored(list(chosen), read_scores(self.backbone, [pairs[i] for i in chosen], states, scoring))

    @torch.no_grad()
    def follow(self, texts: Sequence[Text], cells: Sequence[Intervention]) -> Iterator[Followed]:
        """Stream how likely given texts are in every cell, and how far its distributions are from the unsteered ones.

        Without cells, texts are only followed by the unsteered model.

        Raises:
            SettingError: for a layer the model does not have, when the cells differ in positions, or when their
                positions cannot change what is read.
        """
        check_layers(cells, self.backbone.facts.layers)
        if not texts:
            return
        marks = marks_of(cells) if cells else unmarked
        queries = [follow_query(text) for text in texts]
        if cells:
            require_reach(queries, marks)
        for chosen, states in self._every_cell(queries, cells, marks, ()):
            yield Followed(list(chosen), *read_followed(self.backbone, [texts[i] for i in chosen], states))

    def _every_cell(
        self, queries: Sequence[Query], cells: Sequence[Intervention], marks: Marks, done: Collection[int]
    ) -> Iterator[tuple[tuple[int, ...], Tensor]]:
        """Run queries in every cell; stream (indices, states [1 + cells, reads, d_model]) batch by batch."""
        plan = schedule(queries, len(cells), marks, self.budget, share=self.shares_beginnings)
        groups = [[cells[i] for i in group] for group in plan.groups] or [[]]
        heads = [self._run_head(plan.head, queries, marks, group) for group in groups]
        for chosen in plan.batches:
            if all(index in done for index in chosen):
                continue
            some = [queries[i] for i in chosen]
            states = [self._climb(some, marks, g, h)[0] for g, h in zip(groups, heads, strict=True)]
            yield chosen, torch.cat([states[0], *(block[1:] for block in states[1:])])

    def write(self, requests: Sequence[Request]) -> Iterator[tuple[int, Writing]]:
        """Continue texts, each under its own intervention; yield (request, what is written of it) after each token.

        Closing the iterator stops the work.
        """
        check_layers([r.intervention for r in requests], self.backbone.facts.layers)
        if not requests:
            return iter(())
        texts: Iterator[tuple[int, Writing]] = self._writer.write(self, requests)
        return texts

    @property
    def _writer(self) -> Any:
        return writing if self.shares_beginnings else padded_writing

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Continue texts and yield (request, reply) as they are finished."""
        for index, text in self.write(requests):
            if text.finish is not None:
                yield index, text.reply()

    def writing(self, request: Request) -> Writing:
        """An empty page for a request."""
        return Writing(request, self.backbone.ends, self._decode)

    def climb_prompts(self, opening: Opening, heads: dict[object, object]) -> tuple[Tensor, Beginning, Packed]:
        """Run the prompts of an opening in all of its cells: last states, keys and values, and where they stand.

        `heads` is the caller's, and remembers the last head between openings of the same kind.
        """
        key = (opening.head, opening.marks, opening.cells)
        if key not in heads:
            heads.clear()
            heads[key] = self._run_head(opening.head, opening.queries, opening.marks, opening.cells)
        head = heads[key]
        assert isinstance(head, _Head)
        states, recorded, packed = self._climb(opening.queries, opening.marks, opening.cells, head, record=True)
        assert recorded is not None
        return states, recorded, packed

    @torch.no_grad()
    def first_token_norm(self, pairs: Sequence[EncodedPair]) -> Tensor:
        """Mean norm of the residual stream at the sequences' first token, [n_layers]; nothing behind it matters."""
        tokens = sorted({pair.positive[0] for pair in pairs})
        batch = pad([Query(((token,),), ((0, 0),), 1) for token in tokens], unmarked, self.pad_token)
        norms: Tensor = read_layers(self.backbone, batch, None).norm(dim=-1)
        return norms.mean(0)

    @property
    def pad_token(self) -> int:
        """What fills rows up; it is never seen by a real token."""
        tokenizer = self.backbone.tokenizer
        candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
        return int(next(token for token in candidates if token is not None))

    def _decode(self, tokens: list[int]) -> str:
        text: str = self.backbone.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def _lay_out(self, queries: Sequence[Query], head: _Head, marks: Marks, *, share: bool) -> Packed:
        if not self.shares_beginnings:
            return Packed(None, pad(queries, marks, self.pad_token))
        budget = self.budget
        return pack(queries, head.tokens, marks, budget.row_tokens, share=share, recurring=budget.recurring)

    def _run_head(
        self, tokens: tuple[int, ...], queries: Sequence[Query], marks: Marks, cells: Sequence[Intervention]
    ) -> _Head:
        """Run the head: one row for each cell where its tokens are steered, a single row where none is."""
        if not tokens:
            return _Head()
        batch = pad([Query((tokens,), (), queries[0].prompt_length)], marks, self.pad_token)
        if bool(batch.steered.any()):
            return _Head(tokens, climb(self.backbone, batch, cells, None, record=True)[1])
        return _Head(tokens, run(self.backbone, batch, None, record=True))

    def _climb(
        self,
        queries: Sequence[Query],
        marks: Marks,
        cells: Sequence[Intervention],
        head: _Head,
        *,
        record: bool = False,
    ) -> tuple[Tensor, Beginning | None, Packed]:
        beginning = head.beginning
        # Behind a steered head nothing is the same in every cell.
        packed = self._lay_out(queries, head, marks, share=beginning is None or not beginning.per_cell)
        if packed.beginning is not None:
            beginning = run(self.backbone, packed.beginning, beginning, record=True)
        return *climb(self.backbone, packed.present, cells, beginning, record=record), packed


def _mean_reads(queries: Sequence[Query], states: Tensor, sequence: int) -> Tensor:
    """Mean over the tokens read of one sequence of each query: [reads, …] → [queries, …]."""
    owners = torch.tensor([q if s == sequence else -1 for q, query in enumerate(queries) for s, _ in query.reads])
    mine = owners >= 0
    total = torch.zeros(len(queries), *states.shape[1:]).index_add_(0, owners[mine], states[mine])
    return total / torch.bincount(owners[mine], minlength=len(queries))[:, None, None]
