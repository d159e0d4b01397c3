"""How to read the figures and tables: the sentences under their headings, and the glossary."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.analysis import Denominator

DIVISORS = {"unsteered": "unsteered sd", "negative": "sd at −α", "pooled": "pooled sd"}
"""Short names of what Δ divides by."""

DIVIDED = {
    "unsteered": "standard deviations of the unsteered scores",
    "negative": "standard deviations of the scores at −α",
    "pooled": "pooled standard deviations of the scores at −α and at +α",
}

VIOLIN = (
    "Each point is a prompt; the shape is their density, the bar runs from the first to the third quartile and the "
    "ring is the median. Right of 0 the model prefers the positive answer. Shapes and quartiles count every prompt; "
    "where there are many, only some are drawn as points."
)
STRENGTH = "One line for each strength, on the prompts that are reported."
OVER_DOSE = "On another strength axis than the one given, the effect over that size, one line for each layer."
NORMALISED = (
    "The same curves, each scaled to 0–1 between its least and its largest value: where in its depth each model is "
    "steered best, whatever the size of the effect. Only behaviors that moved in the wanted direction are drawn. The "
    "style of a line is the group of the model."
)
LAYERS = "The effect after each layer, blue in the wanted direction and orange against it. A diamond marks the best."
BEST = (
    "“Held out” says whether the prompts measured here took no part in choosing the layer and strength; “moved”, "
    "whether delta differs from 0 at the 5% level in a paired test, corrected for the number of cells where the cell "
    "is not held out."
)
MODELS = (
    "Means over each model’s behaviors, each at its own best cell. Intervals take the behaviors as given: they say "
    "nothing of others. Models with a wide spread of scores move far in score units and less in units of that spread; "
    "the ranks by either are side by side."
)
GROUPS = (
    "Means of the models of each group. A difference is tested by exchanging the models’ labels in every way; with few "
    "models no p can be small, so the smallest possible one stands beside it."
)
CHOICE = (
    "The prompts that chose the layer are resampled and the choice is made again. “Same layer again” is the share of "
    "resamples that agree. Choosing the largest of many flatters it: “to be expected” is the value on held-out "
    "prompts, or where there are none the chosen value less what choosing adds on average."
)
TAILS = "A mean can rise while some prompts fall: the quantiles of the prompts’ scores at each strength."
ANSWERS = (
    "Delta of the logits and the change in generated answers from −α to +α, over depth, each scaled to 0–1. Where the "
    "two go together, the cheap measure stands for the costly one. Layers are neighbours, so the intervals of r are "
    "narrower than they should be."
)
ANSWER_EFFECT = "Effect size by logits at each best cell, and how far the share of matching answers changed there."
LETTER = (
    "How much of each vector is the answer letter instead of the behavior: the cosine with the letter axis, "
    "and the share of variance of the pair differences that the letter explains. Near 0 is good."
)
BLIND = (
    "A model that follows the letter prefers the same option in both orders at about 0% of the prompts; one that "
    "guesses, at 50%; one that reads the options, at about 100%. “Blind” means: the interval lies below 50%, also "
    "without the model’s constant preference for a letter."
)
NORM = "Norm of the raw vector as a share of the mean norm of the residual stream at that layer."

REPLIES = (
    "Prompt by prompt, the steered reply beside the unsteered one. Choose a layer and a strength, or click a cell in a "
    "figure. Replies to held-out prompts come first, where there are any."
)


SAYS_SCORES = (
    "The sweep of scores generates nothing and is cheap; replies cost tokens. Side by side over the layers that both "
    "have: delta at the best cell's strength, and the change in replies from −α to +α. Few layers say little, and "
    "neighbouring layers are alike, so intervals are narrower than they should be."
)


def says(floor: str) -> str:
    """How to read the settings to use."""
    return (
        f"The setting that changes what is said the most, each way, while replies keep a coherence of {floor}. It was "
        "chosen on some prompts and is reported on others where it says “held out”. Examples are the prompts whose "
        "change is nearest to the mean, not the best ones."
    )


def says_cells(floor: str) -> str:
    """How to read the heatmaps of replies."""
    return (
        "Means over the prompts that choose. Change: blue toward the behavior, orange away from it. Coherence: green. "
        f"The fuller, the more; × marks less coherence than {floor}, a diamond the setting to use."
    )


def tradeoff(floor: str) -> str:
    """How to read the scatter plot of change and coherence."""
    return (
        "A dot is a layer and strength: blue at positive strengths, orange at negative ones. The lines join the cells "
        "that no other one beats in both, the diamonds are the settings to use, the grey dot is the unsteered model. "
        f"Left of the broken line replies have less coherence than {floor}."
    )


def usable(floor: str) -> str:
    """How to read the ranges of strength."""
    return (
        f"Thick: strengths up to which replies, at every smaller one too, keep a coherence of {floor}. Thin: as far as "
        "was tried."
    )


def curve(measure: str, denominator: Denominator) -> str:
    """How to read a layer curve."""
    marks = "Bands are 95% intervals. A diamond marks the best cell."
    if measure == "glass":
        shift = f"the shift from −α to +α in {DIVIDED[denominator]}"
        return f"Glass’s Δ of steering after each layer, at the strength of the best cell: {shift}. {marks}"
    shift = "the shift of the mean score from −α to +α, in the score’s own unit"
    return f"Delta of steering after each layer: {shift}. {marks}"


def heatmap(measure: str, denominator: Denominator) -> str:
    """How to read the heatmap of models by behaviors."""
    name = f"Glass’s Δ, in {DIVIDED[denominator]}," if measure == "glass" else "Delta"
    return (
        f"{name} at the best cell of each model and behavior: blue in the wanted direction, orange against it. "
        "Numbers in brackets were not shown to differ from 0."
    )


def architecture(models: Sequence[str]) -> str:
    """How to read the scatter plots; their dots carry the places of the models in this order."""
    names = ", ".join(f"{place} {name}" for place, name in enumerate(models, start=1))
    return (
        f"Mean effect and mean depth of the best layers against facts of the models: {names}. With so few models, and "
        "so many correlations, read them as questions."
    )


def glossary(
    denominator: Denominator, *, replies: bool = False, dose: bool = False, more: Sequence[tuple[str, str]] = ()
) -> list[tuple[str, str]]:
    """The words of the report; those about replies and doses only where it has them, and at the end `more`."""
    return [
        ("score", "For choices the logit difference: logit of the positive answer minus logit of the negative one, at "
         "the first token where they differ. For open pairs the text score: mean log-probability per token of the "
         "positive completion minus that of the negative one. The option orders of a prompt are averaged."),
        ("delta", "Mean score at +α minus mean score at −α. Where one of the two was not run, the unsteered mean "
         "stands in."),
        ("Glass’s Δ", f"Delta divided by a standard deviation; here Δ counts {DIVIDED[denominator]} of that model and "
         f"behavior. Published numbers divide by either of two, so both are given: Δ by {DIVISORS['unsteered']} (the "
         f"scores without steering) and Δ by {DIVISORS['negative']} (the scores at negative strength)."),
        ("95% interval", "Bootstrap interval; prompts are resampled."),
        ("depth", "(layer + 1) ÷ number of layers, so that models of different sizes compare. Layers count from 0; "
         "steering acts after the layer."),
        ("raw, relative", "The scale of α. raw: h + α·v. relative: h + α·‖h‖·v̂, token by token; 0.5 moves by half of "
         "the activation’s norm."),
        ("positions", "Which tokens are steered. all; after_prompt (from the last prompt token on); prompt; "
         "generated."),
        ("cell", "One behavior, layer or set of layers, and strength."),
        ("held out", "Measured on prompts that took part neither in finding the vector nor in choosing the cell."),
        ("move the other way", "Share of prompts whose score falls as the strength rises (anti-steerable)."),
        *(_OF_REPLIES if replies else ()),
        *(_OF_DOSE if dose else ()),
        *more,
    ]  # fmt: skip


_OF_REPLIES = (
    ("change", "How far the steered reply differs from the unsteered one to the same prompt, as a judge sees it: from "
     "−10, away from the behavior, to 10."),
    ("coherence", "How well a reply holds together, 0 to 10: by the judge where it looks at that, else from how likely "
     "the unsteered model finds the reply, and how much it repeats itself."),
)  # fmt: skip
_OF_DOSE = (
    ("KL, relative norm, α", "The strength in other units: how far it moves the next-token distributions on neutral "
     "prompts, in nats; the norm of the push as a share of that of the residual stream; and in units of the vector."),
)  # fmt: skip
