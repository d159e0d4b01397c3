"""The fields of one push of a request: names that other servers have for them, and the push as JSON."""

from __future__ import annotations

from typing import Any

from trimtab.engines.vllm.wire.spec import Push
from trimtab.errors import SettingError


def take_synonym(push: dict[str, Any], name: str, meant: str) -> None:
    """Read a key that other servers have for one of ours.

    Raises:
        SettingError: where both are there and differ.
    """
    if name not in push:
        return
    value = push.pop(name)
    if meant in push and push[meant] != value:
        raise SettingError(f"{name} {value!r} and {meant} {push[meant]!r} contradict each other; keep one of them")
    push[meant] = value


def plain(push: Push) -> dict[str, Any]:
    """A push as JSON."""
    return {
        "vector": push.vector,
        "layers": list(push.layers),
        "strength": push.strength,
        "scale": push.scale,
        "vector_layer": push.vector_layer,
    }
