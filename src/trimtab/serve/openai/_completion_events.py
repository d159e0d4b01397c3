"""The bodies of replies, whole or as server-sent events."""

from __future__ import annotations

import json
import logging
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, ClassVar

from trimtab.serve.http.request_refusals import refusal_of
from trimtab.serve.http.service import Service
from trimtab.serve.replies.finished_reply import FinishedReply, ReplyPiece, applied
from trimtab.serve.replies.reply_writer import RunningReplies
from trimtab.serve.steering.steering_request import RequestedSteering

Reader = Callable[[Sequence[FinishedReply]], Awaitable[dict[str, Any]]]
"""Readings of monitors of all choices."""
_LOG = logging.getLogger("trimtab.serve")


class Completion(ABC):
    """The head of a response, and how its choices are written."""

    prefix: ClassVar[str]
    whole: ClassVar[str]
    chunk: ClassVar[str]

    def __init__(self, service: Service, model: str, steering: RequestedSteering | None, *, include_usage: bool):
        self.steering = steering
        self.include_usage = include_usage
        self._head = {
            "id": f"{self.prefix}{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": model,
            "system_fingerprint": service.model.fingerprint,
        }

    @abstractmethod
    def first_choice(self, index: int) -> dict[str, Any] | None:
        """What a stream sends of a choice before its text."""

    @abstractmethod
    def piece_choice(self, piece: ReplyPiece) -> dict[str, Any]:
        """A piece of a choice in a stream."""

    @abstractmethod
    def last_choice(self, reply: FinishedReply) -> dict[str, Any]:
        """The end of a choice in a stream."""

    @abstractmethod
    def choice(self, reply: FinishedReply) -> dict[str, Any]:
        """A whole choice."""

    def body(self, replies: Sequence[FinishedReply]) -> dict[str, Any]:
        """The whole response."""
        return {
            **self._head,
            "object": self.whole,
            "choices": [self.choice(reply) for reply in replies],
            "usage": usage(replies),
            "steering_applied": applied(self.steering, replies),
        }

    def event(self, choices: list[dict[str, Any]], **more: Any) -> str:
        """One event of a stream."""
        body = {**self._head, "object": self.chunk, "choices": choices}
        if self.include_usage:
            body["usage"] = None
        return _event({**body, **more})


def usage(replies: Sequence[FinishedReply]) -> dict[str, int]:
    """Tokens read and written; a prompt counts once, however many replies it has."""
    prompts = {reply.prompt: reply.prompt_tokens for reply in replies}
    read, written = sum(prompts.values()), sum(reply.written for reply in replies)
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


async def events(
    completion: Completion, written: RunningReplies, read: Reader | None = None
) -> AsyncGenerator[str, None]:
    """The events of a stream: what fails in its middle is an event as well.

    Args:
        completion: the shapes of the response.
        written: the replies.
        read: what monitors read of the whole replies, sent behind their end; None where no readings are wanted.
    """
    finished: list[FinishedReply] = []
    try:
        opened = [completion.first_choice(index) for index in range(written.count)]
        for choice in opened:
            if choice is not None:
                yield completion.event([choice])
        async with aclosing(written.updates()) as updates:
            async for one in updates:
                if isinstance(one, ReplyPiece):
                    yield completion.event([completion.piece_choice(one)])
                    continue
                finished.append(one)
                more = {}
                if len(finished) == written.count and completion.steering is not None:
                    more = {"steering_applied": applied(completion.steering, finished)}
                yield completion.event([completion.last_choice(one)], **more)
        if read is not None:
            in_order = sorted(finished, key=lambda reply: reply.choice)
            yield completion.event([], monitors=await read(in_order))
        if completion.include_usage:
            yield completion.event([], usage=usage(finished))
        yield "data: [DONE]\n\n"
    except Exception as error:
        refused = refusal_of(error)
        if refused.status == 500:  # the others say themselves why: the server stops, the time is over
            _LOG.exception("a stream failed")
        yield _event(refused.openai())


def _event(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
