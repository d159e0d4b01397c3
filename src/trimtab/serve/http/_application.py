"""The application: every route, behind the guard."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from trimtab.errors import TrimtabError
from trimtab.serve.http import _steering_routes
from trimtab.serve.http._guard import Guard
from trimtab.serve.http._metrics import metrics_text
from trimtab.serve.http.request_refusals import Refusal, refusal_of
from trimtab.serve.http.service import Service
from trimtab.serve.http.streams import ClientGone
from trimtab.serve.ollama import ollama_models, ollama_replies
from trimtab.serve.openai import chat_completions, model_list, text_completions
from trimtab.serve.playground.routes import playground_routes

_LOG = logging.getLogger("trimtab.serve")
_CLIENT_GONE = 499
"""What proxies log for a client that left; nobody reads it."""


def application(service: Service, *, host: str, key: str = "", origins: Sequence[str] = ()) -> ASGIApp:
    """The server as an ASGI application.

    Args:
        service: What it serves.
        host: The address that it is bound to; on loopback the `Host` header has to name it.
        key: What clients have to send; empty: nothing.
        origins: Whose pages may call it from a browser.
    """
    routes = [
        *playground_routes(),
        Route("/health", _health, methods=["GET"]),
        Route("/metrics", _metrics, methods=["GET"]),
        Route("/v1/models", model_list.models, methods=["GET"]),
        Route("/v1/models/{name:path}", model_list.one_model, methods=["GET"]),
        Route("/v1/chat/completions", chat_completions.chat_completions, methods=["POST"]),
        Route("/v1/completions", text_completions.completions, methods=["POST"]),
        Route("/v1/steering", _steering_routes.steering, methods=["GET"]),
        Route("/v1/steering/vectors", _steering_routes.vectors, methods=["GET"]),
        Route("/v1/steering/validate", _steering_routes.validate, methods=["POST"]),
        Route("/api/chat", ollama_replies.chat, methods=["POST"]),
        Route("/api/generate", ollama_replies.generate, methods=["POST"]),
        Route("/api/tags", ollama_models.tags, methods=["GET"]),
        Route("/api/ps", ollama_models.tags, methods=["GET"]),
        Route("/api/show", ollama_models.show, methods=["POST"]),
        Route("/api/version", ollama_models.version, methods=["GET"]),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            Refusal: _refused,
            TrimtabError: _refused,
            HTTPException: _no_such_place,
            ClientGone: _left,
            Exception: _failed,
        },
    )
    app.state.service = service
    inner: ASGIApp = app
    if origins:
        inner = CORSMiddleware(
            app,
            allow_origins=list(origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],  # clients send headers of their own, as OpenAI's x-stainless-…; none is acted on
        )
    guard = Guard(inner, host=host, key=key, origins=tuple(origins))
    app.state.guard = guard
    return guard


async def _health(request: Request) -> Response:
    service: Service = request.app.state.service
    if service.stopping:
        return JSONResponse({"status": "stopping"}, 503)
    if (lost := service.scheduler.lost) is not None:
        return JSONResponse({"status": "engine lost; restart the server", "reason": str(lost)}, 503)
    return JSONResponse({"status": "ok"})


async def _metrics(request: Request) -> Response:
    service: Service = request.app.state.service
    text = metrics_text(service, request.app.state.guard.answered)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


async def _refused(request: Request, error: Exception) -> Response:
    refused = refusal_of(error)
    if refused.status >= 500:
        _LOG.error("%s %s: %s", request.method, request.url.path, error)
    return _response(request, refused)


async def _failed(request: Request, error: Exception) -> Response:
    """What nobody foresaw; the guard logs it."""
    return _response(request, refusal_of(error))


async def _no_such_place(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reasons = {404: "there is nothing at this address", 405: f"{request.method} is not for this address"}
    return _response(request, Refusal(error.status_code, reasons.get(error.status_code, str(error.detail))))


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=_CLIENT_GONE)


def _response(request: Request, refused: Refusal) -> Response:
    body = refused.ollama() if request.url.path.startswith("/api/") else refused.openai()
    return JSONResponse(body, refused.status, refused.headers)
