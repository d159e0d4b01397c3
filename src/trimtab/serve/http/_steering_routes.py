"""`/v1/steering`: which vectors there are, what a request may say of them, and what it would do."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trimtab.engines.vllm.wire.spec import MAX_PUSHED_LAYERS, MAX_PUSHES
from trimtab.serve.http.bodies import MAX_BYTES, Fields, read_object
from trimtab.serve.http.request_refusals import Refusal
from trimtab.serve.http.service import Service
from trimtab.serve.openai.reply_fields import steering_of
from trimtab.serve.steering.weights_text import MAX_CHARACTERS
from trimtab.steering import POSITIONS, SCALES, push_scales


async def steering(request: Request) -> Response:
    """What `steering` can hold: scales, positions, limits."""
    service: Service = request.app.state.service
    scales = [SCALES.get(name) for name in push_scales() if name in SCALES.built_in]
    return JSONResponse(
        {
            "model": service.models.name,
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
    return JSONResponse({"valid": True, **found.description()})
