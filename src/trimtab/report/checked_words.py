"""How to read what the checks found: the sentences under their headings, and their part of the glossary."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.analysis.diagnosis.heuristics import COMPONENTS
from trimtab.analysis.robustness import HALF
from trimtab.analysis.side_choice import Limits
from trimtab.report.checked import Checked

PAIRS = (
    "Computed from the pairs alone, with the answer letters cancelled out: how much the pairs agree, what else they "
    "differ in, and what to do about it."
)
PAIR_LAYERS = (
    "Over depth, each with its 95% band. Consistency: mean cosine between the differences of two pairs. Stability: "
    "cosine of the vectors from two halves of the pairs; the orange line, where it parts from the blue one, is what "
    "somebody gets who splits at random and takes each pair in one option order only. Normalisation: cosine of the "
    "vector with the one of differences brought to length 1; low where a few long pairs decide. Signal to noise: "
    "length of the mean difference over the spread of their lengths. Higher is better in all four."
)
PAIR_NUMBER = (
    "At the steadiest layer from a third of the depth on. Blue: cosine of the vectors from two separate sets of so "
    "many pairs; the band holds the middle 95% of draws. Green: the cosine to expect with the vector of infinitely "
    "many such pairs. Filled dots are measured; from the upright line, all pairs there are, the broken part is "
    "extrapolated to twice and four times as many."
)
PAIR_FLAGS = (
    "Flagged by rules, to be read by a person: pairs that disagree with the rest, repeat another, differ much in "
    "length, or outweigh the others."
)
GUESSES = (
    "What is used in the field to guess a layer, from the pairs that made the vector. A diamond marks the layer a "
    "heuristic picks, the broken line the best layer of the sweep. Relative magnitude: length of the vector over that "
    "of the states. Probe: share of held-out pairs put the right way round, with its 95% band; grey, the same with "
    f"random labels, up to what 95% of them reach. Components: shares of the first {COMPONENTS} principal components, "
    "the first at the bottom. In the table, in brackets: Δ at the layer picked as a share of the best one, at the "
    "same strength. Where that layer was not swept, the pick among the swept layers follows. No share where the best Δ "
    "is not above 0."
)
METHODS = (
    "Vectors made of the same pairs in other ways, all pushed equally far, each at the layer that suits it best; "
    "lines are 95% intervals, and the broken line is the mean, which is the usual way. Pale bars run from the least "
    "to the largest of several draws. A difference is shown where its interval leaves out 0."
)
COSINES = (
    "How far each of these vectors points the same way as the mean of the differences; thin lines are single draws."
)
SHIFTS = (
    "Under the vectors at the top, at their best cell, the behaviors on the left move by so many standard deviations "
    "of their own unsteered scores: blue up, orange down. Framed: what a vector is for, up at +α and down at −α. "
    "Numbers in brackets were not shown to differ from 0; intervals are in the tooltips and in the CSV files. Easy "
    "questions count the score of their right answers."
)
SIDE = (
    "A mark is a layer and strength. Intended: how far the vector’s own behavior moves the way asked for. Side "
    "effect: root mean square over the other behaviors, what noise alone would give taken off. Both in standard "
    "deviations of each one’s unsteered scores. Above the broken line the others move more than the behavior itself. "
    "Large marks are the best cells of the sweep, with their 95% intervals."
)
SELECTIVE = (
    " In the table, in each direction, the cell with the largest intended effect among those whose side effect is at "
    f"most {Limits().side:g} of it, whose perplexity of plain text is at most {Limits().perplexity:g} times the "
    f"unsteered, and that lose at most {Limits().easy:.0%} of the easy questions. Chosen and measured on the same "
    "prompts, so its effect flatters."
)
COSTS = (
    "Perplexity of plain text as a multiple of the unsteered model’s, on a logarithmic axis, and the share of easy "
    "questions whose right answer is likelier than the wrong one. Broken lines are the unsteered model. Bands are 95% "
    "intervals; where many strengths would cover each other they are in the tooltips and the CSV files."
)
NULLS = (
    "Would any push of this size do it? Each tick is the effect of a random direction, as long as the vector and at "
    "its best cell; the triangle is their 95th percentile, the orange line the vector. Isotropic: any direction "
    "alike. Shuffled pairs: the pairs’ differences with random signs, which is the harder comparison. p counts the "
    "directions that do as much, and cannot fall below 1 ÷ (1 + directions)."
)
NEUTRAL = "Everyday requests that no behavior is about, answered by the steered model and by the unsteered one."


VARIANTS = (
    "The same with delta and the unsteered mean in the score’s own unit. No effect: the plain delta was not shown to "
    "differ from 0, so there is nothing to keep a share of."
)


def missing(titles: Sequence[str]) -> str:
    """A sentence more where a check did not measure the sweep's best cell."""
    return f" The best cell of {', '.join(titles)} is not among those measured here." if titles else ""


def robustness(clipped: bool) -> str:
    """How to read the forest plot."""
    text = (
        "The same cell and the same prompts, asked in other ways; for transfer, other prompts. 100%: the effect is as "
        f"large as on the plain prompts; lines mark 0, {HALF:.0%} and 100%. Bars are 95% intervals. Kept: the interval "
        f"lies above {HALF:.0%}. Lost: below it. Reversed: the effect points the other way. Unclear: neither is shown."
    )
    if clipped:
        text += " Arrows mark what goes beyond the edge of the figure; the next table has its numbers."
    return text


def glossary(checked: Checked | None) -> list[tuple[str, str]]:
    """The words of the checks that were made."""
    if checked is None:
        return []
    return [
        *(_OF_DIAGNOSIS if len(checked.quality) else ()),
        *(_OF_SIDE_EFFECTS if len(checked.side) or len(checked.nulls) else ()),
        *(_OF_ROBUSTNESS if len(checked.robustness) else ()),
    ]


_OF_DIAGNOSIS = (
    ("consistency", "Mean cosine between the differences (positive minus negative state) of two pairs. 1: all point "
     "the same way; 0: they have nothing in common."),
    ("stability", "Mean cosine of the vectors from two halves of the pairs, over random splits with as many positive "
     "answers of each letter on both sides."),
    ("signal to noise", "Length of the mean difference divided by the standard deviation of the differences’ "
     "lengths."),
    ("normalisation", "Cosine of the mean difference with the mean of the differences brought to length 1: how "
     "little the vector hangs on a few long ones."),
    ("relative magnitude", "Length of the vector over the mean norm of the residual stream at that layer."),
    ("probe accuracy", "Share of held-out pairs that a linear probe, fitted on the others, puts the right way round. "
     "50% by guessing; on few pairs in many dimensions only held-out accuracy means anything."),
)  # fmt: skip
_OF_SIDE_EFFECTS = (
    ("side effect", "Root mean square of the shifts of other behaviors, each in standard deviations of its unsteered "
     "scores, with the squared standard errors taken off."),
    ("random direction", "A push of the vector’s length along a direction drawn at random, to compare the vector "
     "with."),
    ("perplexity", "Exponential of the mean surprise per token on plain text; here as a multiple of the unsteered "
     "model’s, so 1 means no cost."),
)  # fmt: skip
_OF_ROBUSTNESS = (
    ("share kept", "Delta in a variant divided by delta on the plain prompts; for another scoring and for other "
     "prompts, Glass’s Δ divided by Glass’s Δ."),
)  # fmt: skip
