"""Who writes: a language model behind a service, or one that is loaded here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trimtab.evaluation.judges.asking import Answer, Asking, in_thread
from trimtab.evaluation.judges.cost import Cost
from trimtab.evaluation.judges.remembered import question_key, remembered
from trimtab.evaluation.judges.services import Said, Service, require_settings

if TYPE_CHECKING:
    from trimtab.engines import Model


STOP_AFTER = 3
"""Questions in a row that may fail until the rest is not asked."""


@dataclass(frozen=True)
class Manner:
    """How texts are written."""

    temperature: float
    seed: int
    max_tokens: int
    """The longest answer."""
    thinking_tokens: int
    """What a model may think before it, where its thinking cannot be turned off."""
    enough: Callable[[str], bool]
    """Whether an answer so far is complete. Models that are loaded here stop then; a service cannot be asked to."""


class Writer(Protocol):
    """Answers questions with text."""

    @property
    def name(self) -> str:
        """What the pairs say wrote them."""
        ...

    def write(self, questions: Sequence[str], manner: Manner) -> list[Said]:
        """One answer to each question, failures included. It never raises for what a network or a service does."""
        ...


class ServiceWriter:
    """A language model as inspect_ai reaches it. Answers are kept in a cache on disk: none is paid for twice.

    API keys are taken from the environment, as inspect_ai does.

    Args:
        model: as inspect_ai calls it, "openai/gpt-4o-mini" or "openai-api/local/any-name".
        base_url: of the service, where it is not the provider's own.
        timeout_seconds: for one try.
        attempts: how often a question is tried when the service fails in a way that may pass.
        max_connections: how many questions may be under way at once.
        price: dollars per million tokens in and out, for the cost.
        cache: a file of one's own; True for the one in trimtab's cache folder, False for none.

    Raises:
        SettingError: when a number is not positive, or the model's name has no provider.
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
        require_settings("writer", model, numbers, price)
        self.name = model
        self._base_url = base_url
        self._timeout_seconds = timeout_seconds
        self._attempts = attempts
        self._max_connections = max_connections
        self._remembered = remembered(cache, "written.sqlite")
        self._spent = Cost(model, price=price, estimated=False)

    @property
    def spent(self) -> Cost:
        """What was asked so far, with the tokens that the service reported."""
        return self._spent

    def check(self) -> None:
        """Make sure that the model can be asked, as far as that shows without asking it.

        Raises:
            SettingError: when inspect_ai, a package or key of the provider, or the provider itself is missing.
        """
        self._service(Manner(0, 0, 1, 0, bool)).open()

    def write(self, questions: Sequence[str], manner: Manner) -> list[Said]:
        """Ask what is not in the cache, many at once.

        Raises:
            SettingError: as `check`, unless the cache holds everything.
            RunError: when the cache is damaged.
        """
        service = self._service(manner)
        keys = [question_key(self.name, service.address, text, service.settings) for text in questions]
        known = self._remembered.look_up(keys) if self._remembered else {}
        said = {key: Said(text) for key, text in known.items()}
        self._spent = self._spent.plus(cached=len(said))
        texts = {key: text for key, text in zip(keys, questions, strict=True) if key not in said}
        if texts:
            asking = Asking(service, service.open(), list(texts), texts.__getitem__, self._attempts, STOP_AFTER)
            try:
                said.update(in_thread(asking, self._keep))
            finally:
                if self._remembered:
                    self._remembered.close()
        return [said[key] for key in keys]

    def _service(self, manner: Manner) -> Service:
        return Service(
            self.name,
            self._base_url,
            self._timeout_seconds,
            self._max_connections,
            manner.max_tokens + manner.thinking_tokens,
            temperature=manner.temperature,
            seed=manner.seed,
            role="writer",
        )

    def _keep(self, answer: Answer) -> None:
        key, said = answer
        if said.failure:
            return
        self._spent = self._spent.plus(calls=1, input_tokens=said.input_tokens, output_tokens=said.output_tokens)
        if self._remembered and not said.cut:
            self._remembered.store(key, said.text, said.input_tokens, said.output_tokens)


class LocalWriter:
    """A model that is loaded here: no service, no cost."""

    def __init__(self, model: Model):
        self.name = model.name
        self._model = model

    def write(self, questions: Sequence[str], manner: Manner) -> list[Said]:
        """Answer side by side, each question drawing with a seed of its own, thinking off."""
        texts = self._model.generate(
            questions,
            max_new_tokens=manner.max_tokens,
            temperature=manner.temperature,
            seed=manner.seed,
            stop=manner.enough,
        )
        return [Said(text) for text in texts]
