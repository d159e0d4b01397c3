"""`GET /v1/models`: the model, and its recommended settings as models of their own."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trimtab.serve.http.request_refusals import Refusal
from trimtab.serve.http.service import Service
from trimtab.serve.steering.served_models import UnknownModel


async def models(request: Request) -> Response:
    """List the models."""
    service: Service = request.app.state.service
    found = [_entry(service, name) for name in service.models.names()]
    return JSONResponse({"object": "list", "data": found})


async def one_model(request: Request) -> Response:
    """Show one model; settings that are not listed are models too."""
    service: Service = request.app.state.service
    return JSONResponse(_entry(service, request.path_params["name"]))


def _entry(service: Service, name: str) -> dict[str, Any]:
    try:
        steering = service.models.steering_of(name)
    except UnknownModel as error:
        raise Refusal(404, str(error), "model", "model_not_found") from None
    return {
        "id": name,
        "object": "model",
        "created": service.started,
        "owned_by": "trimtab",
        "root": service.models.name,
        "max_model_len": service.context_tokens,
        "steering": None if steering is None else steering.description(),
    }
