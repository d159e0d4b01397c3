"""A language model as judge, blind to which reply is steered and asked in both orders."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from trimtab.data import Behavior, Pair
from trimtab.inputs.secrets import service_message_without_secrets, why_no_address
from trimtab.judges._judge_prompts import MAX_CHARACTERS, Rubric
from trimtab.judges._verdicts import UnreadableError, Verdict, read_verdict
from trimtab.judges.base import Exchange, Judge, Judgement
from trimtab.judges.settings import NO_EFFECT, VERDICTS, JudgeSettings, schema_1_fingerprint
from trimtab.llm import (
    ChatClient,
    Completion,
    Cost,
    KeyedCompletion,
    Service,
    estimate_tokens,
    request_key,
    require_service_settings,
)

MAX_TOKENS = 1024
"""Of one verdict; judges that think need more."""
OUTPUT_TOKENS = 50
"""Estimated length of a verdict: four numbers as JSON take about 40 tokens; judges that think take many more."""

Price = tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]]
Outcome = Verdict | str
"""The verdict that a question got, or why there is none."""


class LanguageModelSettings(JudgeSettings):
    """A language model as judge, as a study file has it: `{model: openai/gpt-4o-mini}`."""

    kind: ClassVar[str] = "language model"
    paid: ClassVar[bool] = True

    model: Annotated[str, VERDICTS]
    """Its name in inspect_ai, such as openai/gpt-4o-mini."""
    base_url: Annotated[str | None, VERDICTS] = None
    """The address of a server of your own."""
    price: Annotated[Price | None, NO_EFFECT] = None
    """Dollars per million tokens, in and out."""
    timeout_seconds: Annotated[int, NO_EFFECT] = Field(default=60, ge=1, le=3600)
    attempts: Annotated[int, NO_EFFECT] = Field(default=3, ge=1, le=20)
    max_connections: Annotated[int, NO_EFFECT] = Field(default=8, ge=1, le=256)

    @field_validator("model")
    @classmethod
    def _has_a_provider(cls, model: str) -> str:
        if not all(model.partition("/")):
            raise ValueError(f"the judge {model!r} needs its provider in front, as in openai/{model}")
        return model

    @field_validator("base_url")
    @classmethod
    def _is_an_address(cls, base_url: str | None) -> str | None:
        if base_url is not None and (reason := why_no_address(base_url)):
            raise ValueError(reason)
        return base_url

    @property
    def label(self) -> str:
        """The name in tables."""
        return self.name or self.model

    def basis(self, behavior: Behavior) -> list[str]:
        """Also the address that the environment gives, the sampling settings, and the whole prompt of an example."""
        judge = self.build(behavior)
        # Longer than the limits, so that the notes on what is cut are part of it.
        example = Exchange(*(letter * (MAX_CHARACTERS + 1) for letter in "pru"))
        return [*super().basis(behavior), judge.request_key(example, steered_first=True)]

    def former_fingerprint(self, behavior: Behavior) -> str:
        """The fingerprint by which manifests of schema 1 know this judge."""
        return schema_1_fingerprint(self, behavior, model=self.model, base_url=self.base_url)

    def build(self, behavior: Behavior) -> LanguageModelJudge:
        """Make the judge; nothing is sent."""
        return LanguageModelJudge(
            self.model,
            behavior=behavior.name,
            description=behavior.description,
            examples=behavior.pairs,
            name=self.label,
            base_url=self.base_url,
            timeout_seconds=self.timeout_seconds,
            attempts=self.attempts,
            max_connections=self.max_connections,
            price=self.price,
        )


@dataclass(frozen=True)
class _Questions:
    """The questions that some exchanges take; equal ones once."""

    by_key: dict[str, tuple[Exchange, bool]]
    """The exchange of each key, and whether its steered reply comes first."""
    orders: list[tuple[str, str]]
    """For each exchange: the key of the question with the steered reply first, and with it second."""


class LanguageModelJudge(Judge):
    """Asks a language model how much each of two replies shows a behavior, and how coherent each is.

    Every exchange is asked about twice, with the replies in either order, and the two verdicts are averaged: a
    preference for the first position cancels. The model does not know that anything is steered. Verdicts are cached on
    disk. API keys are taken from the environment, as inspect_ai does.

    Args:
        model: Its name in inspect_ai, such as "openai/gpt-4o-mini" or "openai-api/local/any-name".
        behavior: The behavior, in a word or two.
        description: The same in a sentence or two.
        examples: Pairs whose completions show the judge the behavior; the first five are used.
        name: The name in tables; the model's name by default.
        base_url: Of the service, where it is not the provider's own.
        timeout_seconds: For one attempt, whole seconds.
        attempts: Attempts for each question when the service fails in a way that may pass.
        max_connections: Questions under way at once.
        max_tokens: The longest verdict; judges that think need more than the default.
        stop_after: Consecutive failures after which the rest is recorded as failed without being asked.
        price: Dollars per million tokens, in and out, for the cost.
        cache: A file; True for the one in trimtab's cache folder, False for no cache.

    Raises:
        SettingError: When a number is not positive, or the model's name has no provider.
    """

    def __init__(
        self,
        model: str,
        *,
        behavior: str,
        description: str = "",
        examples: Sequence[Pair] = (),
        name: str | None = None,
        base_url: str | None = None,
        timeout_seconds: int = 60,
        attempts: int = 3,
        max_connections: int = 8,
        max_tokens: int = MAX_TOKENS,
        stop_after: int = 5,
        price: tuple[float, float] | None = None,
        cache: str | Path | bool = True,
    ):
        numbers = {
            "timeout_seconds": timeout_seconds,
            "attempts": attempts,
            "max_connections": max_connections,
            "max_tokens": max_tokens,
            "stop_after": stop_after,
        }
        require_service_settings("judge", model, numbers, price, base_url)
        self.name = name or model
        self._rubric = Rubric(behavior, description, examples)
        self._service = Service(model, base_url, int(timeout_seconds), int(max_connections), int(max_tokens))
        self._attempts = int(attempts)
        self._client = ChatClient(
            model,
            attempts=self._attempts,
            stop_after=int(stop_after),
            price=price,
            cache=cache,
            cache_name="judgements.sqlite",
            is_cacheable=lambda completion: isinstance(self._outcome(completion), Verdict),
        )

    @property
    def spent(self) -> Cost:
        """What this judge has cost so far, with the tokens that the service reported."""
        return self._client.spent

    def check(self) -> None:
        """Make sure that the model can be asked, as far as that shows without asking it.

        Raises:
            SettingError: When inspect_ai, a package or key of the provider, or the provider itself is missing.
        """
        self._service.open()

    def cost(self, exchanges: Sequence[Exchange]) -> Cost:
        """Upper bound of the cost of judging these, before anything is sent; what is in the cache is free.

        Tokens are estimated: characters ÷ 4, rounded up, for each question, and 50 for each verdict.

        Raises:
            RunError: When the cache is damaged.
        """
        questions = self._questions(exchanges)
        known = self._known(questions)
        ahead = replace(Cost(self._service.model, price=self.spent.price, attempts=self._attempts), cached=len(known))
        for key in questions.by_key.keys() - known.keys():
            tokens = estimate_tokens(self._prompt(*questions.by_key[key]))
            ahead = ahead.plus(calls=1, input_tokens=tokens, output_tokens=OUTPUT_TOKENS)
        return ahead

    def judge(self, exchanges: Sequence[Exchange]) -> Iterator[tuple[int, Judgement]]:
        """Yield (index, judgement) as they come, failures included. Closing the iterator stops the work.

        Raises:
            SettingError: As `check`, unless the cache holds everything. Raised here, not by the iterator.
            RunError: When the cache is damaged.
        """
        questions = self._questions(exchanges)
        known = self._known(questions)
        missing = [key for key in questions.by_key if key not in known]
        self._client.count_cached(len(known))
        if not missing:
            return iter([(i, _judgement(known[a], known[b])) for i, (a, b) in enumerate(questions.orders)])
        completions = self._client.send(self._service, missing, lambda key: self._prompt(*questions.by_key[key]))
        return self._judgements(questions.orders, known, completions)

    def request_key(self, exchange: Exchange, *, steered_first: bool) -> str:
        """The key of one question in the cache: a hash of the model, its address and settings, and the whole prompt."""
        prompt = self._prompt(exchange, steered_first)
        return request_key(self._service.model, self._service.address, prompt, self._service.settings)

    def _judgements(
        self,
        orders: Sequence[tuple[str, str]],
        known: dict[str, Verdict],
        completions: Generator[KeyedCompletion, None, None],
    ) -> Iterator[tuple[int, Judgement]]:
        outcomes: dict[str, Outcome] = dict(known)
        waiting: dict[str, list[int]] = {}
        try:
            for index, (first, second) in enumerate(orders):
                if first in known and second in known:
                    yield index, _judgement(known[first], known[second])
                else:
                    for key in {first, second}:
                        waiting.setdefault(key, []).append(index)
            for key, completion in completions:
                outcomes[key] = self._outcome(completion)
                for index in waiting[key]:
                    first, second = orders[index]
                    if first in outcomes and second in outcomes:
                        yield index, _judgement(outcomes[first], outcomes[second])
        finally:
            completions.close()

    def _questions(self, exchanges: Sequence[Exchange]) -> _Questions:
        questions = _Questions({}, [])
        for exchange in exchanges:
            keys = [self.request_key(exchange, steered_first=order) for order in (True, False)]
            for key, steered_first in zip(keys, (True, False), strict=True):
                questions.by_key.setdefault(key, (exchange, steered_first))
            questions.orders.append((keys[0], keys[1]))
        return questions

    def _prompt(self, exchange: Exchange, steered_first: bool) -> str:
        return self._rubric.question(exchange, steered_first=steered_first)

    def _known(self, questions: _Questions) -> dict[str, Verdict]:
        found = self._client.look_up(list(questions.by_key))
        outcomes = {key: self._outcome(completion) for key, completion in found.items()}
        return {key: outcome for key, outcome in outcomes.items() if isinstance(outcome, Verdict)}

    def _outcome(self, completion: Completion) -> Outcome:
        if completion.failure:
            return completion.failure
        try:
            return read_verdict(completion.text)
        except UnreadableError as error:
            limit = f" (it ends at the limit of {self._service.max_tokens} tokens)" if completion.truncated else ""
            return f"{service_message_without_secrets(str(error))}{limit}"


def _judgement(steered_first: Outcome, steered_second: Outcome) -> Judgement:
    """Average both orders. One alone is a failure: the judge's preference for a position would not cancel."""
    if isinstance(steered_first, str):
        return Judgement(failure=steered_first)
    if isinstance(steered_second, str):
        return Judgement(failure=steered_second)
    reply = (steered_first.first, steered_second.second)
    unsteered = (steered_first.second, steered_second.first)
    score = (reply[0].behavior + reply[1].behavior) / 2
    return Judgement(
        score=score,
        change=score - (unsteered[0].behavior + unsteered[1].behavior) / 2,
        coherence=(reply[0].coherence + reply[1].coherence) / 2,
    )
