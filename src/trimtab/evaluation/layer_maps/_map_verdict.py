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
class LayerMapTest:
    """Effects under three layer maps, and which of them the numbers support."""

    supported: str
    """A name of `MAPS`; "" where the numbers cannot tell."""
    summary: str
    """The outcome in words."""
    effects: tuple[MapEffect, ...]
    """Score at +α minus score at −α, mean over the layers, of each map."""
    differences: tuple[MapEffect, ...]
    """Differences of the effects, prompt by prompt, of each two maps."""
    layers: tuple[int, ...]
    """The layers that were tried."""
    prompts: int


def judged(effects: Mapping[str, NDArray[np.float64]], layers: Sequence[int], name: str, seed: int = 0) -> LayerMapTest:
    """What the effects under each map, [prompts, layers], say.

    A map is supported where its effect is larger than that of both others, prompt by prompt, in the direction in which
    the vector moves the model at all.
    """
    plain = [_mean(map_, effects[map_], seed) for map_ in MAPS]
    overall = _mean("all", np.mean([effects[map_] for map_ in MAPS], axis=0), seed)
    sign = -1.0 if overall.mean < 0 else 1.0
    pairs = [(STATED, EARLIER), (STATED, LATER), (LATER, EARLIER)]
    differences = [_mean(f"{a} − {b}", sign * (effects[a] - effects[b]), seed) for a, b in pairs]
    ahead = {(a, b): d.is_above_zero for (a, b), d in zip(pairs, differences, strict=True)}
    ahead |= {(b, a): d.high < 0 for (a, b), d in zip(pairs, differences, strict=True)}
    has_effect = overall.has_a_sign or any(one.has_a_sign for one in plain)
    best = [a for a in MAPS if all(ahead[a, b] for b in MAPS if b != a)] if has_effect else []
    supported = best[0] if best else ""
    return LayerMapTest(
        supported, _summary(supported, has_effect, name), tuple(plain), tuple(differences), tuple(layers),
        len(effects[STATED]),
    )  # fmt: skip


def _summary(supported: str, has_effect: bool, name: str) -> str:
    if not has_effect:
        return (
            f"{name}: the numbers cannot tell which layer map is right: at none of them is an effect shown; try more "
            "prompts, another strength, or pairs that are nearer to what the vector is for"
        )
    if not supported:
        return (
            f"{name}: the numbers cannot tell which layer map is right: no map's effect is larger than both others'; "
            "neighbouring directions may be too alike to matter"
        )
    if supported == STATED:
        return f"{name}: the numbers support the layer map as stated"
    return (
        f"{name}: the numbers speak against the layer map: its directions have more effect {supported} than as stated, "
        "so the file may be of another maker than was said"
    )


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
