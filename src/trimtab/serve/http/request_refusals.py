"""Refusals of requests: a status, a sentence, and the field it is about; each API has its own shape for them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from trimtab.errors import EngineFailed, EngineLost, JobTimeout, ModelError, QueueFull, ServerStopping, TrimtabError
from trimtab.inputs.secrets import without_secrets

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
RESTART_SECONDS = 30.0
"""After which clients of a server that stops may ask again."""
INTERNAL = "the server failed at this request; its log says why"


@dataclass(eq=False)
class Refusal(Exception):
    """Why a request gets no reply."""

    status: int
    message: str
    param: str | None = None
    """The field of the request that it is about."""
    code: str | None = None
    """For programs, such as `model_not_found`."""
    retry_after: float | None = None
    """Seconds after which the same request may be served."""

    def __str__(self) -> str:
        return self.message

    @property
    def kind(self) -> str:
        """`type` of OpenAI's errors."""
        return _TYPES.get(self.status) or ("server_error" if self.status >= 500 else "invalid_request_error")

    @property
    def headers(self) -> dict[str, str]:
        """What the response carries beside its body."""
        found = {} if self.retry_after is None else {"retry-after": str(max(1, math.ceil(self.retry_after)))}
        if self.status == 401:
            found["www-authenticate"] = "Bearer"
        if self.status in (408, 413):
            found["connection"] = "close"
        return found

    def openai(self) -> dict[str, Any]:
        """As OpenAI's API has it."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    def ollama(self) -> dict[str, Any]:
        """As Ollama's API has it."""
        return {"error": self.message}


def refusal_of(error: Exception, param: str | None = None) -> Refusal:
    """The refusal that an error stands for: one that a person can cause is shown, any other is not."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, QueueFull):
        return Refusal(
            429, "the server is busy and its queue is full; try again", code="queue_full", retry_after=error.retry_after
        )
    if isinstance(error, ServerStopping):
        return Refusal(503, "the server is stopping", code="stopping", retry_after=RESTART_SECONDS)
    if isinstance(error, JobTimeout):
        return Refusal(504, str(error), code="timeout")
    if isinstance(error, EngineLost):
        return Refusal(503, str(error), code="engine_lost")
    if isinstance(error, EngineFailed | ModelError):
        return Refusal(500, INTERNAL, code="engine_failed")
    if isinstance(error, TrimtabError):
        return Refusal(400, without_secrets(str(error)), param)
    return Refusal(500, INTERNAL, code="internal_error")
