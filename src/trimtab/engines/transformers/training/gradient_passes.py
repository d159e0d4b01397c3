"""Passes of a transformers model through which vectors of many layers can be differentiated at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.engines.queries import item_query
from trimtab.engines.transformers._forward import record
from trimtab.engines.transformers._query_runner import QueryRunner
from trimtab.engines.transformers.packing.batches import Batch, Marks, Query, one_by_one, pack, pad
from trimtab.engines.transformers.packing.schedule import unmoved_beginnings
from trimtab.engines.transformers.sharing.shared_cache import Beginning
from trimtab.engines.transformers.training._gradient_staircase import steer_by_passes, steer_in_one_pass
from trimtab.engines.transformers.training._likelihood import token_log_probs
from trimtab.engines.transformers.training._unsteered_pass import UnsteeredPass, unsteered_pass
from trimtab.errors import TrimtabWarning
from trimtab.models.eager import frozen
from trimtab.steering import engine_hooks_only
from trimtab.vectors.training import Push, TrainingItem, TrainingPart, add

NUMBERS_SAVED = 20
"""Numbers that a token leaves for the backward pass in each layer, in widths of the residual stream: the inputs of
norms, queries, keys, values, attention output and a gated MLP; see bench/README.md."""
ROW_TOKENS = 512
"""Tokens of a packed row. Shared beginnings are pushed once for each vector, so rows are longer than in a sweep."""


@dataclass(frozen=True, eq=False)
class _Ready:
    """Rows that have been run without a push, and which of the wanted tokens they read."""

    unsteered: UnsteeredPass
    places: Tensor


class StaircasePasses:
    """Log-probabilities of fixed items under pushes, by staircases with gradients; see `GradientPasses`.

    Args:
        runner: lays out and runs queries.
        items: completions behind their prompts.
        marks: which tokens are pushed.
        turn: held while the model runs.
    """

    def __init__(
        self,
        runner: QueryRunner,
        items: Sequence[TrainingItem],
        marks: Marks,
        turn: AbstractContextManager[object],
    ):
        self.runner, self.backbone, self.marks, self.turn = runner, runner.backbone, marks, turn
        self.queries = [item_query(item) for item in items]
        self.targets = [
            torch.tensor([token for text in item.texts for token in text.tokens[text.prompt_length :]])
            for item in items
        ]
        self._ready: dict[tuple[int, ...], tuple[tuple[int, ...], list[_Ready]]] = {}
        self._unsteered: dict[int, Tensor] = {}
        self._one_pass: bool | None = None

    def parts(self, items: Sequence[int], layers: Sequence[int], pushes: int) -> list[TrainingPart]:
        """Divide a batch into parts that fit into memory, and are no taller than is fast.

        By layers first: as the unsteered states are there, several staircases cost no more than one. Then by items.
        """
        tokens = pushes * sum(self._reached(items))
        per_layer = self._bytes(tokens)
        room = self.runner.budget.cache_bytes
        tallest = max(1, self.runner.budget.tokens // tokens)
        if len(items) > 1 and per_layer(min(layers)) > room:
            half = len(items) // 2
            return [part for some in (items[:half], items[half:]) for part in self.parts(some, layers, pushes)]
        groups: list[list[int]] = []
        left = 0
        for layer in sorted(layers):
            need = per_layer(layer)
            if not groups or need > left or len(groups[-1]) >= tallest:
                groups.append([])
                left = room
            groups[-1].append(layer)
            left -= need
        return [TrainingPart(tuple(items), tuple(group)) for group in groups]

    def log_probs(self, part: TrainingPart, vectors: Tensor, pushes: Sequence[Push]) -> Tensor:
        """Log-probability of every token of the part's items, [layers, pushes, tokens] float32."""
        cells = len(part.layers) * len(pushes)
        targets = torch.cat([self.targets[i] for i in part.items])
        with self.turn, frozen(self.backbone.model), engine_hooks_only():
            found, order = [], []
            for ready in self.prepared(part.items, part.layers):
                states = self._steered(ready, part.layers, vectors, pushes)
                tokens = targets[ready.places].to(states.device).repeat(cells)
                found.append(token_log_probs(self.backbone, states.flatten(0, 1), tokens).view(cells, -1))
                order.append(ready.places)
            whole = torch.cat(found, dim=1)[:, torch.cat(order).argsort().to(found[0].device)]
        return whole.view(len(part.layers), len(pushes), -1)

    def unsteered(self, items: Sequence[int]) -> Tensor:
        """Log-probability of every token of some items in the unsteered model, [tokens] float32."""
        if any(item not in self._unsteered for item in items):
            self._score_unsteered(tuple(items))
        return torch.cat([self._unsteered[i] for i in items])

    def _score_unsteered(self, items: tuple[int, ...]) -> None:
        """Score some items together, from the states of their unsteered pass where that has been run."""
        last = self.backbone.facts.layers - 1
        targets = torch.cat([self.targets[i] for i in items])
        found = torch.empty(len(targets))
        with torch.no_grad(), self.turn, frozen(self.backbone.model), engine_hooks_only():
            known = self._ready.get(items)
            for ready in known[1] if known else self._laid_out(items, (last,)):
                states = ready.unsteered.last
                tokens = targets[ready.places].to(states.device)
                found[ready.places] = token_log_probs(self.backbone, states, tokens).cpu()
        counts = [len(self.targets[i]) for i in items]
        self._unsteered.update(zip(items, torch.split(found, counts), strict=True))

    def _steered(self, ready: _Ready, layers: Sequence[int], vectors: Tensor, pushes: Sequence[Push]) -> Tensor:
        if self._one_pass is None:
            self._one_pass = self._staircase_agrees(ready)
            if not self._one_pass:
                warnings.warn(
                    f"{self.backbone.facts.architecture} cannot be trained at many layers in one pass, so each layer "
                    "takes its own: exact, but slow",
                    TrimtabWarning,
                    stacklevel=2,
                )
        if not self._one_pass:
            return steer_by_passes(self.backbone, ready.unsteered, layers, vectors, pushes)
        arguments = self.runner.exactness.arguments
        return steer_in_one_pass(self.backbone, ready.unsteered, arguments, layers, vectors, pushes)

    @torch.no_grad()
    def _staircase_agrees(self, ready: _Ready) -> bool:
        """Whether rows that begin in the middle, two vectors side by side, are what passes of the whole model give."""
        layers = sorted({min(ready.unsteered.states), max(ready.unsteered.states)})
        source = torch.Generator().manual_seed(0)
        drawn = torch.randn(len(layers), self.backbone.facts.width, generator=source)
        norms = torch.stack([ready.unsteered.states[n].float().norm(dim=-1).median().cpu() for n in layers])
        vectors = 0.1 * norms[:, None] * drawn / drawn.norm(dim=1, keepdim=True)
        arguments, how = self.runner.exactness.arguments, (add(1.0), add(-1.0))
        expected = steer_by_passes(self.backbone, ready.unsteered, layers, vectors, how)
        return self.runner.exactness.agrees(
            lambda: steer_in_one_pass(self.backbone, ready.unsteered, arguments, layers, vectors, how).flatten(0, 1),
            expected.flatten(0, 1),
        )

    def prepared(self, items: tuple[int, ...], layers: Sequence[int]) -> list[_Ready]:
        """The rows of some items, run without a push; remembered while memory allows."""
        known = self._ready.get(items)
        if known is not None and set(layers) <= set(known[0]):
            return known[1]
        wanted = tuple(sorted({*layers, *(known[0] if known else ())}))
        made = self._laid_out(items, wanted)
        held = sum(ready.unsteered.bytes for _, some in self._ready.values() for ready in some)
        if held + sum(ready.unsteered.bytes for ready in made) <= self.runner.budget.cache_bytes:
            self._ready[items] = wanted, made
        return made

    def _laid_out(self, items: tuple[int, ...], layers: Sequence[int]) -> list[_Ready]:
        queries = [self.queries[i] for i in items]
        starts = torch.tensor([0, *(len(query.reads) for query in queries)]).cumsum(0).tolist()
        found = []
        for mode, part in self.runner.parts(queries, cells=True):
            mine = [queries[i] for i in part]
            places = torch.cat([torch.arange(starts[i], starts[i + 1]) for i in part])
            if not self.runner.exactness.stairs(mode):
                self._one_pass = False
            if mode == "alone":
                for query, some in one_by_one(mine):
                    with self.runner.isolated(query.longest):
                        batch = pad([query], self.marks, self.runner.pad_token)
                        found.append(_Ready(unsteered_pass(self.backbone, batch, layers), places[some]))
                continue
            beginning, batch = self._laid_in_rows(mine, mode)
            found.append(_Ready(unsteered_pass(self.backbone, batch, layers, beginning), places))
        return found

    def _laid_in_rows(self, queries: Sequence[Query], mode: str) -> tuple[Beginning | None, Batch]:
        """Keys and values of the beginnings that no push reaches, and the rows behind them."""
        if mode != "packed":
            return None, pad(queries, self.marks, self.runner.pad_token)
        packed = pack(queries, (), self.marks, ROW_TOKENS, share=True)
        beginning = record(self.backbone, packed.beginning) if packed.beginning is not None else None
        return beginning, packed.present

    def _reached(self, items: Sequence[int]) -> list[int]:
        """Tokens of each item that every step runs for each push: in packed rows, those that are pushed or read."""
        queries = [self.queries[i] for i in items]
        with torch.no_grad(), self.turn, frozen(self.backbone.model), engine_hooks_only():
            if self.runner.mode(queries, cells=True) != "packed":
                return [query.tokens for query in queries]
        return [query.tokens - sum(map(len, unmoved_beginnings(query, self.marks))) for query in queries]

    def _bytes(self, tokens: int) -> Callable[[int], int]:
        """What a layer's vector holds for the backward pass of some tokens: all layers above it."""
        facts = self.backbone.facts
        each = tokens * NUMBERS_SAVED * facts.width * self.backbone.dtype.itemsize

        def of(layer: int) -> int:
            return each * max(1, facts.layers - 1 - layer)

        return of
