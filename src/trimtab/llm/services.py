"""Language models through inspect_ai: opening one, one request, and failures described without secrets."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trimtab.errors import SettingError
from trimtab.inputs.secrets import service_message_without_secrets, why_no_address

_INSTALL = "a language model as {role} needs inspect_ai: pip install 'trimtab[judge]'"
_CLIENTS_THAT_RETRY = ("openai", "openai-api", "anthropic")
"""Providers of inspect_ai whose clients retry by themselves, and have a setting for it."""
_MAX_MESSAGE_CHARACTERS = 200
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
    """A language model, its address and its limits."""

    model: str
    base_url: str | None
    timeout_seconds: int
    """For one attempt."""
    max_connections: int
    max_tokens: int
    """Of one completion."""
    temperature: float = 0
    seed: int | None = None
    """For services that can sample reproducibly; others ignore it."""
    role: str = "judge"
    """What the model is used as, for messages."""

    @property
    def settings(self) -> dict[str, float]:
        """What shapes a completion besides the prompt."""
        seed = {} if self.seed is None else {"seed": self.seed}
        return {"temperature": self.temperature, "max_tokens": self.max_tokens, **seed}

    @property
    def address(self) -> str | None:
        """The base URL, from the settings or from the environment variables that inspect_ai reads."""
        provider, _, rest = self.model.partition("/")
        owner = rest.partition("/")[0] if provider == "openai-api" else provider
        variables = (f"{owner.upper().replace('-', '_')}_BASE_URL", "INSPECT_EVAL_MODEL_BASE_URL")
        return self.base_url or next((os.environ[name] for name in variables if os.environ.get(name)), None)

    def open(self) -> Any:
        """Open the inspect_ai model.

        Its own retries are off: they wait 3 seconds, then 6, 12 … up to half an hour, and its `timeout` bounds only the
        waiting between tries, not a try that hangs (`attempt_timeout` does).

        Raises:
            SettingError: When inspect_ai, a package or key of the provider, or the provider itself is missing.
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
            message = re.sub(r"\[/?\w+\]", "", str(getattr(error, "message", error)))
            message = service_message_without_secrets(" ".join(message.split()))
            raise SettingError(f"the {self.role} {self.model}: {message}") from None
        finally:
            sys.excepthook = hook


def require_service_settings(
    role: str,
    model: str,
    numbers: Mapping[str, float],
    price: tuple[float, float] | None = None,
    base_url: str | None = None,
) -> None:
    """Refuse settings that no service can have.

    Args:
        role: What the model is used as, such as "judge".
        model: Its name; the provider comes first.
        numbers: Settings that are whole numbers from 1 on.
        price: Dollars per million tokens, in and out.
        base_url: Of the service, where it is not the provider's own.

    Raises:
        SettingError: For the first that is wrong.
    """
    if not all(model.partition("/")):
        raise SettingError(f"the {role} {model!r} needs its provider in front, as in openai/{model or 'gpt-4o-mini'}")
    for setting, number in numbers.items():
        if number != int(number) or number < 1:
            raise SettingError(f"{setting} of a {role} is a whole number from 1 on; got {number}")
    if price is not None and (len(price) != 2 or not all(0 <= dollars < float("inf") for dollars in price)):
        raise SettingError(f"price is dollars per million tokens, in and out, such as (0.15, 0.6); got {price}")
    if base_url is not None and (reason := why_no_address(base_url)):
        raise SettingError(f"base_url of a {role} {reason}")


@dataclass(frozen=True)
class Completion:
    """The outcome of one request: text, or why there is none."""

    text: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    truncated: bool = False
    """Whether the text ends at the token limit."""
    failure: str = ""
    """A reason of the service, such as a refused key, a rate limit or a timeout."""
    retryable: bool = False
    """Whether a retry may help."""
    retry_after_seconds: float = 0.0
    """The pause that the service asks for before it."""


async def request_completion(model: Any, prompt: str, timeout_seconds: int) -> Completion:
    """Send one request. It never raises: failures are in the completion."""
    from tenacity import RetryError

    try:
        output = await model.generate(prompt)
        usage = output.usage
        return Completion(
            text=output.completion.encode(
                errors="replace"
            ).decode(),  # half a surrogate pair is valid JSON, but no text
            input_tokens=_count(usage, "input_tokens", "input_tokens_cache_read", "input_tokens_cache_write"),
            output_tokens=_count(usage, "output_tokens"),
            truncated=output.stop_reason == "max_tokens",
        )
    except Exception as error:  # providers raise whatever they like
        cause = _cause(error)
        return Completion(
            failure=_reason(cause, timeout_seconds),
            retryable=isinstance(error, RetryError),  # inspect_ai would itself have retried
            retry_after_seconds=_retry_after(cause),
        )


def _count(usage: Any, *names: str) -> int:
    return sum(getattr(usage, name, None) or 0 for name in names)


def _cause(error: BaseException) -> BaseException:
    """The error of the service or its client, without the layers around it, which quote the whole request."""
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
    message = service_message_without_secrets(" ".join(f"{error}{deeper}".split()))
    if len(message) > _MAX_MESSAGE_CHARACTERS:
        message = f"{message[:_MAX_MESSAGE_CHARACTERS]}…"
    if isinstance(status, int):
        meaning = _STATUS.get(status, "the service fails" if status >= 500 else "the service refuses the question")
        return f"{meaning} ({status}): {message}"
    return f"the request fails: {kind}: {message}"


def _retry_after(error: BaseException) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    try:
        return max(float(headers.get("retry-after", 0)), 0.0)
    except ValueError:  # a date
        return 0.0
