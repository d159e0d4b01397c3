"""A server of a tiny random model on a free port, for tests that ask over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import torch

from tiny import CHAT_TEMPLATE, tiny_model, tiny_tokenizer, vector_for
from trimtab.engines import Model
from trimtab.models import wrap
from trimtab.monitors import Monitor
from trimtab.monitors.monitor import MonitorProvenance
from trimtab.serve.http._application import application
from trimtab.serve.http.server import Server, bound_socket
from trimtab.serve.http.service import Service
from trimtab.serve.scheduler import Scheduler
from trimtab.serve.server_settings import ServerSettings
from trimtab.serve.steering._vector_sources import RecommendedPush
from trimtab.serve.steering.vector_library import NamedVector, VectorLibrary
from trimtab.steering import SteeringSetting

NAME = "tiny-llama"
STRENGTH = 0.6
"""Far enough that every reply of the tiny model changes."""


def chat_model(template: str = CHAT_TEMPLATE) -> Model:
    """A tiny random model with a chat template."""
    return Model(wrap(tiny_model("llama"), tiny_tokenizer(template), name=NAME))


def library_for(model: Model) -> VectorLibrary:
    """`cheerful` and `formal` have recommended settings, `raw` has none."""
    vector = vector_for(model.backbone)
    return VectorLibrary(
        [
            NamedVector("cheerful", vector, RecommendedPush((1,), STRENGTH, SteeringSetting())),
            NamedVector("formal", -vector, RecommendedPush((1, 2), 2 * STRENGTH, SteeringSetting(share_strength=True))),
            NamedVector("raw", vector),
        ]
    )


def monitor_for(model: Model) -> Monitor:
    """A monitor of random directions: it reads, and means nothing."""
    layers, width = model.facts.layers, model.facts.width
    made = MonitorProvenance(
        model=model.name, fingerprint=model.fingerprint, behavior="kind", pairs_hash="", pairs=2,
        token_position="last", form="text", balance="none", template_hash="", layer=2, select_pairs=2,
        select_auroc=(0.5,) * layers, select_token_auroc=(0.5,) * layers, seen=(),
    )  # fmt: skip
    weight = torch.randn(layers, width, generator=torch.Generator().manual_seed(1)) / 10
    return Monitor(weight, torch.zeros(layers), torch.ones(layers), torch.zeros(layers), made)


@dataclass
class Served:
    """A running server."""

    service: Service
    server: Server
    address: str

    @property
    def model(self) -> Model:
        return self.service.model

    def client(self, **options: Any) -> httpx.Client:
        # Nothing is encrypted here, and reading the certificates takes longer than a reply.
        return httpx.Client(base_url=self.address, timeout=60, verify=False, **options)


def service_for(model: Model, **options: Any) -> Service:
    limits = {name: options.pop(name) for name in ("most_waiting", "most_tokens") if name in options}
    options.setdefault("library", library_for(model))
    return Service(model, Scheduler(model, **limits), NAME, max_tokens=64, **options)


@contextmanager
def running(service: Service, **settings: Any) -> Iterator[Served]:
    """Serve in a thread until the context ends."""
    given = ServerSettings(port=0, **settings)
    taken = bound_socket(given.host, 0)
    started = threading.Event()
    app = application(service, host=given.host, key=given.key, origins=given.origins)
    server = Server(app, service, started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    port = taken.getsockname()[1]
    thread.start()
    try:
        assert started.wait(20)
        yield Served(service, server, f"http://127.0.0.1:{port}")
    finally:
        server.stop()
        thread.join(30)
        service.scheduler.close(seconds=5)
        assert not thread.is_alive()


def ask(served: Served, path: str = "/v1/chat/completions", **body: Any) -> Any:
    with served.client() as http:
        response = http.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.json()


def refused(served: Served, status: int = 400, path: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    with served.client() as http:
        response = http.post(path, json=body)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def events(served: Served, path: str = "/v1/chat/completions", **body: Any) -> list[Any]:
    with served.client() as http, http.stream("POST", path, json={**body, "stream": True}) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line[6:]) for line in lines[:-1]]
