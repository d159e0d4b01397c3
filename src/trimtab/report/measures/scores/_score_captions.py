"""How to read the figures and tables about scores."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.analysis import Denominator
from trimtab.report._glossary import DIVIDED

VIOLIN = (
    "Each point is a prompt; the shape is their density, the bar runs from the first to the third quartile and the "
    "ring is the median; orange is steered away, grey unsteered, blue toward. Right of 0 the model prefers the "
    "positive answer. Shapes and quartiles count every prompt; where there are many, only some are drawn as points."
)
STRENGTH = "One line for each strength, on the prompts that are reported."
OVER_DOSE = "On another strength axis than the one given, the effect over that size, one line for each layer."
NORMALISED = (
    "The same curves, each scaled to 0–1 between its smallest and its largest value: where in its depth each model is "
    "steered best, whatever the size of the effect. Only behaviors that moved in the intended direction are drawn. The "
    "style of a line is the group of the model."
)
LAYERS = (
    "The effect after each layer, blue in the intended direction and orange against it. A diamond marks the chosen "
    "layer."
)
BEST = (
    "“Held out” says whether the prompts measured here took no part in choosing the layer and strength; “moved”, "
    "whether delta differs from 0 at the 5% level in a paired test, corrected for the number of settings where the "
    "setting is not held out."
)
MODELS = (
    "Means over each model’s behaviors, each at its own chosen setting. Intervals condition on these behaviors and do "
    "not generalize to others. Models with a wide spread of scores move far in score units and less in units of that "
    "spread; the ranks by either are side by side. A rank covers all places that no difference to another model rules "
    "out, corrected for the number of pairs; the same weights in two formats are not compared."
)
GROUPS = (
    "Means of the models of each group. A difference is tested by exact permutation of the models’ labels; with few "
    "models no p can be small, so the smallest possible one stands beside it."
)
CHOICE = (
    "The prompts that chose the layer are resampled and the choice is made again. “Same layer again” is the share of "
    "resamples that agree. The largest of many values is too large by chance, which is the selection optimism; "
    "“expected” is the value on held-out prompts, or where there are none the chosen value less its optimism. Where "
    "delta falls by more than that, the two sets of prompts differ; its p comes from permuting the prompts."
)
TAILS = "A mean can rise while some prompts fall: the quantiles of the prompts’ scores at each strength."
CELLS = "A click on a heading sorts."
LETTER = (
    "The cosine of each vector with the letter axis, and the share of the squared pair differences that the letter "
    "makes up before it is balanced. A cosine near 0 is good: of unbalanced pairs it is the letter of the data; of "
    "balanced ones, how far the behavior’s own direction also moves the choice of letter. A high share is usual."
)
BEHAVIOR_COSINES = (
    "Cosines between the vectors of different behaviors in the same model and at the same layer: 1 is the same "
    "direction, 0 is unrelated, −1 the opposite. The matrix is of the layer in the middle of those that were chosen. "
    "Vectors that point the same way steer each other’s behaviors too."
)
BLIND = (
    "A model that follows the letter prefers the same option in both orders at about 0% of the prompts; one that "
    "guesses, at 50%; one that reads the options, at about 100%. “Blind” means: the interval lies below 50%, also "
    "without the model’s constant preference for a letter."
)
BOUNDS = (
    "The strength that each layer was pushed with, where strengths are percentiles of the projections on its vector: "
    "α of the scale, in units of the vector’s norm."
)
NORM = "Norm of the raw vector as a share of the mean norm of the residual stream at that layer."


def shift(mirrored: bool) -> str:
    """Name what deltas compare."""
    return "from −α to +α" if mirrored else "between unsteered and steered one way"


def curve(measure: str, denominator: Denominator, mirrored: bool) -> str:
    """How to read a layer curve."""
    marks = "Bands are 95% intervals. A diamond marks the chosen setting."
    if measure == "glass":
        size = f"the shift {shift(mirrored)} in {DIVIDED[denominator]}"
        return f"Glass’s Δ of steering after each layer, at the strength of the chosen setting: {size}. {marks}"
    size = f"the shift of the mean score {shift(mirrored)}, in the score’s own unit"
    return f"Delta of steering after each layer: {size}. {marks}"


def heatmap(measure: str, denominator: Denominator) -> str:
    """How to read the heatmap of models by behaviors."""
    name = f"Glass’s Δ, in {DIVIDED[denominator]}," if measure == "glass" else "Delta"
    return (
        f"{name} at the chosen setting of each model and behavior: blue in the intended direction, orange against it. "
        "Numbers in brackets were not shown to differ from 0."
    )


def architecture(models: Sequence[str]) -> str:
    """How to read the scatter plots; their dots carry the places of the models in this order."""
    names = ", ".join(f"{place} {name}" for place, name in enumerate(models, start=1))
    return (
        f"Mean effect and mean depth of the chosen layers against properties of the models: {names}. With so few "
        "models and so many correlations, they are exploratory."
    )
