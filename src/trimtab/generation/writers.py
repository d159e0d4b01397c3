"""Writers: a language model behind a service, or one that is loaded here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trimtab.llm import ChatClient, Completion, Cost, Service, request_key, require_service_settings

if TYPE_CHECKING:
    from trimtab.engines import Model


STOP_AFTER = 3
"""Consecutive failures after which the rest is not asked."""


@dataclass(frozen=True)
class SamplingSettings:
    """Sampling settings of a writer."""

    temperature: float
    seed: int
    max_tokens: int
    """Of one completion."""
    thinking_tokens: int
    """For thinking before it, where thinking cannot be turned off."""
    enough: Callable[[str], bool]
    """Whether a completion so far is complete. Models that are loaded here stop then; services have no such option."""


class Writer(Protocol):
    """Completes prompts with text."""

    @property
    def name(self) -> str:
        """The writer's name in the record of the pairs."""
        ...

    def write(self, questions: Sequence[str], sampling: SamplingSettings) -> list[Completion]:
        """One completion of each prompt, failures included. It never raises because of a network or a service."""
        ...


class ServiceWriter:
    """A language model through inspect_ai. Completions are cached on disk: none is paid for twice.

    API keys are taken from the environment, as inspect_ai does.

    Args:
        model: Its name in inspect_ai, such as "openai/gpt-4o-mini" or "openai-api/local/any-name".
        base_url: Of the service, where it is not the provider's own.
        timeout_seconds: For one attempt.
        attempts: Attempts for each prompt when the service fails in a way that may pass.
        max_connections: Requests under way at once.
        price: Dollars per million tokens, in and out, for the cost.
        cache: A file; True for the one in trimtab's cache folder, False for no cache.

    Raises:
        SettingError: When a number is not positive, or the model's name has no provider.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        timeout_seconds: int = 300,
        attempts: int = 3,
        max_connections: int = 8,
        price: tuple[float, float] | None = None,
        cache: str | Path | bool = True,
    ):
        numbers = {"timeout_seconds": timeout_seconds, "attempts": attempts, "max_connections": max_connections}
        require_service_settings("writer", model, numbers, price, base_url)
        self.name = model
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds
        self._max_connections = max_connections
        self._client = ChatClient(
            model,
            attempts=attempts,
            stop_after=STOP_AFTER,
            price=price,
            cache=cache,
            cache_name="written.sqlite",
            is_cacheable=lambda completion: not completion.truncated,
        )

    @property
    def spent(self) -> Cost:
        """What the writer has cost so far, with the tokens that the service reported."""
        return self._client.spent

    def check(self) -> None:
        """Make sure that the model can be asked, as far as that shows without asking it.

        Raises:
            SettingError: When inspect_ai, a package or key of the provider, or the provider itself is missing.
        """
        self._service(SamplingSettings(0, 0, 1, 0, bool)).open()

    def write(self, questions: Sequence[str], sampling: SamplingSettings) -> list[Completion]:
        """Ask for what is not in the cache, many at once.

        Raises:
            SettingError: As `check`, unless the cache holds everything.
            RunError: When the cache is damaged.
        """
        service = self._service(sampling)
        keys = [request_key(self.name, service.address, text, service.settings) for text in questions]
        found = self._client.look_up(keys)
        self._client.count_cached(len(found))
        missing = {key: text for key, text in zip(keys, questions, strict=True) if key not in found}
        if missing:
            found.update(self._client.send(service, list(missing), missing.__getitem__))
        return [found[key] for key in keys]

    def _service(self, sampling: SamplingSettings) -> Service:
        return Service(
            self.name,
            self._base_url,
            self._timeout_seconds,
            self._max_connections,
            sampling.max_tokens + sampling.thinking_tokens,
            temperature=sampling.temperature,
            seed=sampling.seed,
            role="writer",
        )


class LocalWriter:
    """A model that is loaded here: no service, no cost."""

    def __init__(self, model: Model):
        self.name = model.name
        self._model = model

    def write(self, questions: Sequence[str], sampling: SamplingSettings) -> list[Completion]:
        """Complete the prompts in batches, each sampling with a seed of its own, thinking off."""
        texts = self._model.generate(
            questions,
            max_new_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            seed=sampling.seed,
            stop=sampling.enough,
        )
        return [Completion(text) for text in texts]
