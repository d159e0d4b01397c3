"""Responses whose work ends when the client leaves: streams of events, and single replies."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
_LOG = logging.getLogger("trimtab.serve")


class ClientGone(Exception):
    """The client has closed its connection: nobody waits for the reply."""


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What the work returns; it is cancelled when the client leaves first.

    Raises:
        ClientGone: when it does.
    """
    return await _first(asyncio.ensure_future(work), request.receive)


class EventStream(Response):
    """Texts or bytes that are sent as they come.

    Args:
        pieces: the texts; closed when they end and when the client leaves.
        media_type: what they are.
        done: called at the end, also where the first text was never asked for.
        headers: more of them.
        stall_seconds: in which a client has to take each piece; None: no limit.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[str, None] | AsyncGenerator[bytes, None],
        media_type: str,
        done: Callable[[], None],
        *,
        headers: Mapping[str, str] | None = None,
        stall_seconds: float | None = None,
    ):
        self.pieces = pieces
        self._done = done
        self._stall_seconds = stall_seconds
        self.status_code = 200
        self.media_type = media_type
        self.body = b""
        self.background = None
        self.init_headers({"cache-control": "no-cache", "x-accel-buffering": "no", **(headers or {})})
        # Its length is not known.
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await _first(asyncio.ensure_future(self._send(send)), receive)
        except ClientGone:
            _LOG.info("%s: the client left", scope.get("path"))
        finally:
            self._done()

    async def _send(self, send: Send) -> None:
        async with aclosing(self.pieces):
            await _sent(send({"type": "http.response.start", "status": 200, "headers": self.raw_headers}))
            async for piece in self.pieces:
                body = piece.encode() if isinstance(piece, str) else piece
                await self._taken(send({"type": "http.response.body", "body": body, "more_body": True}))
            await _sent(send({"type": "http.response.body", "body": b"", "more_body": False}))

    async def _taken(self, sending: Awaitable[None]) -> None:
        """Wait until the client takes what is sent, no longer than it may.

        Not by `asyncio.wait_for`, which loses a cancellation that comes as the piece is taken (before Python 3.12).

        Raises:
            ClientGone: when it does not.
        """
        if self._stall_seconds is None:
            await _sent(sending)
            return
        task = asyncio.ensure_future(_sent(sending))
        try:
            done, _ = await asyncio.wait({task}, timeout=self._stall_seconds)
            if not done:
                raise ClientGone
            task.result()
        finally:
            task.cancel()


async def _sent(sending: Awaitable[None]) -> None:
    """Wait for what is sent; its errors are of the connection, unlike those of reading what to send.

    Raises:
        ClientGone: when it cannot be sent.
    """
    try:
        await sending
    except OSError as error:
        raise ClientGone from error


async def _first(work: asyncio.Future[T], receive: Receive) -> T:
    """The result of the work, unless the client leaves before."""
    gone = asyncio.ensure_future(_disconnected(receive))
    try:
        both: set[asyncio.Future[Any]] = {work, gone}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise ClientGone
        return work.result()
    finally:
        for task in (work, gone):
            if not task.done():
                task.cancel()
        await _settled(work)
        await _settled(gone)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _settled(task: Awaitable[Any]) -> None:
    await asyncio.gather(task, return_exceptions=True)
