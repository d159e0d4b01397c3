"""Runs prompts before their first new token, and queries row by row, each under its own intervention."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.engines.transformers._forward import pushed, read_and_record, read_last_layer, run_layers
from trimtab.engines.transformers._query_runner import Head, QueryRunner
from trimtab.engines.transformers.packing.batches import Marks, Packed, Query, in_order, one_by_one, pack, pad
from trimtab.engines.transformers.packing.schedule import unmarked
from trimtab.engines.transformers.sharing.shared_cache import Beginning
from trimtab.engines.transformers.sharing.shared_prefixes import Opening
from trimtab.steering import Intervention, PushCheck, steered
from trimtab.steering.phases import markers_for, steered_tokens


class PromptRunner(QueryRunner):
    """A runner of queries that also runs what texts are written from."""

    def run_prefix_layers(
        self, opening: Opening, heads: dict[object, object], check: PushCheck
    ) -> tuple[Tensor, Beginning, Packed]:
        """Run the prompts of an opening in all of its cells: last states, keys and values, and where they stand.

        `heads` is the caller's, and remembers the last head between openings of the same kind.
        """
        if opening.own_cells:
            return self.run_prompt_rows(opening.queries, opening.own_cells, opening.beginning, check)
        key = (opening.head, opening.marks, opening.cells)
        if key not in heads:
            heads.clear()
            heads[key] = self.run_head(opening.head, opening.queries, opening.marks, opening.cells, check)
        head = heads[key]
        assert isinstance(head, Head)
        return self.run_prompt_layers(opening.queries, opening.marks, opening.cells, head, check)

    def plain_states(self, queries: Sequence[Query], interventions: Sequence[Intervention | None]) -> Tensor:
        """States of the wanted tokens behind the last layer, each query under its own intervention, by hooks."""

        def read(rows: Sequence[tuple[Query, Intervention | None]]) -> Tensor:
            every = [(cell, query.prompt_length) for query, cell in rows for _ in query.sequences]
            cells, lengths = [cell for cell, _ in every], [length for _, length in every]
            steering = steered(self.backbone, cells, lengths, engine=True)
            return read_last_layer(self.backbone, pad([query for query, _ in rows], unmarked, self.pad_token), steering)

        longest = max(query.longest for query in queries)
        if self.split_batchable([longest])[0] and self.exactness.mode(0, longest, fastest=self.plain) == "padded":
            return read(list(zip(queries, interventions, strict=True)))
        states = []
        for query, cell in zip(queries, interventions, strict=True):
            parts = []
            for one, places in one_by_one([query]):
                with self.isolated(one.longest):
                    parts.append((places, read([(one, cell)])))
            states.append(in_order(parts, axis=0))
        return torch.cat(states)

    def run_prompt_layers(
        self, queries: Sequence[Query], marks: Marks, cells: Sequence[Intervention], head: Head, check: PushCheck
    ) -> tuple[Tensor, Beginning, Packed]:
        """Run prompts packed, in a staircase: last states, keys and values, and where they stand."""
        beginning, packed = self.run_beginning(queries, marks, head, "packed")
        arguments = self.exactness.arguments
        recorded = Beginning()
        states = run_layers(self.backbone, packed.present, cells, beginning, arguments, into=recorded, check=check)
        return states, recorded, packed

    def run_prompt_rows(
        self,
        queries: Sequence[Query],
        cells: Sequence[Intervention | None],
        beginning: Beginning | None,
        check: PushCheck,
    ) -> tuple[Tensor, Beginning, Packed]:
        """Run prompts in rows of their own, each under its own intervention; returned as by `run_prompt_layers`.

        `beginning`: what has been run of them before, the same for all or a row for each.
        """
        before = beginning.length if beginning is not None else 0
        head = queries[0].sequences[0][:before]  # of the others too, as far as packing is concerned: its length counts
        packed = pack(queries, head, unmarked, 1, share=False, recurring=self.budget.recurring)
        markers = markers_for(cells, self.backbone)
        steered = torch.zeros_like(packed.present.steered)
        for row, (query, cell) in enumerate(zip(queries, cells, strict=True)):
            if cell is not None:
                prompt = query.sequences[0]
                marks = steered_tokens(cell.positions, prompt, len(prompt), cell.first_token, markers)
                steered[row, : len(prompt) - before] = marks[before:]
        steering = pushed(self.backbone, cells, steered, check)
        states, recorded = read_and_record(self.backbone, packed.present, steering, beginning)
        return states[None], recorded, packed
