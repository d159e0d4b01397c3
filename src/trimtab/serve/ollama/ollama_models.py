"""`/api/tags`, `/api/show`, `/api/ps` and `/api/version`: which models there are."""

from __future__ import annotations

import importlib.metadata
from datetime import datetime, timezone
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from trimtab.serve.http.bodies import Fields, read_object
from trimtab.serve.http.request_refusals import Refusal
from trimtab.serve.http.service import Service
from trimtab.serve.steering.served_models import UnknownModel


async def tags(request: Request) -> Response:
    """List the models and their recommended settings."""
    service: Service = request.app.state.service
    return JSONResponse({"models": [_entry(service, name) for name in service.models.names()]})


async def show(request: Request) -> Response:
    """Show one model."""
    service: Service = request.app.state.service
    fields = Fields(await read_object(request))
    name = fields.text("model") or fields.text("name")
    fields.ignore("model", "name", "verbose", "system", "template", "options")
    fields.done()
    try:
        steering = service.models.steering_of(name)
    except UnknownModel as error:
        raise Refusal(404, str(error), "model", "model_not_found") from None
    facts = service.model.facts
    return JSONResponse(
        {
            "modelfile": "",
            "parameters": "",
            "template": str(service.model.backbone.tokenizer.chat_template or ""),
            "details": _details(service),
            "model_info": {
                "general.architecture": facts.architecture,
                "general.parameter_count": facts.parameters,
                f"{facts.architecture}.block_count": facts.layers,
                f"{facts.architecture}.embedding_length": facts.width,
                f"{facts.architecture}.context_length": service.context_tokens,
            },
            "capabilities": ["completion"],
            "modified_at": _time(service),
            "steering": None if steering is None else steering.description(),
        }
    )


async def version(request: Request) -> Response:
    """The version of trimtab."""
    return JSONResponse({"version": importlib.metadata.version("trimtab")})


def _entry(service: Service, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": name,
        "modified_at": _time(service),
        "size": service.model.facts.parameters * service.model.backbone.dtype.itemsize,
        "digest": service.model.fingerprint,
        "details": _details(service),
    }


def _details(service: Service) -> dict[str, Any]:
    facts = service.model.facts
    return {
        "parent_model": "",
        "format": "safetensors",
        "family": facts.architecture,
        "families": [facts.architecture],
        "parameter_size": f"{facts.parameters / 1e6:.0f}M",
        "quantization_level": str(service.model.backbone.dtype).removeprefix("torch."),
    }


def _time(service: Service) -> str:
    return datetime.fromtimestamp(service.started, timezone.utc).isoformat().replace("+00:00", "Z")
