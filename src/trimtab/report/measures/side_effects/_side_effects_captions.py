"""How to read the figures and tables about side effects, and their terms."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.analysis.formatting import percent
from trimtab.analysis.side_effects import Limits

SHIFTS = (
    "How far the vectors at the top, at the chosen setting, move the behaviors on the left, in standard deviations of "
    "their own unsteered scores: blue up, orange down. Framed: the behavior that a vector is for, up at +α and down at "
    "−α. Numbers in brackets were not shown to differ from 0; intervals are in the tooltips and in the CSV files. For "
    "easy questions, the score of their right answers."
)
CHOSEN = (
    "The settings that scores chose, and those that replies recommend, in both directions. Shifts in standard "
    "deviations of each behavior’s unsteered scores; the side effect is their root mean square, minus what noise alone "
    "would give."
)
TESTS = "p is the share of random directions that do at least as much as the vector, itself counted with them."
SIDE = (
    "A mark is a layer and strength. Intended: how far the vector’s own behavior moves in the intended direction. Side "
    "effect: root mean square over the other behaviors, minus what noise alone would give. Both in standard deviations "
    "of each one’s unsteered scores. Above the broken line the others move more than the behavior itself. Large marks "
    "are the settings that scores or replies chose, with their 95% intervals."
)
SELECTIVE = (
    " In the table, in each direction, the setting with the largest intended effect among those whose side effect is "
    f"at most {Limits().side:g} of it, whose perplexity of plain text is at most {Limits().perplexity:g} times the "
    f"unsteered, and that lose at most {percent(Limits().easy)} of the easy questions. Chosen and measured on the same "
    "prompts, so its effect is optimistic."
)
COSTS = (
    "Perplexity of plain text as a multiple of the unsteered model’s, on a logarithmic axis, and the share of easy "
    "questions whose right answer is likelier than the wrong one. Broken lines are the unsteered model. Bands are 95% "
    "intervals; where many strengths would cover each other they are in the tooltips and the CSV files."
)
NULLS = (
    "Would any push of this length do it? Each tick is the effect of a random direction, as long as the vector and at "
    "the chosen setting; the triangle is their 95th percentile, the orange line the vector. Isotropic: uniform over "
    "directions. Shuffled pairs: the pairs’ differences with random signs, the harder comparison. p counts the "
    "directions that do as much, and cannot fall below 1 ÷ (1 + directions)."
)
TASKS = (
    "Tasks of lm-eval and Inspect at the chosen settings, with the metrics and standard errors that the harness gives, "
    "± one of them. The change is that of the same samples, with its 95% interval (bootstrap over samples); metrics "
    "that are no mean of samples have none. Intervals are not corrected for the number of metrics."
)
NEUTRAL = "Everyday requests that no behavior is about, answered by the steered model and by the unsteered one."

OF_SIDE_EFFECTS = (
    ("side effect", "Root mean square of the shifts of other behaviors, each in standard deviations of its unsteered "
     "scores, with the squared standard errors subtracted."),
    ("random direction", "A push of the vector’s length along a direction drawn at random, the null that the vector is "
     "compared with."),
    ("perplexity", "Exponential of the mean negative log-likelihood per token of plain text; here as a multiple of the "
     "unsteered model’s, so 1 means no cost."),
)  # fmt: skip


def missing(titles: Sequence[str]) -> str:
    """A further sentence where the chosen setting of the sweep was not measured."""
    return f" The chosen setting of {', '.join(titles)} is not among those measured here." if titles else ""
