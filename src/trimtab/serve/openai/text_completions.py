"""`POST /v1/completions`: texts that are continued, without a chat template."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trimtab.serve.http.bodies import Fields, read_object
from trimtab.serve.http.service import Service, client_of
from trimtab.serve.http.streams import EventStream, unless_gone
from trimtab.serve.openai._completion_events import Completion, events
from trimtab.serve.openai.conversation_fields import text_tokens
from trimtab.serve.openai.reply_fields import MAX_CHOICES, MAX_TOP_LOGPROBS, reply_fields
from trimtab.serve.replies.finished_reply import FinishedReply, ReplyPiece, ShownLogprob
from trimtab.serve.replies.reply_writer import Asked, begin

_MAX_PROMPTS = 64


class _Text(Completion):
    """The shapes of a continued text."""

    prefix, whole, chunk = "cmpl-", "text_completion", "text_completion"

    def first_choice(self, index: int) -> dict[str, Any] | None:
        return None

    def piece_choice(self, piece: ReplyPiece) -> dict[str, Any]:
        return self._choice(piece.choice, piece.text, piece.logprobs)

    def last_choice(self, reply: FinishedReply) -> dict[str, Any]:
        return self._choice(reply.choice, "", None, reply.finish_reason)

    def choice(self, reply: FinishedReply) -> dict[str, Any]:
        return self._choice(reply.choice, reply.text, reply.logprobs, reply.finish_reason)

    def _choice(
        self, index: int, text: str, logprobs: tuple[ShownLogprob, ...] | None, finish: str | None = None
    ) -> dict[str, Any]:
        return {"index": index, "text": text, "finish_reason": finish, "logprobs": _logprobs(logprobs)}


def _logprobs(found: tuple[ShownLogprob, ...] | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "tokens": [one.token for one in found],
        "token_logprobs": [one.logprob for one in found],
        "top_logprobs": [_by_text(one.top) for one in found],
        "text_offset": [one.offset for one in found],
    }


def _by_text(top: tuple[ShownLogprob, ...]) -> dict[str, float]:
    """The likeliest tokens by their texts. A less likely one of the same text stands under its number."""
    found: dict[str, float] = {}
    for one in top:
        found[f"token_id:{one.number}" if one.token in found else one.token] = one.logprob
    return found


async def completions(request: Request) -> Response:
    """Continue one text or several."""
    service: Service = request.app.state.service
    fields = Fields(await read_object(request))
    asked = reply_fields(fields, service)
    if asked.monitors:
        raise fields.refusal("monitors", "they read conversations; use /v1/chat/completions")
    prompts = await asyncio.to_thread(_prompts, fields, service)
    if len(prompts) * asked.choices > MAX_CHOICES:
        raise fields.refusal("n", f"{len(prompts)} prompts × {asked.choices} are more than {MAX_CHOICES} texts")
    logprobs = fields.integer("logprobs", 0, 0, MAX_TOP_LOGPROBS) if "logprobs" in fields else None
    fields.ignore("logprobs")
    fields.only({"echo": (False,), "suffix": ("",)}, "not supported by this server")
    fields.done()
    made = Asked(
        prompts=prompts,
        steering=asked.steering,
        max_tokens=asked.max_tokens if asked.max_tokens is not None else min(16, service.max_tokens),
        temperature=asked.temperature,
        top_p=asked.top_p,
        seed=asked.seed,
        choices=asked.choices,
        stops=asked.stops,
        logprobs=logprobs,
        trim=False,
        continues=True,
    )
    completion = _Text(service, asked.model, asked.steering, include_usage=asked.include_usage)
    if asked.stream:
        written = await begin(service, made, client_of(request))
        return EventStream(events(completion, written), "text/event-stream", written.cancel)

    async def whole() -> dict[str, Any]:
        return completion.body(await (await begin(service, made, client_of(request))).finished())

    return JSONResponse(await unless_gone(request, whole()))


def _prompts(fields: Fields, service: Service) -> tuple[tuple[int, ...], ...]:
    """Texts, or tokens of texts."""
    given = fields.raw("prompt", "")
    several = isinstance(given, list) and bool(given) and all(isinstance(one, str | list) for one in given)
    listed = given if several else [given]
    if len(listed) > _MAX_PROMPTS:
        raise fields.refusal("prompt", f"{len(listed)} prompts; {_MAX_PROMPTS} are the most")
    size = len(service.model.backbone.tokenizer)
    found = []
    for one in listed:
        if isinstance(one, str):
            tokens = text_tokens(service.model, one)
        elif isinstance(one, list) and all(type(token) is int and 0 <= token < size for token in one):
            tokens = tuple(one)
        else:
            raise fields.refusal("prompt", f"a text, a list of texts, or tokens from 0 to {size - 1}")
        if not tokens:
            raise fields.refusal("prompt", "an empty text has no token to continue")
        found.append(tokens)
    return tuple(found)
