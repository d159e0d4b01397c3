"""Language models as inspect_ai reaches them: opened, asked once, and what went wrong told without secrets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.errors import SettingError

_INSTALL = "a language model as {role} needs inspect_ai: pip install 'trimtab[judge]'"
_CLIENTS_THAT_RETRY = ("openai", "openai-api", "anthropic")
"""Providers of inspect_ai whose clients ask again by themselves, and whose settings say how often."""
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
_LOOKS_SECRET = re.compile(
    r"\b(?:sk|pk|gsk|xai|hf|key)[-_][\w.*-]{6,}|(?<=bearer )\S+|(?<=://)[^/@\s]+(?=@)", re.IGNORECASE
)
_MOST_CHARACTERS = 200
_UNBOUNDED = 1000
"""Connections for inspect_ai, whose bound is one semaphore for the whole process: it would tie judges of the same model
together that run in threads, and loops, of their own. Our own bound is the number of workers."""
_STATUS = {
    401: "the service refuses the key",
    403: "the service refuses access",
    404: "the service knows no such model or address",
    408: "the service took too long",
    429: "the service limits the rate or the budget is used up",
}


@dataclass(frozen=True)
class Service:
    """Which model to ask, where, and within which bounds."""

    model: str
    base_url: str | None
    timeout_seconds: int
    """For one try."""
    max_connections: int
    max_tokens: int
    """The longest answer."""
    temperature: float = 0
    seed: int | None = None
    """What a service that can draw the same again draws with; others pass over it."""
    role: str = "judge"
    """What the model is to people, in messages."""

    @property
    def settings(self) -> dict[str, float]:
        """What shapes an answer besides the question."""
        seed = {} if self.seed is None else {"seed": self.seed}
        return {"temperature": self.temperature, "max_tokens": self.max_tokens, **seed}

    @property
    def address(self) -> str | None:
        """The base URL, wherever inspect_ai takes it from."""
        provider, _, rest = self.model.partition("/")
        owner = rest.partition("/")[0] if provider == "openai-api" else provider
        variables = (f"{owner.upper().replace('-', '_')}_BASE_URL", "INSPECT_EVAL_MODEL_BASE_URL")
        return self.base_url or next((os.environ[name] for name in variables if os.environ.get(name)), None)

    def open(self) -> Any:
        """The inspect_ai model.

        Its own retries are off: they wait 3 seconds, then 6, 12 … up to half an hour, and its `timeout` bounds only the
        waiting between tries, not a try that hangs (`attempt_timeout` does).

        Raises:
            SettingError: when inspect_ai, a package or key of the provider, or the provider itself is missing.
        """
        try:
            from inspect_ai.model import GenerateConfig, get_model
        except ImportError:
            raise SettingError(_INSTALL.format(role=self.role)) from None
        config = GenerateConfig(
            attempt_timeout=self.timeout_seconds,
            max_retries=0,
            max_connections=_UNBOUNDED,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            seed=self.seed,
        )
        arguments = {"max_retries": 0} if self.model.partition("/")[0] in _CLIENTS_THAT_RETRY else {}
        hook = sys.excepthook  # inspect_ai puts its own there
        try:
            return get_model(self.model, base_url=self.base_url, config=config, memoize=False, **arguments)
        except Exception as error:  # providers raise whatever they like for a missing key or package
            said = re.sub(r"\[/?\w+\]", "", str(getattr(error, "message", error)))
            raise SettingError(f"the {self.role} {self.model}: {without_secrets(' '.join(said.split()))}") from None
        finally:
            sys.excepthook = hook


def require_settings(
    role: str, model: str, numbers: Mapping[str, float], price: tuple[float, float] | None = None
) -> None:
    """Refuse what no service can be asked with.

    Args:
        role: what the model is to people, such as "judge".
        model: its name; the provider comes first.
        numbers: settings that are whole numbers from 1 on.
        price: dollars per million tokens in and out.

    Raises:
        SettingError: for whichever is wrong.
    """
    if not all(model.partition("/")):
        raise SettingError(f"the {role} {model!r} needs its provider in front, as in openai/{model or 'gpt-4o-mini'}")
    for setting, number in numbers.items():
        if number != int(number) or number < 1:
            raise SettingError(f"{setting} of a {role} is a whole number from 1 on; got {number}")
    if price is not None and (len(price) != 2 or not all(0 <= dollars < float("inf") for dollars in price)):
        raise SettingError(f"price is dollars per million tokens, in and out, such as (0.15, 0.6); got {price}")


@dataclass(frozen=True)
class Said:
    """What came of asking once: text, or why there is none."""

    text: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cut: bool = False
    """Whether the text ends at the token limit."""
    failure: str = ""
    """A reason of the service, such as a refused key, a rate limit or a timeout."""
    again: bool = False
    """Whether asking again may help."""
    wait_seconds: float = 0.0
    """How long the service asks to wait before that."""


async def ask(model: Any, question: str, timeout_seconds: int) -> Said:
    """Ask a model once. Nothing that it does raises."""
    from tenacity import RetryError

    try:
        output = await model.generate(question)
        usage = output.usage
        return Said(
            text=output.completion.encode(
                errors="replace"
            ).decode(),  # half a surrogate pair is valid JSON, but no text
            input_tokens=_count(usage, "input_tokens", "input_tokens_cache_read", "input_tokens_cache_write"),
            output_tokens=_count(usage, "output_tokens"),
            cut=output.stop_reason == "max_tokens",
        )
    except Exception as error:  # providers raise whatever they like
        again = isinstance(error, RetryError)  # what inspect_ai would itself have asked again
        return Said(
            failure=_reason(_cause(error), timeout_seconds), again=again, wait_seconds=_asked_to_wait(_cause(error))
        )


def _count(usage: Any, *names: str) -> int:
    return sum(getattr(usage, name, None) or 0 for name in names)


def _cause(error: BaseException) -> BaseException:
    """What the service or its client said, without the layers around it, which quote the whole request."""
    from tenacity import RetryError

    if isinstance(error, RetryError):
        return _cause(error.last_attempt.exception() or RuntimeError("no answer"))
    if isinstance(error, RuntimeError) and error.__cause__ is not None:
        return _cause(error.__cause__)
    return error


def _reason(error: BaseException, timeout_seconds: int) -> str:
    kind = type(error).__name__
    if "Timeout" in kind:
        return f"no answer within {timeout_seconds} s"
    status = getattr(error, "status_code", None)
    deeper = f" ({error.__cause__})" if "Connection" in kind and error.__cause__ is not None else ""
    said = without_secrets(" ".join(f"{error}{deeper}".split()))
    said = f"{said[:_MOST_CHARACTERS]}…" if len(said) > _MOST_CHARACTERS else said
    if isinstance(status, int):
        told = _STATUS.get(status, "the service fails" if status >= 500 else "the service refuses the question")
        return f"{told} ({status}): {said}"
    return f"asking fails: {kind}: {said}"


def _asked_to_wait(error: BaseException) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(float(headers.get("retry-after", 0)), 0.0)
    except ValueError:  # a date
        return 0.0


def without_secrets(text: str) -> str:
    """The same without any key: services quote them, whole or in part."""
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= 6:
            text = text.replace(value, "[hidden]")
    return _LOOKS_SECRET.sub("[hidden]", text)
