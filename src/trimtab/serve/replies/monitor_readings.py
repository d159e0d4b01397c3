"""What monitors read in finished replies: each token's probability, from a pass of the model as it is, unsteered."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

from trimtab.data import Message
from trimtab.monitors import Monitor
from trimtab.serve.http.service import Service
from trimtab.serve.openai.conversation_fields import is_continued


async def readings(
    service: Service, names: Sequence[str], messages: Sequence[Message], replies: Sequence[str]
) -> dict[str, Any]:
    """Readings of some monitors, by name: one entry for each reply.

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
        {"token": piece, "logit": float(logit), "probability": float(odds)}
        for piece, owner, logit, odds in zip(scores.pieces, scores.owner, scores.logit, scores.probability, strict=True)
        if owner == last and math.isfinite(logit)
    ]
    return {
        "behavior": monitor.provenance.behavior,
        "layer": monitor.layer,
        "probability": None if of_reply is None else of_reply.probability,
        "tokens": tokens,
    }
