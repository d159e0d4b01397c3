"""The vLLM engine: every cell of a sweep is a request of its own, batched as vLLM sees fit."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trimtab.engines.base import Captured, Scored, TextScores, Watched
from trimtab.engines.queries import Scoring, read_texts, score_query, text_query
from trimtab.engines.requests import Reply, Request, Writing
from trimtab.engines.transformers.packing.schedule import marks_of, require_reach
from trimtab.engines.vllm._scores import Job, Scorer
from trimtab.engines.vllm._vector_registry import VectorRegistry
from trimtab.engines.vllm._vllm_writer import VLLMWriter
from trimtab.engines.vllm.guard.admission import admission_of
from trimtab.engines.vllm.guard.request_pool import Ask, RequestPool, one_token
from trimtab.engines.vllm.guard.self_test import require_steering
from trimtab.engines.vllm.wire.rpc import call_workers
from trimtab.engines.vllm.wire.spec import Read
from trimtab.errors import ModelError, SettingError, TrimtabWarning
from trimtab.models import EncodedPair, Identity, Text, TokenPosition
from trimtab.steering import Intervention, check_layers, require_layers
from trimtab.vectors.training import GradientPasses, TrainingItem

_BATCH = 8
"""Pairs or texts whose results are handed over together."""
_READ_BYTES = 1 << 28
"""Of states that wait in the workers."""


class _RequestsOnly:
    """Steering that nothing but requests carries: no pass runs in this process."""

    def warn_of_nothing(self, used: bool) -> None:
        if not used:
            warnings.warn(
                "a steer context ended without a reply in it: nothing was steered. With vLLM, steering reaches what "
                "this thread or task asks of the Model inside of the context, and nothing else",
                TrimtabWarning,
                stacklevel=4,
            )


class VLLMEngine:
    """Runs a model in vLLM's worker processes. Close it when it is done with: they hold the weights."""

    name = "vllm"

    def __init__(self, engine: Any, identity: Identity):
        self.engine, self.identity = engine, identity
        self.pool = RequestPool(engine, lambda names: self._give_back(names))
        known = admission_of(engine.input_processor).vectors

        def register(name: str, content: bytes) -> None:
            known.add(name, content)
            self._ask_workers("trimtab_register", name, content)

        def forget(names: list[str]) -> None:
            for name in names:
                known.drop(name)
            self._ask_workers("trimtab_forget", names)

        self.registry = VectorRegistry(register, forget)
        self.most_requests = 2 * int(engine.vllm_config.scheduler_config.max_num_seqs)
        self._scorer = Scorer(self.pool, self.registry, self._ask_workers, self.most_requests)
        require_steering(self)

    def fault(self) -> str:
        """Whether vLLM's engine process has ended; vLLM watches it also while nothing is asked of it."""
        resources = getattr(self.engine.engine_core, "resources", None)  # an engine in this process has none
        died = self.pool.died or (resources is not None and resources.engine_dead)
        return "vLLM's engine process has ended; its output says why" if died else ""

    def close(self) -> None:
        """Stop the workers and free what they hold."""
        self.pool.close()
        self.engine.engine_core.shutdown()

    def gradient_passes(
        self, items: Sequence[TrainingItem], positions: str, first_token: bool, turn: AbstractContextManager[object]
    ) -> GradientPasses:
        """Refused: vLLM computes no gradients.

        Raises:
            SettingError: always.
        """
        raise SettingError(
            "vLLM computes no gradients, so no vector can be trained in it: train with the engine transformers, save "
            "the vector, and steer with it here"
        )

    def status(self) -> list[dict[str, Any]]:
        """What each worker says of itself: armed layers, rows held, states that wait."""
        return self._ask_workers("trimtab_status")

    @contextmanager
    def steered(self, intervention: Intervention, prompt_lengths: Sequence[int] | None = None) -> Iterator[Watched]:
        """Nothing to do: each request carries its own steering.

        Raises:
            SettingError: for a layer the model does not have, or lengths of prompts: requests know their own.
        """
        check_layers([intervention], self.identity.facts.layers)
        if prompt_lengths is not None:
            raise SettingError(
                "prompt_lengths are for your own calls of a transformers model; vLLM's requests know their prompts"
            )
        yield _RequestsOnly()

    def capture(self, pairs: Sequence[EncodedPair], token_position: TokenPosition) -> Iterator[Captured]:
        """Stream the pairs' states behind every layer, batch by batch."""
        texts = [text for pair in pairs for text in read_texts(pair, token_position)]
        means: dict[int, Tensor] = {}
        for index, states in self.states(texts, range(self.identity.facts.layers)):
            means[index] = states.mean(0)
            ready = sorted({i // 2 for i in means if i ^ 1 in means})
            if len(ready) >= _BATCH or 2 * len(ready) == len(means):
                positive, negative = (torch.stack([means.pop(2 * i + side) for i in ready]) for side in (0, 1))
                yield Captured(ready, positive, negative)

    def states(self, texts: Sequence[Text], layers: Sequence[int]) -> Iterator[tuple[int, Tensor]]:
        """Stream (text, its states behind some layers [tokens, layers, d_model] float32), token by token.

        Raises:
            SettingError: for a layer the model does not have.
        """
        facts = self.identity.facts
        require_layers(layers, facts.layers)
        wanted = tuple(sorted(set(layers)))

        def asks() -> Iterator[Ask]:
            for index, text in enumerate(texts):
                read = Read(text.prompt_length, len(text.tokens), wanted)
                weight = (read.stop - read.start) * len(wanted)
                yield Ask((index,), text.tokens, one_token(), self.registry.spec(None, read=read), weight)

        limit = max(1, _READ_BYTES // (4 * facts.width))
        for news in self.pool.run(asks(), limit):
            if news.output.finished:
                spec = news.ask.spec
                assert spec.read is not None
                yield news.ask.key[0], self._fetch_states(news.inside, wanted, spec.read.stop - spec.read.start)
        self._tidy()

    def _fetch_states(self, request: str, layers: Sequence[int], count: int) -> Tensor:
        """The states that the workers of all stages have captured of a request, [tokens, layers, d_model]."""
        found: dict[int, bytes] = {}
        for answer in self._ask_workers("trimtab_states", [request]):
            found |= {int(layer): states[0] for layer, states in (answer or {}).items()}
        if missing := [layer for layer in layers if layer not in found]:
            raise ModelError(f"no worker has read the states behind layer {missing[0]}")
        rows = [
            np.frombuffer(found[layer], dtype=np.float32).reshape(-1, self.identity.facts.width) for layer in layers
        ]
        if any(len(row) != count for row in rows):
            raise ModelError(f"{len(rows[0])} states were read where {count} were wanted")
        return torch.from_numpy(np.stack(rows, axis=1))

    def too_long(self, tokens: int) -> str:
        """VLLM refuses what it has no room for when it starts."""
        return ""

    def score_choices(
        self, pairs: Sequence[EncodedPair], interventions: Sequence[Intervention | None], scoring: Scoring
    ) -> Tensor:
        """One score a pair [pairs], each under its own intervention."""
        check_layers(interventions, self.identity.facts.layers)
        jobs = [[Job(pair, one)] for pair, one in zip(pairs, interventions, strict=True)]
        scores = torch.zeros(len(pairs))
        for index, (score,) in self._scorer.run(jobs, scoring):
            scores[index] = score
        self._tidy()
        return scores

    def sweep(
        self,
        pairs: Sequence[EncodedPair],
        cells: Sequence[Intervention],
        scoring: Scoring,
        *,
        done: Collection[int] = (),
    ) -> Iterator[Scored]:
        """Stream the scores of every pair in every cell, a few pairs at a time.

        The batches do not depend on `done`: those whose pairs are all in it are left out, the others stay the same.

        Raises:
            SettingError: for a layer the model does not have, when the cells differ in positions, or when their
                positions cannot change what is scored.
        """
        check_layers(cells, self.identity.facts.layers)
        if not pairs:
            return
        if cells:
            require_reach([score_query(pair, scoring) for pair in pairs], marks_of(cells, self.identity))
        batches = [list(range(start, min(start + _BATCH, len(pairs)))) for start in range(0, len(pairs), _BATCH)]
        batches = [batch for batch in batches if not all(index in done for index in batch)]
        jobs = [[Job(pairs[index], cell) for cell in (None, *cells) for index in batch] for batch in batches]
        for number, scores in self._scorer.run(jobs, scoring):
            yield Scored(batches[number], torch.tensor(scores).view(1 + len(cells), -1))
        self._tidy()

    def score_texts(self, texts: Sequence[Text], cells: Sequence[Intervention]) -> Iterator[TextScores]:
        """Stream how likely given texts are in every cell, and how far its distributions are from the unsteered ones.

        Raises:
            SettingError: for a layer the model does not have, when the cells differ in positions, or when their
                positions cannot change what is read.
        """
        check_layers(cells, self.identity.facts.layers)
        if not texts:
            return
        if cells:
            require_reach([text_query(text) for text in texts], marks_of(cells, self.identity))
        yield from self._scorer.score_texts(texts, cells)
        self._tidy()

    def final_states(self, texts: Sequence[Text], cells: Sequence[Intervention]) -> Iterator[tuple[int, Tensor]]:
        """Refuse: the states stay with vLLM's workers, and so does the unembedding that they would be compared by.

        Raises:
            SettingError: always.
        """
        raise SettingError(
            f"{self.identity.name}: vLLM does not give the distributions behind two different prompts, so the dose of "
            "a prompt is not known there; run it with engine: transformers"
        )

    def write(self, requests: Sequence[Request]) -> Iterator[tuple[int, Writing]]:
        """Continue texts, each under its own intervention; yield (request, what is written of it) as it grows.

        Closing the iterator stops the work. Tokens are drawn by vLLM: the same seed draws other ones than the default
        engine does.
        """
        check_layers([r.intervention for r in requests], self.identity.facts.layers)
        return self._write(requests)

    def _write(self, requests: Sequence[Request]) -> Iterator[tuple[int, Writing]]:
        writer, waiting = VLLMWriter(self), deque(enumerate(requests))
        indices: dict[int, int] = {}
        try:
            while waiting or writer.rows:
                while waiting and writer.has_room(waiting[0][1]):
                    index, request = waiting.popleft()
                    indices[writer.add(request)] = index
                for key, text in writer.step():
                    if text.error is not None:
                        raise text.error
                    yield indices[key], text
        finally:
            writer.close()
        self._tidy()

    def writer(self, *, lasting: bool = False) -> VLLMWriter:
        """What continues texts that join and leave at any token: vLLM's own scheduler, which is always lasting."""
        return VLLMWriter(self)

    def writing(self, request: Request) -> Writing:
        """The empty text of a request."""
        return Writing(request, self.identity.ends, self._decode)

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Continue texts and yield (request, reply) as they are finished."""
        for index, text in self.write(requests):
            if text.finish is not None:
                yield index, text.reply()

    def first_token_norm(self, pairs: Sequence[EncodedPair]) -> Tensor:
        """Mean norm of the residual stream at the sequences' first token, [n_layers]; nothing behind it matters."""
        tokens = sorted({pair.positive[0] for pair in pairs})
        layers = tuple(range(self.identity.facts.layers))
        asks = [Ask((t,), (t,), one_token(), self.registry.spec(None, read=Read(0, 1, layers))) for t in tokens]
        finished = (news for news in self.pool.run(asks, self.most_requests) if news.output.finished)
        norms = [self._fetch_states(news.inside, layers, 1)[0].norm(dim=-1) for news in finished]
        return torch.stack(norms).mean(0)

    def _decode(self, tokens: list[int]) -> str:
        text: str = self.identity.tokenizer.decode(tokens, skip_special_tokens=True)
        return text

    def _ask_workers(self, method: str, *args: Any) -> list[Any]:
        """Call a method of `WorkerMethods` in every worker."""
        return call_workers(self.engine, method, *args)

    def _give_back(self, requests: list[str]) -> None:
        """Let the workers drop states that nobody will fetch; a dead engine has dropped them."""
        with suppress(ModelError):
            self._ask_workers("trimtab_drop", requests)

    def _tidy(self) -> None:
        """Forget vectors, if nobody's request may still need them."""
        if not self.pool.busy:
            self.registry.tidy()
