"""What monitors read in replies: token by token while they are written, and in a pass of the model without steering."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from trimtab.data import Message
from trimtab.monitors import Monitor, token_probability
from trimtab.serve.http.service import Service
from trimtab.serve.openai.conversation_fields import is_continued
from trimtab.serve.replies.finished_reply import FinishedReply
from trimtab.serve.replies.watched_text import TokenReading


async def readings(
    service: Service, names: Sequence[str], messages: Sequence[Message], replies: Sequence[str]
) -> dict[str, list[dict[str, Any] | None]]:
    """What some monitors read in finished texts, without steering, by name: one entry for each text.

    Args:
        service: whose monitors and model.
        names: of monitors.
        messages: the conversation before the reply.
        replies: one for each choice.
    """
    found = {}
    for name in names:
        monitor = service.monitors[name]
        found[name] = [await asyncio.to_thread(_reading, service, monitor, messages, text) for text in replies]
    return found


async def readings_of_replies(
    service: Service, names: Sequence[str], messages: Sequence[Message], replies: Sequence[FinishedReply], steered: bool
) -> dict[str, Any]:
    """The same of replies that this server wrote, beside what was read while they were written.

    Args:
        service: whose monitors and model.
        names: of monitors.
        messages: the conversation before the replies.
        replies: one for each choice.
        steered: whether a push was on the states that wrote them.
    """
    found = await readings(service, names, messages, [reply.text for reply in replies])
    for name, entries in found.items():
        for entry, reply in zip(entries, replies, strict=True):
            if entry is not None:
                entry["as_written"] = _as_written(
                    service.monitors[name], name, reply.readings, steered and reply.opened is not False
                )
    return found


def token_readings(read: Sequence[TokenReading]) -> dict[str, list[dict[str, Any]]]:
    """Readings of some tokens as JSON, by the name of the monitor."""
    names = read[0].logits if read else ()
    return {name: [_token(one.token, one.logits[name]) for one in read] for name in names}


def _as_written(monitor: Monitor, name: str, read: Sequence[TokenReading], steered: bool) -> dict[str, Any] | None:
    """None where the engine reads nothing while it writes."""
    if not read:
        return None
    return {
        "states": "steered" if steered else "unsteered",
        "probability": monitor.text_probability([one.logits[name] for one in read]),
        "tokens": token_readings(read)[name],
    }


def _token(piece: str, logit: float) -> dict[str, Any]:
    return {"token": piece, "logit": logit, "probability": token_probability(logit)}


def _reading(service: Service, monitor: Monitor, messages: Sequence[Message], reply: str) -> dict[str, Any] | None:
    """One reply's probability, and those of its tokens; None for a reply without text."""
    if not reply.strip():
        return None
    whole = [*messages, Message(role="assistant", content=reply)]
    if is_continued(messages):
        whole = [*messages[:-1], Message(role="assistant", content=messages[-1]["content"] + reply)]
    scores = monitor.score(service.model, whole)
    last = len(whole) - 1
    of_reply = next((one for one in scores.messages if one.number == last), None)
    tokens = [
        _token(piece, float(logit))
        for piece, owner, logit in zip(scores.pieces, scores.owner, scores.logit, strict=True)
        if owner == last and math.isfinite(logit)
    ]
    return {
        "behavior": monitor.provenance.behavior,
        "layer": monitor.layer,
        "states": "unsteered",
        "probability": None if of_reply is None else of_reply.probability,
        "tokens": tokens,
    }
