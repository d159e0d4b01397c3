"""`POST /v1/steering/compare`: a reply token by token, with and without steering."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trimtab.models import Backbone
from trimtab.serve.http.bodies import Fields, read_object
from trimtab.serve.http.request_refusals import Refusal
from trimtab.serve.http.service import Service, client_of
from trimtab.serve.http.streams import unless_gone
from trimtab.serve.openai.conversation_fields import conversation_of
from trimtab.serve.openai.reply_fields import monitors_of, steering_of
from trimtab.serve.playground._token_comparison import (
    MAX_TOP,
    ComparedToken,
    compare_tokens,
    is_text_of,
    opens,
    tokens_of,
)
from trimtab.serve.replies.monitor_readings import readings
from trimtab.serve.steering.steering_request import RequestedSteering

MAX_REPLY_CHARACTERS = 100_000


async def compare(request: Request) -> Response:
    """Where steering acts in a reply: nats from the unsteered model at each token, and the likeliest tokens of both."""
    service: Service = request.app.state.service
    fields = Fields(await read_object(request))
    model = fields.text("model", service.models.name)
    steering = steering_of(fields, service, model)
    messages = conversation_of(fields)
    unsteered = conversation_of(fields, "unsteered_messages") if "unsteered_messages" in fields else messages
    reply, written = fields.text("reply"), _tokens(fields, service)
    top = fields.integer("top", 5, 0, MAX_TOP)
    monitors = monitors_of(fields, service)
    fields.done()
    if not reply.strip():
        raise Refusal(400, "reply: a text that is read token by token, not an empty one", "reply")
    if len(reply) > MAX_REPLY_CHARACTERS:
        raise Refusal(400, f"reply: {len(reply):,} characters; {MAX_REPLY_CHARACTERS:,} are the most", "reply")

    def compared() -> tuple[list[ComparedToken], bool | None]:
        read = written or reply
        opened = None
        if steering is not None and steering.gate is not None:
            opened = opens(service.model, steering.gate, messages, read, most_tokens=service.context_tokens)
        push = None if steering is None or opened is False else steering.pushed
        found = compare_tokens(
            service.model, messages, read, push, unsteered_messages=unsteered, top=top,
            most_tokens=service.context_tokens,
        )  # fmt: skip
        return found, opened

    async def work() -> dict[str, Any]:
        found, opened = await service.side_work.run(compared, client_of(request))
        anew = await asyncio.to_thread(tokens_of, service.model, messages, reply)
        return {
            "object": "steering.comparison",
            "model": model,
            "tokens": [one.json() for one in found],
            "mean_kl": _mean_kl(found),
            "unit": "nats",
            "tokens_from": "reply_tokens" if written else "text",
            "retokenized_differs": anew != written if written else None,
            "monitors": await readings(service, monitors, messages, [reply]) if monitors else None,
            "steering_applied": None if steering is None else _applied(steering, opened),
        }

    return JSONResponse(await unless_gone(request, work()))


def _applied(steering: RequestedSteering, opened: bool | None) -> dict[str, Any]:
    """The steering, and of a condition on the prompt whether it held, as replies say it."""
    found = steering.description()
    if opened is not None:
        found["when"] = {**found["when"], "opened": [opened]}
    return found


def _tokens(fields: Fields, service: Service) -> tuple[int, ...]:
    """The tokens that the reply was written in; none where they are not given.

    Raises:
        Refusal: for what are no tokens, or those of another text.
    """
    given, tokenizer, most = fields.raw("reply_tokens", []), service.model.backbone.tokenizer, _most_tokens(service)
    if not isinstance(given, list) or not all(type(one) is int and 0 <= one < most for one in given):
        raise fields.refusal("reply_tokens", f"a list of tokens from 0 to {most - 1}")
    if given and not is_text_of(tokenizer, given, fields.text("reply")):
        raise fields.refusal("reply_tokens", "they are tokens of another text than reply")
    return tuple(given)


def _most_tokens(service: Service) -> int:
    """How many tokens the model has logits for: they may be more than its tokenizer knows."""
    backbone = service.model.backbone
    return backbone.anatomy.vocabulary if isinstance(backbone, Backbone) else len(backbone.tokenizer)


def _mean_kl(found: list[ComparedToken]) -> float:
    return float(f"{sum(one.kl for one in found) / len(found):.6g}")
