"""Replies as endpoints send them: pieces while they are generated, and the whole at their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from trimtab.serve.replies.watched_text import TokenReading
from trimtab.serve.steering.steering_request import RequestedSteering

MIN_LOGPROB = -9999.0
"""In place of −∞, which JSON does not have; OpenAI's API uses the same."""


@dataclass(frozen=True)
class ShownLogprob:
    """A token, its log-probability, and the likeliest tokens at its place."""

    token: str
    logprob: float
    top: tuple[ShownLogprob, ...] = ()
    number: int = 0
    """Of the token in the vocabulary."""
    offset: int = 0
    """Characters of the reply before it."""

    def json(self) -> dict[str, Any]:
        """As OpenAI's API has it; bytes that are no whole character have no text, and so none here."""
        whole = "\ufffd" not in self.token
        return {"token": self.token, "logprob": self.logprob, "bytes": list(self.token.encode()) if whole else None}


@dataclass(frozen=True)
class ReplyPiece:
    """What has come of one choice since its last piece."""

    choice: int
    text: str
    logprobs: tuple[ShownLogprob, ...] | None = None
    """None where they are not wanted."""
    readings: tuple[TokenReading, ...] = ()
    """Of each token that has come, where monitors read while the text is written."""


@dataclass(frozen=True)
class FinishedReply:
    """One choice at its end."""

    choice: int
    prompt: int
    """Which of the request's prompts."""
    text: str
    prompt_tokens: int
    written: int
    """Tokens of the reply, without the one that ended it."""
    finish_reason: Literal["stop", "length"]
    tokens: tuple[int, ...] = ()
    """Those that were written."""
    pushed: int = 0
    """Tokens of prompt and reply that are at the positions."""
    changed: int | None = None
    """Those whose state a push changed, where it may leave one as it is; None where it may not, or nobody can tell."""
    logprobs: tuple[ShownLogprob, ...] | None = None
    readings: tuple[TokenReading, ...] = ()
    """Of each token, where monitors read while the text was written."""
    opened: bool | None = None
    """Whether the condition on the prompt held, so that it was pushed; None: there was none."""


def applied(steering: RequestedSteering | None, replies: Sequence[FinishedReply]) -> dict[str, Any] | None:
    """What was pushed in some replies, as JSON; None of plain ones."""
    if steering is None:
        return None
    found = {**steering.description(), "tokens_at_positions": sum(reply.pushed for reply in replies)}
    if steering.gate is not None:
        found["when"] = {**found["when"], "opened": [reply.opened for reply in replies]}
    changed = [reply.changed for reply in replies if reply.changed is not None]
    return {**found, "tokens_changed": sum(changed)} if changed else found
