"""`POST /v1/chat/completions`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trimtab.serve.http.bodies import Fields, read_object
from trimtab.serve.http.service import Service, client_of
from trimtab.serve.http.streams import EventStream, unless_gone
from trimtab.serve.openai._completion_events import Completion, events
from trimtab.serve.openai.conversation_fields import chat_tokens, conversation_of, is_continued, tools_of
from trimtab.serve.openai.reply_fields import MAX_TOP_LOGPROBS, reply_fields
from trimtab.serve.replies.finished_reply import FinishedReply, ReplyPiece, ShownLogprob
from trimtab.serve.replies.monitor_readings import readings_of_replies, token_readings
from trimtab.serve.replies.reply_writer import Asked, begin
from trimtab.serve.replies.watched_text import reads_while_writing


class _Chat(Completion):
    """The shapes of a chat's reply."""

    prefix, whole, chunk = "chatcmpl-", "chat.completion", "chat.completion.chunk"

    def first_choice(self, index: int) -> dict[str, Any] | None:
        return _chunk(index, {"role": "assistant", "content": ""})

    def piece_choice(self, piece: ReplyPiece) -> dict[str, Any]:
        chunk = _chunk(piece.choice, {"content": piece.text}, logprobs=_logprobs(piece.logprobs))
        return {**chunk, "monitors": token_readings(piece.readings)} if piece.readings else chunk

    def last_choice(self, reply: FinishedReply) -> dict[str, Any]:
        return _chunk(reply.choice, {}, finish=reply.finish_reason)

    def choice(self, reply: FinishedReply) -> dict[str, Any]:
        return {
            "index": reply.choice,
            "message": {"role": "assistant", "content": reply.text, "refusal": None},
            "finish_reason": reply.finish_reason,
            "logprobs": _logprobs(reply.logprobs),
        }


async def chat_completions(request: Request) -> Response:
    """Answer a conversation."""
    service: Service = request.app.state.service
    fields = Fields(await read_object(request))
    asked = reply_fields(fields, service)
    messages, tools = conversation_of(fields), tools_of(fields)
    wanted = fields.flag("logprobs")
    top = fields.integer("top_logprobs", 0, 0, MAX_TOP_LOGPROBS)
    if top and not wanted:
        raise fields.refusal("top_logprobs", "belongs to logprobs: true")
    fields.done()
    watches = reads_while_writing(service.model)
    made = Asked(
        prompts=(await asyncio.to_thread(chat_tokens, service.model, messages, tools),),
        steering=asked.steering,
        max_tokens=asked.max_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=asked.seed,
        choices=asked.choices,
        stops=asked.stops,
        logprobs=top if wanted else None,
        trim=True,
        continues=is_continued(messages),
        monitors={name: service.monitors[name] for name in asked.monitors} if watches else {},
    )
    completion = _Chat(service, asked.model, asked.steering, include_usage=asked.include_usage)

    async def read(replies: Sequence[FinishedReply]) -> dict[str, Any]:
        return await readings_of_replies(service, asked.monitors, messages, replies, asked.steering is not None)

    if asked.stream:
        written = await begin(service, made, client_of(request))
        return EventStream(
            events(completion, written, read if asked.monitors else None), "text/event-stream", written.cancel
        )

    async def whole() -> dict[str, Any]:
        replies = await (await begin(service, made, client_of(request))).finished()
        body = completion.body(replies)
        if asked.monitors:
            body["monitors"] = await read(replies)
        return body

    return JSONResponse(await unless_gone(request, whole()))


def _chunk(index: int, delta: dict[str, Any], *, finish: str | None = None, logprobs: Any = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}


def _logprobs(found: tuple[ShownLogprob, ...] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"content": [{**one.json(), "top_logprobs": [top.json() for top in one.top]} for one in found]}
