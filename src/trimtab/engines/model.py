"""The model in the user's hand: load it, steer it, talk to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import reduce
from typing import Any, Literal

import torch

from trimtab.data import Form, Message, Pair
from trimtab.engines.base import Captured, Engine, Followed, Pausable, Scored
from trimtab.engines.queries import Scoring, Text
from trimtab.engines.requests import Reply, Request, Sampling
from trimtab.engines.transformers_engine import TransformersEngine
from trimtab.errors import SettingError
from trimtab.models import (
    BUNDLED,
    Backbone,
    DType,
    EncodedPair,
    Facts,
    Identity,
    TokenPosition,
    encode,
    encode_pair,
    load_backbone,
    render_prompt,
    template_hash,
)
from trimtab.steering import Gate, Intervention, Positions, Scale, at, require_fit
from trimtab.steering.interventions import check_one_of
from trimtab.vectors import SteeringVector

Prompt = str | Sequence[Message]
"""A message, or a conversation."""

EngineName = Literal["transformers", "vllm"]


def load(
    name: str = BUNDLED,
    *,
    dtype: DType = "auto",
    device: str = "auto",
    memory_bytes: int | None = None,
    trust_remote_code: bool = False,
    engine: EngineName = "transformers",
    engine_options: Mapping[str, Any] | None = None,
) -> Model:
    """Load a model: the bundled one by default, or a hub id, a folder, a `.gguf` file.

    Args:
        name: what to load.
        dtype: `auto` takes bfloat16 where the processor multiplies it natively, else float32.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        memory_bytes: what activations may take in a sweep; half of the free memory of a GPU, 1 GiB on a CPU.
        trust_remote_code: whether the model's repository may run its own Python code here.
        engine: `transformers`, or `vllm` for models and amounts of work that one process does not master.
        engine_options: for vLLM, its own arguments, such as `tensor_parallel_size`; see `trimtab.engines.vllm.launch`.

    Raises:
        ModelError: when the model cannot be found, read or understood, or the engine is not there.
        SettingError: for an unknown dtype, a device that is not there, or options that the engine does not have.
    """
    check_one_of("engine", engine, EngineName)
    if engine == "vllm":
        from trimtab.engines.vllm import VLLMEngine, start

        if device != "auto" or memory_bytes is not None:
            raise SettingError("vLLM finds its devices and memory itself: leave out device and memory_bytes")
        running, identity = start(name, dtype, trust_remote_code, engine_options or {})
        try:
            return Model(identity, engine=VLLMEngine(running, identity))
        except BaseException:  # whatever it is, the engine's processes must not outlive it
            running.engine_core.shutdown()
            raise
    if engine_options:
        raise SettingError(f"the default engine takes no engine options, so not {', '.join(engine_options)}")
    backbone = load_backbone(name, dtype=dtype, device=device, trust_remote_code=trust_remote_code)
    return Model(backbone, memory_bytes=memory_bytes)


class Model:
    """A loaded model. Steering never changes it: everything is undone when its context ends."""

    def __init__(self, backbone: Identity, *, memory_bytes: int | None = None, engine: Engine | None = None):
        self.backbone = backbone
        if engine is None:
            assert isinstance(backbone, Backbone)
            engine = TransformersEngine(backbone, memory_bytes=memory_bytes)
        self.engine = engine
        self.name = backbone.name
        self.fingerprint = backbone.fingerprint
        self.template_hash = template_hash(backbone.tokenizer)
        self._steering: list[tuple[Intervention, Pausable]] = []

    def __repr__(self) -> str:
        """Name, size, place."""
        facts = self.facts
        size = f"{facts.parameters / 1e6:.0f}M parameters, {facts.layers} layers × {facts.width}"
        return f"Model({self.name!r}, {size}, {str(self.backbone.dtype)[6:]} on {self.backbone.device})"

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
        strength: float = 1.0,
        scale: Scale = "raw",
        positions: Positions = "all",
        first_token: bool = False,
        share_strength: bool = False,
        vector_layer: int | None = None,
        gate: Gate | None = None,
    ) -> Iterator[Model]:
        """Steer everything the model says while the context lasts, calls of the transformers model included.

        Args:
            vector: from `trimtab.extract` or a file.
            layer: behind which decoder layer to push, or several.
            strength: α.
            scale: what α means: `raw`: h + α·v; `relative`: h + α·‖h‖·v̂; or `rotate`, `project_out`, `clamp`; see
                `trimtab.steering.pushes`.
            positions: `all`, `after_prompt`, `prompt` or `generated`.
            first_token: whether to push the first token, the attention sink, too.
            share_strength: whether several layers share α; else each is pushed by all of it.
            vector_layer: push along this layer's direction everywhere; by default along each layer's own.
            gate: push only tokens whose state opens it, as `trimtab.monitors.Monitor.gate` makes them.

        Raises:
            VectorError: when the vector is for a model of another shape.
            SettingError: for a layer out of range or that the gate cannot read, or a strength that is not finite.
        """
        require_fit(vector, self.backbone)
        intervention = at(
            vector,
            layer,
            strength,
            scale=scale,
            positions=positions,
            first_token=first_token,
            share_strength=share_strength,
            vector_layer=vector_layer,
            gate=gate,
        )
        with self.engine.steered(intervention) as context:
            self._steering.append((intervention, context))
            try:
                yield self
            finally:
                self._steering.remove((intervention, context))

    def chat(self, message: Prompt, *, max_new_tokens: int = 128) -> str:
        """One greedy answer to a message or a conversation, thinking off."""
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
            interventions: from `trimtab.steering.at`, one for each prompt; None leaves a prompt alone. They come on top
                of a `steer` context.
            max_new_tokens: of each answer.
            temperature: 0 takes the likeliest token each time.
            top_p: draw from the likeliest tokens that have this probability together.
            seed: prompt i draws with seed + i, whatever else is in the batch.
            stop: asked after each token whether the answer so far is enough.

        Raises:
            SettingError: for settings that cannot be meant, or another number of interventions than prompts.
        """
        if interventions is not None and len(interventions) != len(prompts):
            raise SettingError(f"{len(prompts)} prompts need as many interventions, not {len(interventions)}")
        cells = interventions or [None] * len(prompts)
        requests = [
            Request(
                prompt=self.tokens(prompt),
                intervention=intervention,
                max_new_tokens=max_new_tokens,
                sampling=Sampling(seed + i, temperature, top_p) if temperature else None,
                stop=stop,
            )
            for i, (prompt, intervention) in enumerate(zip(prompts, cells, strict=True))
        ]
        replies = dict(self.replies(requests))
        return [replies[i].text for i in range(len(prompts))]

    def replies(self, requests: Sequence[Request]) -> Iterator[tuple[int, Reply]]:
        """Write texts side by side and yield (request, reply) as they are finished; see `Request`."""
        with self._steered_by_row(requests) as steered_requests:
            yield from self.engine.generate(steered_requests)

    def stream(
        self,
        message: Prompt,
        *,
        intervention: Intervention | None = None,
        max_new_tokens: int = 128,
        temperature: float = 0.0,
        seed: int = 0,
    ) -> Iterator[str]:
        """One answer, piece by piece as it is written; settings as in `generate`."""
        sampling = Sampling(seed, temperature) if temperature else None
        told = ""
        with self._steered_by_row([Request(self.tokens(message), intervention, max_new_tokens, sampling)]) as requests:
            for _, writing in self.engine.write(requests):
                yield writing.text[len(told) :]
                told = writing.text

    def tokens(self, prompt: Prompt) -> tuple[int, ...]:
        """A message or a conversation as the model is asked it, thinking off."""
        return tuple(encode(self.backbone.tokenizer, render_prompt(self.backbone.tokenizer, prompt)))

    @contextmanager
    def _steered_by_row(self, requests: Sequence[Request]) -> Iterator[list[Request]]:
        """Requests that carry what `steer` contexts ask for; their hooks rest meanwhile."""
        with ExitStack() as stack:
            for _, context in self._steering:
                stack.enter_context(context.paused())
            # The same intervention stays one object: the engine runs equal ones together.
            combined = {id(r.intervention): self._with_contexts(r.intervention) for r in requests}
            yield [replace(r, intervention=combined[id(r.intervention)]) for r in requests]

    def _with_contexts(self, own: Intervention | None) -> Intervention | None:
        every = [intervention for intervention, _ in self._steering] + ([own] if own is not None else [])
        return reduce(Intervention.and_also, every) if every else None

    def encode(self, pairs: Sequence[Pair], form: Form) -> list[EncodedPair]:
        """Tokenize pairs as the model is asked them."""
        return [encode_pair(self.backbone.tokenizer, pair, form) for pair in pairs]

    def capture(self, pairs: Sequence[EncodedPair], token_position: TokenPosition) -> Iterator[Captured]:
        """Stream the pairs' states behind every layer."""
        self._require_unsteered()
        return self.engine.capture(pairs, token_position)

    def states(self, texts: Sequence[Text], layers: Sequence[int]) -> Iterator[tuple[int, torch.Tensor]]:
        """Stream (text, its states behind some layers [tokens, layers, d_model]); see `Engine.states`."""
        self._require_unsteered()
        return self.engine.states(texts, layers)

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
        return self.engine.sweep(pairs, cells, scoring, done=done)

    def follow(self, texts: Sequence[Text], cells: Sequence[Intervention] = ()) -> Iterator[Followed]:
        """Stream how likely given texts are, unsteered and in every cell; see `Engine.follow`."""
        self._require_unsteered()
        return self.engine.follow(texts, cells)

    def first_token_norm(self, pairs: Sequence[EncodedPair]) -> torch.Tensor:
        """Norm of the residual stream at the first token, the attention sink, [n_layers]."""
        return self.engine.first_token_norm(pairs)

    def _require_unsteered(self) -> None:
        if self._steering:
            raise SettingError("the model is being steered; leave the steer() context before reading or sweeping")
