"""What the effects of a vector under three layer maps say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trimtab.stats.bootstrap import drawn_counts, percentiles

EARLIER, STATED, LATER = "one layer earlier", "as stated", "one layer later"
MAPS = {EARLIER: -1, STATED: 0, LATER: 1}
"""Layer maps that are compared: where the directions would belong, relative to the layers that they have."""
DRAWS = 2000


@dataclass(frozen=True)
class MapEffect:
    """A mean over prompts and layers with its 95% bootstrap interval, both resampled."""

    name: str
    mean: float
    low: float
    high: float

    @property
    def is_above_zero(self) -> bool:
        """Whether the interval is."""
        return self.low > 0

    @property
    def has_a_sign(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class MapComparison:
    """One measure under three layer maps, and which of them it supports."""

    supported: str
    """A name of `MAPS`; "" where the numbers cannot tell."""
    is_shown: bool
    """Whether the measure differs from zero under any map, or over all of them."""
    effects: tuple[MapEffect, ...]
    """Of each map, mean over prompts and layers."""
    differences: tuple[MapEffect, ...]
    """Of each two maps, prompt by prompt."""


@dataclass(frozen=True)
class LayerMapTest:
    """What steering and reading say about a layer map."""

    supported: str
    """A name of `MAPS`; "" where the numbers cannot tell, or steering and reading contradict each other."""
    summary: str
    """The outcome in words."""
    steering: MapComparison
    """Score at +α minus score at −α along each map's direction."""
    reading: MapComparison
    """How far the states of the pairs' sides lie apart along each map's direction, divided by the length of their mean
    difference at that layer: its mean over pairs is the cosine with the mean difference."""
    layers: tuple[int, ...]
    """The layers that were tried."""
    prompts: int


def judged(
    steering: Mapping[str, NDArray[np.float64]],
    reading: Mapping[str, NDArray[np.float64]],
    layers: Sequence[int],
    name: str,
    seed: int = 0,
) -> LayerMapTest:
    """What both measures under each map, [prompts, layers] each, say together.

    Either can decide alone: neighbouring directions that steer alike may still differ in the states that they
    were made of, and a trained vector steers without being a difference of states.
    """
    moved, read = compare_maps(steering, seed), compare_maps(reading, seed)
    found = {one.supported for one in (moved, read) if one.supported}
    supported = next(iter(found)) if len(found) == 1 else ""
    return LayerMapTest(supported, _summary(moved, read, name), moved, read, tuple(layers), len(steering[STATED]))


def compare_maps(values: Mapping[str, NDArray[np.float64]], seed: int = 0) -> MapComparison:
    """What one measure under each map, [prompts, layers], says.

    A map is supported where its value is larger than that of both others, prompt by prompt, in the direction in which
    the vector points at all.
    """
    plain = [_mean(map_, values[map_], seed) for map_ in MAPS]
    overall = _mean("all", np.mean([values[map_] for map_ in MAPS], axis=0), seed)
    sign = -1.0 if overall.mean < 0 else 1.0
    pairs = [(STATED, EARLIER), (STATED, LATER), (LATER, EARLIER)]
    differences = [_mean(f"{a} − {b}", sign * (values[a] - values[b]), seed) for a, b in pairs]
    ahead = {(a, b): d.is_above_zero for (a, b), d in zip(pairs, differences, strict=True)}
    ahead |= {(b, a): d.high < 0 for (a, b), d in zip(pairs, differences, strict=True)}
    is_shown = overall.has_a_sign or any(one.has_a_sign for one in plain)
    best = [a for a in MAPS if all(ahead[a, b] for b in MAPS if b != a)] if is_shown else []
    return MapComparison(best[0] if best else "", is_shown, tuple(plain), tuple(differences))


def _summary(steering: MapComparison, reading: MapComparison, name: str) -> str:
    moved, read = steering.supported, reading.supported
    unknown = f"{name}: the numbers cannot tell which layer map is right"
    if moved and read and moved != read:
        return (
            f"{unknown}: steering has most effect {moved}, and the pairs lie furthest apart along its directions {read}"
        )
    if not (moved or read):
        if not (steering.is_shown or reading.is_shown):
            return (
                f"{unknown}: at none of them is an effect shown, and the pairs do not lie apart along its directions; "
                "try more prompts, another strength, or pairs that are nearer to what the vector is for"
            )
        return (
            f"{unknown}: no map's effect is larger than both others', nor do the pairs lie further apart along its "
            "directions; neighbouring directions may be too alike to matter"
        )
    how = "steering and reading" if moved and read else "steering" if moved else "reading"
    if (moved or read) == STATED:
        return f"{name}: the numbers support the layer map as stated ({how})"
    more = {
        "steering": f"its directions have more effect {moved} than as stated",
        "reading": f"the pairs lie further apart along its directions {read} than as stated",
    }
    said = ", and ".join(text for kind, text in more.items() if kind in how)
    return f"{name}: the numbers speak against the layer map: {said}, so the file may be of another maker than was said"


def _mean(name: str, values: NDArray[np.float64], seed: int) -> MapEffect:
    """Mean of [prompts, layers], each of them resampled (Owen's pigeonhole bootstrap, 2007).

    Prompts alone would not do: any direction has some effect at a layer, the same for all prompts, and which map has
    more of it is chance until it is so at many layers.
    Resamples of few layers vary too little, by the factor that variances are divided by n − 1 for.
    """
    rng = np.random.default_rng(seed)
    prompts, layers = (drawn_counts(size, DRAWS, rng) for size in values.shape)
    drawn = ((prompts @ values) * layers).sum(1) / values.size
    mean, fewest = float(values.mean()), min(values.shape)
    wider = np.sqrt(fewest / (fewest - 1)) if fewest > 1 else np.nan
    return MapEffect(name, mean, *percentiles(mean + wider * (drawn - mean)))
