"""The life of the server: it starts, says so, finishes running replies when stopped, and closes idle connections."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from trimtab.errors import SettingError
from trimtab.serve.http._application import application
from trimtab.serve.http.service import Service
from trimtab.serve.server_settings import ServerSettings

HEADER_SECONDS = 15.0
"""In which the first line and the headers of a request have to arrive."""
KEEP_ALIVE_SECONDS = 30
"""In which the next request on a connection has to begin."""
MAX_CONNECTIONS = 1024
DRAIN_SECONDS = 60.0
"""In which running replies end when the server is stopped; then they end with an error."""
SHUTDOWN_SECONDS = 5
"""In which connections close after that."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class PatientProtocol(H11Protocol):
    """Closes connections on which headers do not arrive in time: each holds a place that others need.

    The headers of a request have their time from their first byte on, those of a connection's first request at most
    twice: once until it begins. uvicorn closes connections that stay open and on which nothing comes.
    """

    _deadline: asyncio.TimerHandle | None = None
    _begun = False
    """Whether headers have begun to arrive and have not ended."""

    def connection_made(self, transport: Any) -> None:
        """Start the clock."""
        super().connection_made(transport)
        self._restart()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Start the clock at the first byte of a request's headers, and stop it at their end."""
        before = self.cycle
        if not self._begun and (before is None or before.response_complete):
            self._begun = True
            self._restart()
        super().data_received(data)
        if self.cycle is not before:
            self._begun = False
            self._stop()

    def on_response_complete(self) -> None:
        """Start the clock where the next request's headers have begun already, while this one was answered."""
        before = self.cycle
        super().on_response_complete()
        if self.cycle is before and self.conn.trailing_data[0] and not self.transport.is_closing():
            self._begun = True
            self._restart()

    def _restart(self) -> None:
        self._stop()
        self._deadline = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Server(uvicorn.Server):
    """A uvicorn server that ends running replies before it stops.

    Args:
        app: The application.
        service: What it serves.
        ready: Called when requests are served.
    """

    def __init__(self, app: ASGIApp, service: Service, ready: Callable[[], None]):
        super().__init__(
            uvicorn.Config(
                app,
                http=PatientProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            )
        )
        self._service = service
        self._ready = ready
        self._stopped_at = 0.0
        self._hurries = False
        """Whether running replies are not waited for."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def on_tick(self, counter: int) -> bool:
        """Whether the server ends: when it is stopped and nothing runs any more."""
        ends = await super().on_tick(counter)
        if not self._service.stopping:
            return ends
        self._stopped_at = self._stopped_at or time.monotonic()
        counts = self._service.scheduler.counts()
        idle = not counts.waiting and not counts.running and not self.server_state.tasks
        if not idle and (self._hurries or time.monotonic() > self._stopped_at + DRAIN_SECONDS):
            self._service.scheduler.abandon()  # each reader gets an error; then uvicorn waits a little
            return True
        return ends or idle

    def stop(self) -> None:
        """Take no new requests, and end when the running ones have."""
        self._service.stopping = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The first signal stops, a second one ends replies; none is raised again, so that the exit code is 0."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {one: signal.signal(one, self.handle_exit) for one in _SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; at the second signal running replies end with an error; a third one waits for nothing."""
        if self._hurries:
            self.should_exit = self.force_exit = True
        self._hurries = self._service.stopping
        self.stop()


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at an address, not listening yet: taken before a model is loaded, so that nothing is loaded in vain.

    Args:
        host: name or number.
        port: 0 takes any that is free.

    Raises:
        SettingError: when it cannot be had.
    """
    taken: socket.socket | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        return taken
    except OSError as error:
        if taken is not None:
            taken.close()
        reason = error.strerror or str(error)
        raise SettingError(f"cannot listen at {host}, port {port}: {reason}; give another --port or --host") from None


def run_server(
    service: Service, settings: ServerSettings, taken: socket.socket, ready: Callable[[], None] = lambda: None
) -> None:
    """Serve until a signal comes, then end the running replies.

    Args:
        service: What is served.
        settings: Whom it is served to.
        taken: From `bound_socket`.
        ready: Called when requests are served.
    """
    app = application(service, host=settings.host, key=settings.key, origins=settings.origins)
    Server(app, service, ready).run(sockets=[taken])
