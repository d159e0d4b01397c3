"""`POST /v1/steering/replies`: a conversation under several settings, written side by side in one stream."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from trimtab.serve.http.bodies import Fields, read_object
from trimtab.serve.http.request_refusals import refusal_of
from trimtab.serve.http.service import Service, client_of
from trimtab.serve.http.streams import EventStream
from trimtab.serve.openai.conversation_fields import chat_tokens, conversation_of
from trimtab.serve.openai.reply_fields import reply_fields
from trimtab.serve.playground._token_comparison import is_text_of
from trimtab.serve.replies.finished_reply import FinishedReply, ReplyPiece, applied
from trimtab.serve.replies.reply_writer import Asked, RunningReplies, begin
from trimtab.serve.steering.steering_request import RequestedSteering

MAX_COLUMNS = 16
_OF_A_COLUMN = ("messages", "steering")
_LOG = logging.getLogger("trimtab.serve")


@dataclass
class _Column:
    """One setting: its replies, or why there are none."""

    replies: RunningReplies | None = None
    steering: RequestedSteering | None = None
    error: Exception | None = None


async def replies(request: Request) -> Response:
    """Stream the replies of all columns; one that is refused does not stop the others.

    A column has `messages` and `steering`; all else (seed, temperature, top_p, max_tokens, stop) they share.
    """
    service: Service = request.app.state.service
    body = await read_object(request)
    outer = Fields(body)
    given = outer.objects("columns", MAX_COLUMNS)
    if not given:
        raise outer.refusal("columns", "a list with at least one column")
    shared = {name: value for name, value in body.items() if name != "columns"}
    for name in (*_OF_A_COLUMN, "stream", "n", "monitors", "model"):
        if name in shared:
            raise outer.refusal(name, "each column has its own" if name in _OF_A_COLUMN else "not a field here")
    columns: list[_Column] = []

    def cancel() -> None:
        for column in columns:
            if column.replies is not None:
                column.replies.cancel()

    try:
        for one in given:
            columns.append(await _begun(service, one, shared, client_of(request)))
    except BaseException:
        cancel()
        raise
    return EventStream(_events(service, columns), "text/event-stream", cancel)


async def _begun(service: Service, given: Mapping[str, Any], shared: Mapping[str, Any], client: str) -> _Column:
    try:
        fields = Fields({**shared, **given})
        asked = reply_fields(fields, service)
        messages = conversation_of(fields)
        fields.done()
        made = Asked(
            prompts=(chat_tokens(service.model, messages),),
            steering=asked.steering,
            max_tokens=asked.max_tokens,
            temperature=asked.temperature,
            top_p=asked.top_p,
            seed=asked.seed,
            stops=asked.stops,
        )
        return _Column(await begin(service, made, client), asked.steering)
    except Exception as error:
        return _Column(error=error)


async def _events(service: Service, columns: list[_Column]) -> AsyncGenerator[str, None]:
    """Events of all columns as they come, each with the number of its column."""
    queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
    pumps = [asyncio.ensure_future(_pump(service, number, column, queue)) for number, column in enumerate(columns)]
    running = len(pumps)
    try:
        while running:
            one = await queue.get()
            if one is None:
                running -= 1
                continue
            yield f"data: {json.dumps(one, ensure_ascii=False)}\n\n"
        yield "data: [DONE]\n\n"
    finally:
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


def _own_tokens(service: Service, reply: FinishedReply) -> list[int] | None:
    """The tokens of a reply as it was written; None where its text is another, cut before a stop text say."""
    own = is_text_of(service.model.backbone.tokenizer, reply.tokens, reply.text)
    return list(reply.tokens) if own else None


async def _pump(service: Service, number: int, column: _Column, queue: asyncio.Queue[dict[str, Any] | None]) -> None:
    try:
        if column.error is not None:
            raise column.error
        assert column.replies is not None
        async with aclosing(column.replies.updates()) as updates:
            async for one in updates:
                if isinstance(one, ReplyPiece):
                    queue.put_nowait({"column": number, "delta": one.text})
                    continue
                queue.put_nowait(
                    {
                        "column": number,
                        "text": one.text,
                        "tokens": one.written,
                        "token_ids": _own_tokens(service, one),
                        "finish_reason": one.finish_reason,
                        "steering_applied": applied(column.steering, [one]),
                    }
                )
    except Exception as error:
        refused = refusal_of(error)
        if refused.status == 500 and refused is not error:
            _LOG.error("a column failed", exc_info=error)
        queue.put_nowait({"column": number, **refused.openai()})
    finally:
        queue.put_nowait(None)
