"""`/v1/steering`: which vectors there are, what a request may say of them, and what it would do."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trimtab.data import Message
from trimtab.engines.texts.changed_tokens import changed_tokens
from trimtab.engines.vllm.wire.spec import MAX_PUSHED_LAYERS, MAX_PUSHES
from trimtab.errors import SettingError
from trimtab.models import Backbone
from trimtab.serve.http.bodies import MAX_BYTES, Fields, read_object
from trimtab.serve.http.request_refusals import Refusal
from trimtab.serve.http.service import Service, client_of
from trimtab.serve.openai.reply_fields import steering_of
from trimtab.serve.replies.pushed_tokens import pushed_tokens
from trimtab.serve.steering.steering_request import RequestedSteering
from trimtab.serve.steering.weights_text import MAX_CHARACTERS
from trimtab.steering import POSITIONS, SCALES, push_scales

_TRIAL = ("How was your day?", "It was a good day, thank you.")
"""Message and reply on which a push is tried."""


async def steering(request: Request) -> Response:
    """What `steering` can hold: scales, positions, limits."""
    service: Service = request.app.state.service
    scales = [SCALES.get(name) for name in push_scales() if name in SCALES.built_in]
    return JSONResponse(
        {
            "model": service.models.name,
            "fingerprint": service.model.fingerprint,
            "layers": service.model.facts.layers,
            "scales": [
                {
                    "name": scale.name,
                    "formula": scale.formula,
                    "usual_strength": scale.usual_strength,
                    "usual_range": scale.usual_range,
                }
                for scale in scales
            ],
            "positions": dict(POSITIONS),
            "limits": {
                "pushes": MAX_PUSHES,
                "pushed_layers": MAX_PUSHED_LAYERS,
                "text_characters": MAX_CHARACTERS,
                "body_bytes": MAX_BYTES,
                "max_tokens": service.max_tokens,
                "seconds": service.seconds,
            },
            "vectors": [one.name for one in service.library],
            "monitors": list(service.monitors),
            "make_vectors": service.make_vectors,
        }
    )


async def vectors(request: Request) -> Response:
    """Every vector with its recommended setting and what was measured at it."""
    service: Service = request.app.state.service
    return JSONResponse({"object": "list", "data": [one.description() for one in service.library]})


async def validate(request: Request) -> Response:
    """What a request's steering would push, or why it cannot."""
    service: Service = request.app.state.service
    fields = Fields(await read_object(request))
    model = fields.text("model", service.models.name)
    try:
        found = steering_of(fields, service, model)
    except Refusal as refused:
        return JSONResponse({"valid": False, "reason": refused.message, "param": refused.param})
    fields.done()
    if found is None:
        raise Refusal(400, "give steering, or a model whose name holds a setting", "steering")
    try:
        tried = await service.side_work.run(lambda: _tried(service, found), client_of(request))
    except SettingError as error:
        return JSONResponse({"valid": False, "reason": str(error), "param": "steering"})
    return JSONResponse({"valid": True, **found.description(), "trial": tried})


def _tried(service: Service, steering: RequestedSteering) -> dict[str, Any] | None:
    """How many tokens of a short conversation a push changes in the model's own dtype; None where none can be tried.

    Raises:
        SettingError: for a push that is rounded away at every token.
    """
    backbone = service.model.backbone
    if not isinstance(backbone, Backbone):
        return None
    prompt = service.model.tokens([Message(role="user", content=_TRIAL[0])])
    reply = tuple(backbone.tokenizer(_TRIAL[1], add_special_tokens=False)["input_ids"])
    at = pushed_tokens(steering, prompt, reply, ended=True, tokenizer=backbone.tokenizer, name=backbone.name)
    if not at:
        return {"tokens_at_positions": 0, "tokens_changed": 0, "warning": "the trial has no token at these positions"}
    changed = changed_tokens(service.model, (*prompt, *reply), len(prompt), steering.pushed)
    found: dict[str, Any] = {"tokens_at_positions": at, "tokens_changed": changed}
    if changed < at:
        rests = any(part.scaling.may_rest for part in steering.pushed.parts())
        why = "is within the bound, or has the value, already" if rests else "is rounded away in the model's dtype"
        found["warning"] = f"at {at - changed} of {at} tokens of a short conversation the push {why}"
    return found
