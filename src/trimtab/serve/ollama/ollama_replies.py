"""`POST /api/chat` and `POST /api/generate`, as lines of JSON or whole."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trimtab.data import Message
from trimtab.serve.http.bodies import Fields, read_object
from trimtab.serve.http.request_refusals import refusal_of
from trimtab.serve.http.service import Service, client_of
from trimtab.serve.http.streams import EventStream, unless_gone
from trimtab.serve.ollama._ollama_fields import OllamaFields, ollama_fields
from trimtab.serve.openai.conversation_fields import (
    MAX_MESSAGES,
    chat_tokens,
    conversation_of,
    is_continued,
    text_tokens,
    tools_of,
)
from trimtab.serve.replies.finished_reply import FinishedReply, ReplyPiece, applied
from trimtab.serve.replies.reply_writer import Asked, RunningReplies, begin

_LOG = logging.getLogger("trimtab.serve")
TextShape = Callable[[str], dict[str, Any]]
"""A piece of text as the endpoint has it."""


async def chat(request: Request) -> Response:
    """Answer a conversation."""
    service: Service = request.app.state.service
    fields = Fields(await read_object(request))
    asked = ollama_fields(fields, service)
    shape: TextShape = lambda text: {"message": {"role": "assistant", "content": text}}  # noqa: E731
    tools, empty = tools_of(fields), not fields.objects("messages", MAX_MESSAGES)
    messages = [] if empty else conversation_of(fields)
    fields.done()
    if empty:
        return _loaded(asked, shape)
    tokens = await asyncio.to_thread(chat_tokens, service.model, messages, tools)
    return await _reply(request, service, asked, tokens, shape, continues=is_continued(messages))


async def generate(request: Request) -> Response:
    """Answer a prompt under the chat template, or with `raw` continue it as it is."""
    service: Service = request.app.state.service
    fields = Fields(await read_object(request))
    asked = ollama_fields(fields, service)
    prompt, system, raw = fields.text("prompt"), fields.text("system"), fields.flag("raw")
    fields.done()
    shape: TextShape = lambda text: {"response": text}  # noqa: E731
    if not prompt:
        return _loaded(asked, shape)
    if raw:
        if system:
            raise fields.refusal("system", "raw text has no place for it; put it into the prompt")
        tokens = await asyncio.to_thread(text_tokens, service.model, prompt)
    else:
        before = [Message(role="system", content=system)] if system else []
        messages = [*before, Message(role="user", content=prompt)]
        tokens = await asyncio.to_thread(chat_tokens, service.model, messages)
    return await _reply(request, service, asked, tokens, shape, trim=not raw, continues=raw)


@dataclass
class _Clock:
    """When a reply was asked for."""

    begun: float = field(default_factory=time.monotonic)

    def durations(self, first: float) -> dict[str, int]:
        """In nanoseconds, as Ollama has them.

        Args:
            first: when the first token came.
        """
        now = time.monotonic()
        return {
            "total_duration": round((now - self.begun) * 1e9),
            "load_duration": 0,
            "prompt_eval_duration": round((first - self.begun) * 1e9),
            "eval_duration": round((now - first) * 1e9),
        }


async def _reply(
    request: Request,
    service: Service,
    asked: OllamaFields,
    tokens: tuple[int, ...],
    shape: TextShape,
    *,
    trim: bool = True,
    continues: bool,
) -> Response:
    made = Asked(
        prompts=(tokens,),
        steering=asked.steering,
        max_tokens=asked.max_tokens,
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=asked.seed,
        stops=asked.stops,
        trim=trim,
        continues=continues,
    )
    clock = _Clock()
    if asked.stream:
        running = await begin(service, made, client_of(request))
        return EventStream(_lines(asked, running, shape, clock), "application/x-ndjson", running.cancel)

    async def whole() -> dict[str, Any]:
        running = await begin(service, made, client_of(request))
        (reply,) = await running.finished()
        return {**_end(asked, reply, shape, clock.durations(running.first_token)), **shape(reply.text)}

    return JSONResponse(await unless_gone(request, whole()))


async def _lines(
    asked: OllamaFields, running: RunningReplies, shape: TextShape, clock: _Clock
) -> AsyncGenerator[str, None]:
    try:
        async with aclosing(running.updates()) as updates:
            async for one in updates:
                if isinstance(one, ReplyPiece):
                    if one.text:
                        yield _line({**_head(asked), **shape(one.text), "done": False})
                else:
                    yield _line(_end(asked, one, shape, clock.durations(running.first_token)))
    except Exception as error:
        refused = refusal_of(error)
        if refused.status == 500:  # the others say themselves why: the server stops, the time is over
            _LOG.exception("a stream failed")
        yield _line(refused.ollama())


def _head(asked: OllamaFields) -> dict[str, Any]:
    return {"model": asked.model, "created_at": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")}


def _end(asked: OllamaFields, reply: FinishedReply, shape: TextShape, durations: dict[str, int]) -> dict[str, Any]:
    return {
        **_head(asked),
        **shape(""),
        "done": True,
        "done_reason": reply.finish_reason,
        **durations,
        "prompt_eval_count": reply.prompt_tokens,
        "eval_count": reply.written,
        "steering_applied": applied(asked.steering, [reply]),
    }


def _loaded(asked: OllamaFields, shape: TextShape) -> Response:
    """To a request without a prompt, by which Ollama's clients load or unload a model: it stays loaded."""
    reason = "unload" if asked.unloads else "load"
    return JSONResponse({**_head(asked), **shape(""), "done": True, "done_reason": reason})


def _line(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False) + "\n"
