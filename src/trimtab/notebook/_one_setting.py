"""One layer and strength as the settings of a study: what checks measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.analysis.formatting import signed_strength
from trimtab.errors import SettingError
from trimtab.notebook.measured_run import Measured
from trimtab.steering import Positions, layers_label


def one_setting(
    layer: int | Sequence[int], strength: float, scale: str, positions: Positions, first_token: bool
) -> dict[str, Any]:
    """The keys of a study that sweeps one setting, at both of its signs.

    Raises:
        SettingError: for no layer, or a strength of 0.
    """
    layers = (layer,) if isinstance(layer, int) else tuple(layer)
    if not layers:
        raise SettingError("no layer to steer at was given")
    if strength == 0:
        raise SettingError("strength 0 steers nothing, so there is nothing to measure")
    return {
        "layers": layers_label(layers), "strengths": [-abs(strength), abs(strength)], "scale": scale,
        "positions": positions, "first_token": first_token,
    }  # fmt: skip


def setting_facts(measured: Measured) -> dict[str, str]:
    """The setting in words."""
    settings = measured.run.manifest["settings"]
    strength = max(settings["strengths"])
    return {"setting": f"layer {settings['layers']} at ±{signed_strength(strength).lstrip('+')} ({settings['scale']})"}
