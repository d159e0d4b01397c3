"""The connection to Ray, and what its nodes can run."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from trimtab.errors import RunError, SettingError
from trimtab.study._stopped import last_line
from trimtab.study.settings.model_setting import ModelSetting

LOCAL = "local"
_CONNECT_TIMEOUT_SECONDS = 5
"""For the head of a cluster to answer."""
_OBJECT_STORE_BYTES = 100 << 20
"""Shared memory of a Ray that is started here; only settings and pairs pass through it."""


@dataclass(frozen=True)
class Needs:
    """The resources that Ray sets aside for one model."""

    cpus: float
    gpus: float

    def __str__(self) -> str:
        """In words."""
        return f"{self.cpus:g} CPUs and {self.gpus:g} GPUs"

    def fit(self, node: dict[str, float]) -> bool:
        """Whether a node has as much."""
        return node.get("CPU", 0) >= self.cpus and node.get("GPU", 0) >= self.gpus


def require_ray(address: str) -> Any:
    """Import Ray, and check that a cluster answers at the address.

    Ray's own attempt to connect takes many minutes to fail and does not react to Ctrl-C.

    Raises:
        RunError: When Ray is not installed, or nothing answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if importlib.util.find_spec("ray") is None:
        raise RunError("Ray is not installed: pip install 'trimtab[ray]'")
    import ray

    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdigit() and not ray.is_initialized():
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_TIMEOUT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise RunError(f"no Ray at {address!r}: {error}") from None
    return ray


@contextmanager
def connected(ray: Any, address: str) -> Iterator[None]:
    """Connect for the length of a `with` block, unless this process is connected already."""
    if ray.is_initialized():
        yield
        return
    own = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except Exception as error:  # Ray, gRPC and the network raise many kinds
        raise RunError(f"no Ray at {address!r}: {last_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def live_nodes(ray: Any) -> list[dict[str, float]]:
    """The resources of each node that is alive."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def needs_of(ray: Any, setting: ModelSetting, address: str) -> Needs:
    """Determine the resources of a model.

    Raises:
        SettingError: When only this machine is to run it, and has less. A cluster may grow.
    """
    nodes = live_nodes(ray)
    gpus = setting.resources.gpus
    if gpus is None:
        takes_one = setting.device not in ("cpu", "mps") and any(node.get("GPU", 0) for node in nodes)
        gpus = setting.divided if takes_one else 0
    needs = Needs(setting.resources.cpus, gpus)
    if address == LOCAL and not any(map(needs.fit, nodes)):
        most = Needs(*(max(node.get(kind, 0) for node in nodes) for kind in ("CPU", "GPU")))
        raise SettingError(f"{setting.label}: asks for {needs}, and Ray has {most} here; change its `resources`")
    return needs
