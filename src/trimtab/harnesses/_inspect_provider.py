"""The model provider of inspect_ai: models in this process, under one push."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import anyio
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    Content,
    ContentReasoning,
    ContentText,
    GenerateConfig,
    Logprob,
    Logprobs,
    Model,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    StopReason,
)
from inspect_ai.model._registry import modelapi_register
from inspect_ai.tool import ToolChoice, ToolInfo
from rich.markup import escape

from trimtab.data import Message
from trimtab.engines import Request, Sampling, TokenScores
from trimtab.errors import SettingError, TrimtabError
from trimtab.harnesses._generation_rules import Draws, cut, stops_at
from trimtab.harnesses._request_batches import RequestBatches, Written
from trimtab.harnesses._tool_calls import calls_in, tool_prompt
from trimtab.harnesses.steered_model import SteeredModel
from trimtab.inputs.characters import escaped
from trimtab.inputs.secrets import without_secrets

MAX_TOKENS = 2048
"""Of a reply where a task does not say; what inspect_ai has for other local models."""
_TAKEN = {"max_tokens", "temperature", "top_p", "seed", "stop_seqs", "num_choices", "logprobs"}
_OF_INSPECT = {
    "max_retries", "timeout", "attempt_timeout", "stream_idle_timeout", "max_connections", "adaptive_connections",
    "system_message", "max_tool_output", "cache", "cache_prompt", "reasoning_history", "fail_on_refusal",
}  # fmt: skip
"""What inspect_ai does itself, whichever the model, or what is about services only and changes no text."""
_NEUTRAL: dict[str, Any] = {"frequency_penalty": 0, "presence_penalty": 0, "best_of": 1, "logit_bias": {}}
"""Values with which a setting that trimtab does not have changes nothing."""
_POLL_SECONDS = 0.01


class SteeredAPI(ModelAPI):  # type: ignore[misc]  # inspect_ai is not followed
    """`--model trimtab/MODEL`: a model of trimtab, with the vector that the model arguments say."""

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  # as inspect_ai's own
        **model_args: Any,
    ):
        """Load the model and its vector.

        Args:
            model_name: What `trimtab.load` takes, or such a name with a setting, such as `smollm2-135m:cheerful@0.3`.
            base_url: Refused: the model runs in this process.
            api_key: Has no use.
            config: Defaults of the evaluation.
            model_args: See `SteeredModel.open`.

        Raises:
            PrerequisiteError: For arguments that cannot be, and whatever keeps a model or a vector from being loaded.
        """
        super().__init__(model_name, base_url, api_key, [], config)
        try:
            if base_url:
                raise SettingError("a trimtab model runs in this process and has no base URL")
            self.steered = SteeredModel.open(model_name, model_args)
        except TrimtabError as error:
            raise _prerequisite(model_name, error) from error
        self._begin()

    def _begin(self) -> None:
        self._batches = RequestBatches(self.steered.model)
        self._draws = Draws()

    def close(self) -> None:
        """Free the model."""
        self._batches.close()
        self.steered.model.close()

    def max_tokens(self) -> int | None:
        """Of a reply where nothing says."""
        return MAX_TOKENS

    def max_connections(self) -> int:
        """Samples that are written side by side where nothing says."""
        return 32

    def connection_key(self) -> str:
        """One pool of connections for each model and setting."""
        return str(id(self.steered))

    async def count_text_tokens(self, text: str) -> int:
        """By the model's own tokenizer."""
        return len(await self.tokenize(text))

    async def tokenize(self, text: str) -> list[int]:
        """By the model's own tokenizer, without special tokens."""
        tokenizer = self.steered.model.backbone.tokenizer
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        """Write a reply, or several.

        Raises:
            PrerequisiteError: For tools, images and generation settings that trimtab does not have.
            TrimtabError: For a conversation that the model cannot be asked.
        """
        try:
            _refuse_what_it_lacks(config)
            prompt = self._prompt(input, tools, tool_choice)
        except TrimtabError as error:
            raise _prerequisite(self.model_name, error) from error
        started = time.monotonic()
        requests = [self._request(prompt, config) for _ in range(config.num_choices or 1)]
        futures = [self._batches.submit(one, scored=bool(config.logprobs)) for one in requests]
        try:
            while not all(future.done() for future in futures):
                await anyio.sleep(_POLL_SECONDS)
        finally:
            for future in futures:
                future.cancel()
        written = [future.result() for future in futures]
        return self._output(prompt, written, config, time.monotonic() - started, bool(tools))

    def _prompt(
        self, conversation: Sequence[ChatMessage], tools: Sequence[ToolInfo], choice: ToolChoice
    ) -> tuple[int, ...]:
        messages = _messages(conversation)
        if tools or any(message.role == "tool" for message in conversation):
            return tool_prompt(self.steered.model, conversation, tools, choice)
        return self.steered.model.tokens(messages)

    def _request(self, prompt: tuple[int, ...], config: GenerateConfig) -> Request:
        sampling = None
        if config.temperature:
            seed = self._draws.seed(config.seed or 0, prompt)
            sampling = Sampling(seed, config.temperature, 1.0 if config.top_p is None else config.top_p)
        length = config.max_tokens or MAX_TOKENS
        return Request(prompt, self.steered.intervention, length, sampling, stops_at(config.stop_seqs or []))

    def _output(
        self, prompt: tuple[int, ...], written: Sequence[Written], config: GenerateConfig, seconds: float, tools: bool
    ) -> ModelOutput:
        new = sum(len(one.reply.tokens) for one in written)
        return ModelOutput(
            model=self.model_name,
            choices=[self._choice(len(prompt), one, config, tools) for one in written],
            usage=ModelUsage(input_tokens=len(prompt), output_tokens=new, total_tokens=len(prompt) + new),
            time=seconds,
            metadata={"trimtab": self.steered.description},
        )

    def _choice(self, before: int, written: Written, config: GenerateConfig, tools: bool) -> ChatCompletionChoice:
        reply = written.reply
        text, calls = cut(reply.text, config.stop_seqs or []), None
        if tools:
            text, calls = calls_in(text)
        reason: StopReason = "tool_calls" if calls else "stop"
        if reply.finish == "length":
            limit = self.steered.model.backbone.context.tokens
            reason = "model_length" if limit and before + len(reply.tokens) >= limit else "max_tokens"
        message = ChatMessageAssistant(
            content=self._content(text), tool_calls=calls or None, model=self.model_name, source="generate"
        )
        logprobs = self._logprobs(reply.tokens, written.scores) if config.logprobs else None
        return ChatCompletionChoice(message=message, stop_reason=reason, logprobs=logprobs)

    def _content(self, text: str) -> str | list[Content]:
        """The reply, its thinking apart where the model was asked to think."""
        thinking, closed, rest = text.rpartition("</think>")
        if self.steered.model.asking.thinking != "on" or not closed:
            return text
        reasoning = thinking.strip().removeprefix("<think>").strip()
        return [ContentReasoning(reasoning=reasoning), ContentText(text=rest.strip())]

    def _logprobs(self, tokens: Sequence[int], scores: TokenScores | None) -> Logprobs:
        decode = self.steered.model.backbone.tokenizer.decode
        values = [] if scores is None else scores.log_prob.tolist()
        texts = [decode([token]) for token in tokens]
        return Logprobs(
            content=[
                Logprob(token=text, logprob=value, bytes=list(text.encode()))
                for text, value in zip(texts, values, strict=True)
            ]
        )


def _prerequisite(model_name: str, error: TrimtabError) -> PrerequisiteError:
    """The error as inspect_ai has it, which reads markup in it: brackets stay text, and nothing steers a terminal."""
    return PrerequisiteError(escape(escaped(without_secrets(f"trimtab/{model_name}: {error}"))))


class _GivenAPI(SteeredAPI):
    """A model that is loaded already and stays its caller's."""

    def __init__(self, steered: SteeredModel):
        ModelAPI.__init__(self, steered.model.name)
        self.steered = steered
        self._begin()

    def close(self) -> None:
        """End the thread that writes."""
        self._batches.close()


modelapi_register(_GivenAPI, "trimtab-loaded")  # what it writes into logs; an instance is given, never a name


def given_model(steered: SteeredModel) -> Model:
    """A model for `inspect_ai.eval` of one that is loaded; `model.api.close()` ends its thread."""
    return Model(_GivenAPI(steered), GenerateConfig())


def _refuse_what_it_lacks(config: GenerateConfig) -> None:
    """Refuse what would otherwise be ignored.

    Raises:
        SettingError: naming it.
    """
    given = {name for name, value in config if value is not None and value != _NEUTRAL.get(name)}
    if lacking := sorted(given - _TAKEN - _OF_INSPECT):
        raise SettingError(
            f"{', '.join(lacking)}: trimtab's models have no such generation setting; they have "
            f"{', '.join(sorted(_TAKEN))}"
        )
    if (config.num_choices or 1) > 1 and not config.temperature:
        raise SettingError(f"num_choices {config.num_choices} at temperature 0 are copies of one; set a temperature")
    if config.top_p is not None and config.top_p < 1 and config.temperature is None:
        raise SettingError(f"top_p {config.top_p} without a temperature: replies are greedy then; set a temperature")


def _messages(conversation: Sequence[ChatMessage]) -> list[Message]:
    """A conversation of texts.

    Raises:
        SettingError: For content that is not text.
    """
    found = []
    for message in conversation:
        parts = [] if isinstance(message.content, str) else message.content
        if others := sorted({part.type for part in parts} - {"text", "reasoning"}):
            raise SettingError(f"a {message.role} message holds {', '.join(others)}; trimtab's models take text")
        found.append(Message(role=message.role, content=message.text))
    return found
