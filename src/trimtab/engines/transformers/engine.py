"""The default engine: transformers on one machine."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial

import torch
from torch import Tensor

from trimtab.engines.base import Captured, Scored, TextScores, Watched
from trimtab.engines.queries import (
    Scoring,
    capture_query,
    read_scores,
    read_text_scores,
    score_query,
    state_query,
    text_query,
)
from trimtab.engines.requests import Reply, Request, Writing
from trimtab.engines.transformers._forward import read_layers
from trimtab.engines.transformers._prompt_runner import PromptRunner
from trimtab.engines.transformers.packing.batches import Query, pad
from trimtab.engines.transformers.packing.row_memory import too_long
from trimtab.engines.transformers.packing.schedule import marks_for, marks_of, require_reach, unmarked
from trimtab.engines.transformers.streaming.together import weights_of
from trimtab.engines.transformers.training.gradient_passes import StaircasePasses
from trimtab.engines.transformers.writing.writer import TransformersWriter
from trimtab.models import EncodedPair, Text, TokenPosition
from trimtab.steering import Intervention, check_layers, require_layers, steered
from trimtab.steering.phases import markers_of
from trimtab.vectors.training import TrainingItem


class TransformersEngine(PromptRunner):
    """Runs a transformers model with hooks on its decoder layers; the model itself is never changed."""

    name = "transformers"

    def steered(
        self, intervention: Intervention, prompt_lengths: Sequence[int] | None = None
    ) -> AbstractContextManager[Watched]:
        """Hooks on the model, for every caller of this thread or task."""
        return steered(self.backbone, [intervention], prompt_lengths)

    def fault(self) -> str:
        """Nothing: a pass that fails leaves the model in this process as it is."""
        return ""

    def close(self) -> None:
        """Nothing is held outside of this process."""

    def too_long(self, tokens: int) -> str:
        """Packed rows grow with the square of their tokens."""
        return too_long(tokens) if self.exactness.only_attention else ""

    @torch.no_grad()
    def capture(self, pairs: Sequence[EncodedPair], token_position: TokenPosition) -> Iterator[Captured]:
        """Stream the pairs' states behind every layer, batch by batch; the unembedding is never computed."""
        if not pairs:
            return
        queries = [capture_query(pair, token_position) for pair in pairs]

        def finish(chosen: tuple[int, ...], states: Tensor) -> Captured:
            some = [queries[i] for i in chosen]
            return Captured(list(chosen), *(_mean_reads(some, states, sequence) for sequence in (0, 1)))

        first = partial(self._read_first_tokens, _first_tokens(pair.positive for pair in pairs))
        yield from self.every_state(queries, None, finish, first)

    @torch.no_grad()
    def states(self, texts: Sequence[Text], layers: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        """Stream (text, its states behind some layers [tokens, layers, d_model] float32), token by token.

        Read are the tokens behind each text's prompt; layers come lowest first.

        Raises:
            SettingError: for a layer the model does not have.
        """
        require_layers(layers, self.backbone.facts.layers)
        if not texts:
            return
        by_prompt: dict[tuple[int, ...], list[int]] = {}
        for index, text in enumerate(texts):
            by_prompt.setdefault(text.tokens[: text.prompt_length], []).append(index)
        groups = list(by_prompt.values())
        queries = [state_query([texts[i] for i in group]) for group in groups]
        first = partial(self._read_first_tokens, _first_tokens(text.tokens for text in texts))
        for chosen, states in self.every_state(queries, layers, _as_read, first):
            indices = [i for group in chosen for i in groups[group]]
            lengths = [len(texts[i].tokens) - texts[i].prompt_length for i in indices]
            yield from zip(indices, torch.split(states, lengths), strict=True)

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

        Without cells, only the unsteered model scores them. The batches do not depend on `done`: those whose pairs are
        all in it are left out, the others stay the same.

        Raises:
            SettingError: for a layer the model does not have, when the cells differ in positions, or when their
                positions cannot change what is scored.
        """
        check_layers(cells, self.backbone.facts.layers)
        if not pairs:
            return
        marks = marks_of(cells, self.backbone) if cells else unmarked
        queries = [score_query(pair, scoring) for pair in pairs]
        if cells:
            require_reach(queries, marks)

        def finish(chosen: tuple[int, ...], states: Tensor) -> Scored:
            return Scored(list(chosen), read_scores(self.backbone, [pairs[i] for i in chosen], states, scoring))

        yield from self.every_cell(queries, cells, marks, done, finish)

    @torch.no_grad()
    def score_texts(self, texts: Sequence[Text], cells: Sequence[Intervention]) -> Iterator[TextScores]:
        """Stream how likely given texts are in every cell, and how far its distributions are from the unsteered ones.

        Without cells, only the unsteered model scores the texts.

        Raises:
            SettingError: for a layer the model does not have, when the cells differ in positions, or when their
                positions cannot change what is read.
        """
        check_layers(cells, self.backbone.facts.layers)
        if not texts:
            return
        marks = marks_of(cells, self.backbone) if cells else unmarked
        queries = [text_query(text) for text in texts]
        if cells:
            require_reach(queries, marks)

        def finish(chosen: tuple[int, ...], states: Tensor) -> TextScores:
            return TextScores(list(chosen), *read_text_scores(self.backbone, [texts[i] for i in chosen], states))

        yield from self.every_cell(queries, cells, marks, (), finish)

    @torch.no_grad()
    def final_states(self, texts: Sequence[Text], cells: Sequence[Intervention]) -> Iterator[tuple[int, Tensor]]:
        """Stream (text, the states behind the last layer that decide about each token behind its prompt).

        States are [1 + cells, tokens, d_model] in the model's dtype on the CPU, unsteered first.
        """
        check_layers(cells, self.backbone.facts.layers)
        if not texts:
            return
        marks = marks_of(cells, self.backbone) if cells else unmarked
        queries = [text_query(text) for text in texts]
        if cells:
            require_reach(queries, marks)
        for chosen, states in self.every_cell(queries, cells, marks, (), _as_read):
            lengths = [len(queries[index].reads) for index in chosen]
            yield from zip(chosen, torch.split(states.cpu(), lengths, dim=1), strict=True)

    def write(self, requests: Sequence[Request]) -> Iterator[tuple[int, Writing]]:
        """Continue texts, each under its own intervention; yield (request, what is written of it) after each token.

        Closing the iterator stops the work.
        """
        check_layers([r.intervention for r in requests], self.backbone.facts.layers)
        if not requests:
            return iter(())
        return self._write(requests)

    def _write(self, requests: Sequence[Request]) -> Iterator[tuple[int, Writing]]:
        writer = self.writer()
        for request in requests:
            writer.add(request)
        while writer.rows:
            for index, text in writer.step():
                if text.error is not None:
                    raise text.error
                yield index, text
        writer.warn(requests)

    def writer(self, *, lasting: bool = False) -> TransformersWriter:
        """Writes texts that join and leave at any token; `lasting` where they do so for long."""
        return TransformersWriter(self, lasting=lasting)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Continue texts and yield (request, reply) as they are finished."""
        for index, text in self.write(requests):
            if text.finish is not None:
                yield index, text.reply()

    def gradient_passes(
        self, items: Sequence[TrainingItem], positions: str, first_token: bool, turn: AbstractContextManager[object]
    ) -> StaircasePasses:
        """Passes through which vectors of many layers can be differentiated, over completions of prompts.

        Raises:
            SettingError: for unknown positions, those of thinking for a model that has none, or a streamed model.
        """
        self.backbone.require_in_memory("training a vector")
        markers = markers_of({positions}, self.backbone.tokenizer, self.backbone.name)
        return StaircasePasses(self, items, marks_for(positions, first_token, markers), turn)

    def writing(self, request: Request) -> Writing:
        """The empty text of a request."""
        return Writing(request, self.backbone.ends, self._decode)

    @torch.no_grad()
    def first_token_norm(self, pairs: Sequence[EncodedPair]) -> Tensor:
        """Mean norm of the residual stream at the sequences' first token, [n_layers]; nothing behind it matters."""
        tokens = _first_tokens(pair.positive for pair in pairs)
        known = self._first_norms.get(tokens)
        return self._read_first_tokens(tokens) if known is None else known

    def _read_first_tokens(self, tokens: tuple[int, ...]) -> Tensor:
        """Mean norm of tokens that stand first; streamed weights stay as they are, so it is read once for all jobs."""
        if tokens in self._first_norms:
            return self._first_norms[tokens]
        batch = pad([Query(((token,),), ((0, 0),), 1) for token in tokens], unmarked, self.pad_token)
        norms: Tensor = read_layers(self.backbone, batch, None).norm(dim=-1)
        if weights_of(self.backbone) is not None:
            self._first_norms[tokens] = norms.mean(0)
        return norms.mean(0)

    def _decode(self, tokens: list[int]) -> str:
        text: str = self.backbone.tokenizer.decode(tokens, skip_special_tokens=True)
        return text


def _first_tokens(texts: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """The tokens that texts begin with, each once."""
    return tuple(sorted({text[0] for text in texts}))


def _as_read(chosen: tuple[int, ...], states: Tensor) -> tuple[tuple[int, ...], Tensor]:
    return chosen, states


def _mean_reads(queries: Sequence[Query], states: Tensor, sequence: int) -> Tensor:
    """Mean over the tokens read of one sequence of each query: [reads, …] → [queries, …]."""
    owners = torch.tensor([q if s == sequence else -1 for q, query in enumerate(queries) for s, _ in query.reads])
    mine = owners >= 0
    total = torch.zeros(len(queries), *states.shape[1:]).index_add_(0, owners[mine], states[mine])
    return total / torch.bincount(owners[mine], minlength=len(queries))[:, None, None]
