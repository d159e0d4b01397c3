"""What every endpoint works with: the model, its vectors and monitors, and the limits of the server."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from starlette.requests import Request

from trimtab.engines import Model
from trimtab.monitors import Monitor
from trimtab.serve.http.side_work import SideWork
from trimtab.serve.server_settings import is_loopback
from trimtab.serve.steering.served_models import ServedModels
from trimtab.serve.steering.vector_library import VectorLibrary

if TYPE_CHECKING:
    from trimtab.serve.scheduler import Scheduler


@dataclass
class Service:
    """One served model."""

    model: Model
    scheduler: Scheduler
    name: str
    """How clients call the model."""
    library: VectorLibrary = field(default_factory=VectorLibrary)
    monitors: Mapping[str, Monitor] = field(default_factory=dict)
    max_tokens: int = 2048
    """The most tokens of a reply."""
    seconds: float | None = None
    """The longest that a request may take; None: no limit."""
    started: int = field(default_factory=lambda: int(time.time()))
    make_vectors: bool = False
    """Whether clients may have vectors made from pairs of their own."""
    gives_weights: bool = False
    """Whether clients may have the model's weights, with a push in them."""
    exports: int = 0
    """Folders that are made for clients, or sent to them; changed in the event loop only."""
    side_work: SideWork = field(default_factory=SideWork)
    """What else the model is asked, beside replies."""
    stopping: bool = False
    """Whether no new request is taken any more."""

    @cached_property
    def models(self) -> ServedModels:
        """The names under which the model and its settings are asked for."""
        return ServedModels(self.name, self.library)

    @property
    def context_tokens(self) -> int | None:
        """Tokens that a prompt and its reply may have together; None where there is no limit."""
        most = self.scheduler.most_tokens
        return most if most < sys.maxsize else None


def client_of(request: Request) -> str:
    """Who asks: requests of one client wait behind each other's, not behind everybody's. One machine is one client."""
    host = request.client.host if request.client is not None else ""
    return "" if is_loopback(host) else host
