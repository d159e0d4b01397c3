"""A loaded model: steer it, chat with it, read its states and score texts with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from trimtab._util.callbacks import Progress
from trimtab._util.summaries import Summarized, Summary
from trimtab.engines import _prompt_gates
from trimtab.engines._finite import FiniteResults
from trimtab.engines._lengths import Lengths
from trimtab.engines._model_writer import ModelWriter
from trimtab.engines._prompt_encoder import PromptEncoder
from trimtab.engines._steer_contexts import SteerContext, contexts_of, mark_used, with_contexts
from trimtab.engines._turns import Item, TurnLock, counted, pieces, take_turns
from trimtab.engines.base import Captured, Engine, Scored, TextScores
from trimtab.engines.queries import Scoring
from trimtab.engines.requests import Prompt, Reply, Request, sampled
from trimtab.engines.transformers.engine import TransformersEngine
from trimtab.errors import SettingError
from trimtab.models import (
    USUAL,
    Asking,
    Backbone,
    EncodedPair,
    Facts,
    Identity,
    Text,
    TokenPosition,
    template_hash,
    wrap,
)
from trimtab.steering import (
    DEFAULT_SCALE,
    SCALES,
    Gate,
    Intervention,
    PromptGate,
    SteeringOptions,
    require_fit,
    steering,
)
from trimtab.vectors import SteeringVector
from trimtab.vectors.training import GradientPasses, TrainingItem

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Model(PromptEncoder, Summarized):
    """A loaded model. Steering never changes it: everything is undone when its context ends.

    Any number of threads and tasks may use it at once: they take turns, step by step, and each is steered by its own
    `steer` contexts only.
    """

    def __init__(
        self,
        backbone: Identity,
        *,
        memory_bytes: int | None = None,
        engine: Engine | None = None,
        asking: Asking = USUAL,
    ):
        self.backbone = backbone
        self.asking = asking
        if engine is None:
            assert isinstance(backbone, Backbone)
            engine = TransformersEngine(backbone, memory_bytes=memory_bytes)
        self.engine = engine
        self.name = backbone.name
        self.fingerprint = backbone.fingerprint
        self.template_hash = template_hash(backbone.tokenizer, asking)
        self._lengths = Lengths(backbone)
        self._finite = FiniteResults(engine, backbone)
        self._lock = TurnLock()

    @classmethod
    def wrap(
        cls, model: Any, tokenizer: Any, *, name: str = "", memory_bytes: int | None = None, asking: Asking = USUAL
    ) -> Model:
        """Take a transformers model that is in memory; it stays as it is, and the caller's.

        After it has been trained on, or its adapter has been exchanged, wrap it anew: vectors name the weights that
        they were made from.

        Args:
            model: a causal language model; of a compiled, PEFT-wrapped or data-parallel one, the model inside is used.
            tokenizer: its own, or a processor that has it.
            name: what to call it; where it is from by default.
            memory_bytes: what activations may take in a sweep.
            asking: how it is asked.

        Raises:
            ModelError: when the architecture is not understood.
            SettingError: without a tokenizer.
        """
        known = str(getattr(getattr(model, "config", None), "_name_or_path", "") or "")
        if tokenizer is None:
            made = f"transformers.AutoTokenizer.from_pretrained({known or 'the name or folder of the model'!r})"
            raise SettingError(f"a model in memory needs its tokenizer: tt.load(model, tokenizer), with {made}")
        backbone = wrap(model, tokenizer, name=name or known or type(model).__name__)
        return cls(backbone, memory_bytes=memory_bytes, asking=asking)

    def _summary(self) -> Summary:
        """Name, size, place."""
        facts = self.facts
        size = f"{facts.parameters / 1e6:.0f}M parameters, {facts.layers} layers × {facts.width}"
        place = f"{str(self.backbone.dtype)[6:]} on {self.backbone.place}"
        return Summary(
            {"name": repr(self.name), "size": size, "place": place},
            more={"architecture": facts.architecture, "engine": self.engine.name, **self.asking.changes},
        )

    def close(self) -> None:
        """Free what the engine holds outside of this process; the model cannot be used any more."""
        self.engine.close()

    @property
    def facts(self) -> Facts:
        """Architecture facts."""
        return self.backbone.facts

    @contextmanager
    def steer(
        self,
        vector: SteeringVector,
        *,
        layer: int | Sequence[int],
        strength: float | None = None,
        gate: Gate | PromptGate | None = None,
        prompt_lengths: Sequence[int] | None = None,
        **options: Unpack[SteeringOptions],
    ) -> Iterator[Model]:
        """Steer everything the model generates while the context lasts, calls of the transformers model included.

        Steered is what this thread or task runs: threads begun inside of the context are not, tasks and
        `asyncio.to_thread` are. While it lasts, compiled models run eagerly.

        Args:
            vector: from `trimtab.extract` or a file.
            layer: behind which decoder layer to push, or several.
            strength: α; by default what is usual for the scale, 0.1 for `relative`, 1 for `raw`.
            gate: push only tokens whose state opens it, as `trimtab.monitors.Monitor.gate` makes them; or only texts
                whose prompt does, a `trimtab.steering.PromptGate`.
            prompt_lengths: for your own calls of the transformers model at other positions than `all`: tokens of each
                row's prompt, padding aside. Without it, the prompt is what its `generate` is called with, or what a
                pass with an empty cache holds; other passes are refused.
            options: the fields of `trimtab.steering.SteeringSetting`: scale (`relative`: h + α·‖h‖·v̂; `raw`: h + α·v;
                and the others of `trimtab.steering.SCALES`), positions (forms of `trimtab.steering.POSITIONS`),
                first_token, share_strength, vector_layer.

        Raises:
            VectorError: when the vector is for a model of another shape.
            SettingError: for a layer out of range or that the gate cannot read, or a strength that is not finite; from
                a call inside of the context: where it does not tell the prompt, or where a push is rounded away.
            ModelError: from a call inside of the context, when its pass went past the hooks.
        """
        vector = require_fit(vector, self.backbone)
        if strength is None:
            strength = SCALES.get(options.get("scale", DEFAULT_SCALE)).usual_strength
        intervention = steering(vector, layer, strength, gate=gate, **options)
        with self.engine.steered(intervention, prompt_lengths) as watched:
            mine = SteerContext(self.backbone, intervention)
            with mine.entered():
                yield self
            watched.warn_of_nothing(mine.used)

    def chat(self, message: Prompt, *, max_new_tokens: int = 128) -> str:
        """One greedy answer to a message or a conversation."""
        return self.generate([message], max_new_tokens=max_new_tokens)[0]

    def generate(
        self,
        prompts: Sequence[Prompt],
        *,
        interventions: Sequence[Intervention | None] | None = None,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        top_p: float = 1.0,
        seed: int = 0,
        stop: Callable[[str], bool] | None = None,
    ) -> list[str]:
        """Answers to several prompts, written side by side, each under its own intervention if given.

        Args:
            prompts: messages, or conversations.
            interventions: from `trimtab.steering.steering`, one for each prompt; None leaves a prompt alone. They add
                to those of a `steer` context.
            max_new_tokens: of each answer.
            temperature: 0 takes the likeliest token each time.
            top_p: draw from the likeliest tokens that have this probability together.
            seed: prompt i draws with seed + i, whatever else is in the batch.
            stop: asked after each token whether the answer so far is enough.

        Raises:
            SettingError: for settings out of range, or another number of interventions than prompts.
        """
        if interventions is not None and len(interventions) != len(prompts):
            raise SettingError(f"{len(prompts)} prompts need as many interventions, not {len(interventions)}")
        cells = interventions or [None] * len(prompts)
        requests = [
            Request(self.tokens(prompt), cell, max_new_tokens, sampled(seed + i, temperature, top_p), stop)
            for i, (prompt, cell) in enumerate(zip(prompts, cells, strict=True))
        ]
        replies = dict(self.replies(requests))
        return [replies[i].text for i in range(len(prompts))]

    def replies(self, requests: Sequence[Request], *, progress: Progress | None = None) -> Iterator[tuple[int, Reply]]:
        """Write texts side by side and yield (request, reply) as they are finished; see `Request`.

        The `steer` contexts of this call count, whichever there are when the iterator is read.

        Args:
            requests: What to continue.
            progress: Called with (replies written, replies in all) while they are written, half of a reply's tokens
                being half of a reply: texts that are written side by side are finished at about the same time.
        """
        fitted = self._lengths.fitted(requests)
        if progress is None:
            return self._with_steering(fitted, self.engine.generate)
        return counted(self._with_steering(fitted, self.engine.write), fitted, progress)

    def stream(
        self,
        message: Prompt,
        *,
        intervention: Intervention | None = None,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Iterator[str]:
        """One answer, piece by piece as it is written; settings as in `generate`, contexts as in `replies`."""
        asked = Request(self.tokens(message), intervention, max_new_tokens, sampled(seed, temperature))
        return pieces(self._with_steering(self._lengths.fitted([asked]), self.engine.write))

    def writer(self) -> ModelWriter:
        """Write texts that join and leave at any token, in turns with other threads; no `steer` context counts.

        Raises:
            SettingError: where the engine has none.
        """
        return ModelWriter(self.engine, self.backbone, self._lengths, self._lock)

    def _with_steering(
        self, requests: Sequence[Request], write: Callable[[Sequence[Request]], Iterator[Item]]
    ) -> Iterator[Item]:
        """Write requests that carry what the `steer` contexts of this call ask for."""
        contexts = contexts_of(self.backbone)
        work = _prompt_gates.decided_writing(self.engine, self.facts.layers, with_contexts(requests, contexts), write)
        return take_turns(self._lock, work, lambda: mark_used(contexts))

    def opened(self, gate: PromptGate, prompts: Sequence[Prompt]) -> list[bool]:
        """Which prompts open a gate on the prompt.

        Raises:
            SettingError: for a layer that the model does not have, or a prompt of one token.
        """
        tokens = [self.tokens(prompt) for prompt in prompts]
        with self._lock:
            said = _prompt_gates.decide(self.engine, self.facts.layers, tokens, [gate])
        return [said[id(gate), prompt] for prompt in tokens]

    def in_turns(self, work: Iterator[Item]) -> Iterator[Item]:
        """Iterate, holding the model for each item: threads that use it take turns."""
        return take_turns(self._lock, work)

    def capture(self, pairs: Sequence[EncodedPair], token_position: TokenPosition) -> Iterator[Captured]:
        """Stream the pairs' states behind every layer."""
        self._require_unsteered()
        self._lengths.check_pairs(pairs)
        return self.in_turns(self._finite.captured(self.engine.capture(pairs, token_position), pairs))

    def states(self, texts: Sequence[Text], layers: Sequence[int]) -> Iterator[tuple[int, torch.Tensor]]:
        """Stream (text, its states behind some layers [tokens, layers, d_model]); see `Engine.states`."""
        self._require_unsteered()
        self._lengths.check_texts(texts)
        return self.in_turns(self._finite.states(self.engine.states(texts, layers), texts))

    def score(
        self,
        pairs: Sequence[EncodedPair],
        cells: Sequence[Intervention],
        scoring: Scoring,
        *,
        done: Collection[int] = (),
    ) -> Iterator[Scored]:
        """Stream the scores of every pair in every cell; see `Engine.sweep`."""
        self._require_unsteered()
        self._lengths.check_pairs(pairs)
        found = _prompt_gates.decided_sweep(self.engine, self.facts.layers, pairs, cells, scoring, done)
        return self.in_turns(self._finite.scored(found, pairs, cells))

    def score_texts(
        self, texts: Sequence[Text], cells: Sequence[Intervention] = (), *, warn_if_shut: bool = True
    ) -> Iterator[TextScores]:
        """Stream how likely given texts are, unsteered and in every cell; see `Engine.score_texts`."""
        self._require_unsteered()
        self._lengths.check_followed(texts)
        found = _prompt_gates.decided_text_scores(self.engine, self.facts.layers, texts, cells, warn_if_shut)
        return self.in_turns(self._finite.text_scores(found, texts, cells))

    def final_states(
        self, texts: Sequence[Text], cells: Sequence[Intervention] = ()
    ) -> Iterator[tuple[int, torch.Tensor]]:
        """Stream the states that decide about each token behind a text's prompt; see `Engine.final_states`."""
        self._require_unsteered()
        self._lengths.check_followed(texts)
        return self.in_turns(_prompt_gates.decided_final_states(self.engine, self.facts.layers, texts, cells))

    def gradient_passes(self, items: Sequence[TrainingItem], positions: str, first_token: bool) -> GradientPasses:
        """Passes through which vectors can be trained; errors as of `Engine.gradient_passes`."""
        self._require_unsteered()
        self._lengths.check_texts([text for item in items for text in item.texts])
        return self.engine.gradient_passes(items, positions, first_token, self._lock)

    def first_token_norm(self, pairs: Sequence[EncodedPair]) -> torch.Tensor:
        """Norm of the residual stream at the first token, the attention sink, [n_layers]."""
        if not pairs:
            raise SettingError("no pairs to read")
        with self._lock:
            return self._finite.first_token_norm(self.engine.first_token_norm(pairs))

    def _require_unsteered(self) -> None:
        if contexts_of(self.backbone):
            raise SettingError("the model is being steered; leave the steer() context before reading or sweeping")
