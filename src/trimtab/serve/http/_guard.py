"""What every request passes first: its address, its origin, its key; and a last resort for what fails behind them."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections import Counter
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trimtab.errors import ServerStopping
from trimtab.serve.http.request_refusals import INTERNAL, Refusal, refusal_of
from trimtab.serve.server_settings import is_loopback

_OPEN_PATHS = ("/", "/health")
_OPEN_FOLDER = "/playground/"
"""Answered without a key: they tell nothing but that the server is there. The page asks for the key itself."""
_LOG = logging.getLogger("trimtab.serve")


class Guard:
    """Refuses requests from other places than those that the server is for.

    On a loopback address the `Host` header has to be that address: else a page in a browser could reach the server by a
    name that it points there (DNS rebinding). Requests that a browser sends for another page name it as their `Origin`,
    and are refused unless it is one of `origins`.
    """

    def __init__(self, app: ASGIApp, *, host: str, key: str = "", origins: tuple[str, ...] = ()):
        self.app = app
        self.host = host.strip("[]").lower()
        self._key = key.encode()
        self._origins = origins
        self.answered: Counter[int] = Counter()
        """Status → responses."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False
        origin = Headers(scope=scope).get("origin", "")
        page = origin if origin in self._origins else ""

        async def counted(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self.answered[int(message["status"])] += 1
            await send(message)

        try:
            refused = self._refused(scope)
            if refused is not None:
                await respond(refused, scope, receive, counted, page)
                return
            await self.app(scope, receive, counted)
        except asyncio.CancelledError:  # by a server that ends, after it has waited
            if not started:
                await respond(refusal_of(ServerStopping("stopping")), scope, receive, counted, page)
        except Exception:
            _LOG.exception("%s %s failed", scope.get("method"), scope.get("path"))
            if not started:  # else uvicorn closes the connection, so that no half reply looks whole
                await respond(Refusal(500, INTERNAL, code="internal_error"), scope, receive, counted, page)

    def _refused(self, scope: Scope) -> Refusal | None:
        headers = Headers(scope=scope)
        if is_loopback(self.host) and not self._is_own(headers.get("host", "")):
            return Refusal(403, f"the Host header is none of this server's; use http://{_bracketed(self.host)}:PORT")
        origin = headers.get("origin", "")
        if origin and origin not in self._origins and _place(origin) != headers.get("host"):
            return Refusal(403, "pages of other origins are not served; start the server with --cors ORIGIN")
        if self._key and not _is_open(str(scope["path"])) and scope["method"] != "OPTIONS":
            given = headers.get("authorization", "")
            scheme, _, key = given.partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self._key):
                reason = "wrong key" if given else "no key"
                return Refusal(401, f"{reason}: send it as 'Authorization: Bearer KEY'", code="invalid_api_key")
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name == self.host or name == "localhost" or is_loopback(name)


def _is_open(path: str) -> bool:
    return path in _OPEN_PATHS or path.startswith(_OPEN_FOLDER)


def _place(origin: str) -> str | None:
    """Host and port of an origin; None where it has none."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


async def respond(refused: Refusal, scope: Scope, receive: Receive, send: Send, page: str = "") -> None:
    """Answer with a refusal in the shape of the API that was called; `page` is an origin that may read it."""
    body = refused.ollama() if str(scope["path"]).startswith("/api/") else refused.openai()
    shared = {"access-control-allow-origin": page, "vary": "Origin"} if page else {}
    await JSONResponse(body, refused.status, {**refused.headers, **shared})(scope, receive, send)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
