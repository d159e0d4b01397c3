"""The colours of figures: one meaning each, on light pages and dark ones, for colour-blind readers too.

All tones that stand alone have a contrast of at least 3 to 1 with the white page and with the dark one. Blue and
orange mean toward and away everywhere, and grey what there is to compare with, above all the unsteered model; series,
sizes and depths have other hues. No two of `SERIES` look alike to readers without one kind of cone, and shapes repeat
what they say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

TOWARD, AWAY, UNSTEERED = "#2f7fc1", "#c9601a", "#7d878e"
"""In the intended direction, against it, and what both are compared with."""
KEPT, LOST, REVERSED = "#2b9168", "#8c7a12", "#b04a9a"
"""Good enough to use; no more there; the other way round than before."""
SERIES = ("#6959ae", "#50a33d", "#c24976", "#7f6612", "#a06aec", "#c973ae")
"""Behaviors, models and methods, in this order."""
SHAPES = ("circle", "triangle-up", "square", "cross", "triangle-down", "triangle-right")
"""The points of the same series. A diamond marks what was chosen."""
RAMP = ((104, 84, 206), (160, 72, 170), (200, 84, 140), (214, 112, 150))
"""From small to large where there is no direction: depths, and sizes of a strength."""
INK, FAINT, GRID = "#1d2328", "#5c666e", "#e3e6e8"

STRONGEST, FAINTEST = 0.6, 0.04
"""Opacity of the largest and of the smallest effect in a heatmap: ink stays readable on it, on either page."""
_SIDES = {1: ((84, 153, 214), (37, 104, 163)), -1: ((220, 119, 50), (168, 74, 12))}
"""Toward and away, from the smallest strength to the largest."""


def ramp(count: int) -> list[str]:
    """That many tones in an order that the eye can follow."""
    return [_blend(RAMP, share) for share in _shares(count)]


def signed_tones(strengths: Sequence[float]) -> list[str]:
    """A tone for each strength: toward above 0, away below, fuller the larger its size, and grey for 0."""
    tones = {0.0: UNSTEERED}
    for sign, side in _SIDES.items():
        sizes = sorted({abs(value) for value in strengths if value * sign > 0})
        shares = _shares(len(sizes)) if len(sizes) > 1 else [0.5]
        tones |= {sign * size: _blend(side, share) for size, share in zip(sizes, shares, strict=False)}
    return [tones[value] for value in strengths]


def effect_fill(field: str, values: Sequence[float], title: str) -> alt.Color:
    """The fill of a heatmap's cells by a signed number, with its scale above: toward above 0, away below.

    Both ways are equally full at the same size, and clear at 0, so that one drawing serves both pages.

    Args:
        field: the number's field.
        values: all numbers that share the scale.
        title: of the scale.
    """
    low, high = min([0.0, *values]), max([0.0, *values])
    top = max(high, -low)
    stops = [(low, AWAY, STRONGEST * -low / top), (0.0, AWAY, FAINTEST)] if low < 0 else []
    if high > 0 or not stops:
        stops += [(0.0, TOWARD, FAINTEST), (high or 1.0, TOWARD, STRONGEST * high / top if high else STRONGEST)]
    domain = [value for value, _, _ in stops]
    tones = [_clear(tone, max(FAINTEST, opacity)) for _, tone, opacity in stops]
    return alt.Color(
        f"{field}:Q",
        scale=alt.Scale(domain=domain, range=tones, interpolate="rgb", clamp=True),
        legend=scale_legend(title),
    )


def quality_fill(field: str, least: float, most: float, title: str) -> alt.Color:
    """The fill of a heatmap's cells by a quality from 0 to `most`: green from `least` on, grey and paler below.

    Args:
        field: the quality's field.
        least: what is good enough.
        most: the best that there is.
        title: of the scale.
    """
    stops = [(0.0, UNSTEERED, FAINTEST), (least, UNSTEERED, 0.25)] if least > 0 else []
    stops += [(least, KEPT, 0.2), (most, KEPT, STRONGEST)] if least < most else [(most, KEPT, STRONGEST)]
    scale = alt.Scale(
        domain=[value for value, _, _ in stops], range=[_clear(tone, opacity) for _, tone, opacity in stops],
        interpolate="rgb", clamp=True,
    )  # fmt: skip
    return alt.Color(f"{field}:Q", scale=scale, legend=scale_legend(title))


def scale_legend(title: str, format: str = ".2~f") -> alt.Legend:
    """The scale of a heatmap's colours, above it."""
    return alt.Legend(
        title=title, orient="top", direction="horizontal", format=format, tickCount=4, gradientLength=150,
        gradientThickness=9, titleOrient="left", gradientOpacity=1, gradientStrokeWidth=0.5, labelOverlap="greedy",
    )  # fmt: skip


def _clear(tone: str, opacity: float) -> str:
    red, green, blue = (int(tone[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:.3f})"


def _shares(count: int) -> list[float]:
    return [0.0] if count == 1 else [place / (count - 1) for place in range(count)]


def _blend(stops: Sequence[tuple[int, int, int]], share: float) -> str:
    step = share * (len(stops) - 1)
    left = min(int(step), len(stops) - 2)
    rgb: list[Any] = [round(a + (step - left) * (b - a)) for a, b in zip(stops[left], stops[left + 1], strict=True)]
    return "#" + "".join(f"{value:02x}" for value in rgb)
