"""Scales: what a strength α means, one file each.

v is the vector of a layer, v̂ = v/‖v‖, h the residual stream of one token. A scale from outside this package is a
subclass of `Scale`, registered with `SCALES.register` or by an entry point in the group `trimtab.scales`.
"""

from __future__ import annotations

from trimtab._util.registry import Entry, Registry
from trimtab.steering.scales.base import Scale, add, unit
from trimtab.vectors.constant_pushes import DEFAULT_SCALE

_HERE = "trimtab.steering.scales"

SCALES: Registry[Scale] = Registry(
    "scale",
    "trimtab.scales",
    {
        "raw": Entry(f"{_HERE}.raw:RAW", "h + α·v: the vector as it is."),
        "relative": Entry(f"{_HERE}.relative:RELATIVE", "h + α·‖h‖·v̂: a share of each token's norm."),
        "rotate": Entry(f"{_HERE}.rotate:ROTATE", "A turn toward v that keeps the norm of h."),
        "project_out": Entry(f"{_HERE}.project_out:PROJECT_OUT", "Removes the share α of the projection on v̂."),
        "clamp": Entry(f"{_HERE}.clamp:CLAMP", "Sets the projection on v̂ to α·‖v‖."),
        "cap": Entry(f"{_HERE}.cap:CAP", "Lowers the projection on v̂ to α·‖v‖ where it is higher."),
        "floor": Entry(f"{_HERE}.floor:FLOOR", "Raises the projection on v̂ to α·‖v‖ where it is lower."),
        "affine": Entry(f"{_HERE}.affine:AFFINE", "Sets the projection on v̂ to the negative side's mean, plus α·‖v‖."),
        "transport": Entry(
            f"{_HERE}.transport:TRANSPORT",
            "Moves each neuron by α of the map from negative to positive states.",
        ),
        "cap_percentile": Entry(
            f"{_HERE}.percentiles:CAP_PERCENTILE", "`cap` at a percentile of projections; studies."
        ),
        "floor_percentile": Entry(
            f"{_HERE}.percentiles:FLOOR_PERCENTILE", "`floor` at a percentile of projections; studies."
        ),
        "clamp_percentile": Entry(
            f"{_HERE}.percentiles:CLAMP_PERCENTILE", "`clamp` at a percentile of projections; studies."
        ),
        "kl": Entry(f"{_HERE}.kl:KL", "Strengths in nats of KL divergence, calibrated for each model; sweeps only."),
    },
)
"""Every scale by name."""


def push_scales() -> tuple[str, ...]:
    """Names of the scales that push directly; the others need a sweep that calibrates them."""
    return tuple(name for name, scale in SCALES.loadable() if not scale.calibrated)


def usual_strengths(scale: str) -> tuple[float, float]:
    """Both signs of the strength that a scale is tried at where none is given: ±0.1 for `relative`, ±1 for `raw`.

    Raises:
        SettingError: For a scale that is not registered.
    """
    usual = SCALES.get(scale).usual_strength
    return -usual, usual


__all__ = ["DEFAULT_SCALE", "SCALES", "Scale", "add", "push_scales", "unit", "usual_strengths"]
