"""What docs/gallery.md says of each kind of figure, in the order of the page."""

from __future__ import annotations

from typing import Literal, NamedTuple

Source = Literal["run", "planted"]
"""run: `study.yaml` on the bundled model. planted: invented numbers that the tests of reports use."""


class Figure(NamedTuple):
    """One kind of figure."""

    slug: str
    """What the names of its files in `charts/` of a report begin with."""
    function: str
    """The function of `trimtab.report.charts` that draws it."""
    title: str
    question: str
    """What it answers, in a sentence."""
    made_by: str
    """The command, and the call in Python where there is one."""
    mind: str
    """What to look out for."""
    source: Source = "run"
    example: str = ""
    """Of several figures of the kind, the one whose file name ends so."""


_SWEEP = "`trimtab sweep`, `trimtab study`"
_SEVERAL = "`trimtab study` with several models, `trimtab report runs/x runs/y`"
_TUNE = "`trimtab tune`, `replies:` in a study"
_DIAGNOSE = "`trimtab diagnose`, `diagnosis: true` in a study"
_METHODS = "`trimtab diagnose RUN --methods`, `diagnosis: {methods: true}`"
_SIDE = "`trimtab side-effects`, `side_effects: true` in a study"
_VECTORS = "every command that extracts a vector"

SECTIONS: dict[str, tuple[Figure, ...]] = {
    "Effects": (
        Figure(
            "layer-curve", "layer_curves", "Effect by layer",
            "At which depth does steering move the scores, and by how much?",
            f"{_SWEEP}; `sweep.plot()`",
            "The band is the 95% interval on held-out prompts: a peak inside of its neighbors' bands is no peak.",
        ),
        Figure(
            "delta-curve", "layer_curves", "Effect by layer, in score units",
            "How large is the effect in logits or in nats per token, before any standardizing?",
            _SWEEP,
            "Score units differ between models and between ways of scoring; compare models by Glass's Δ instead.",
        ),
        Figure(
            "strengths", "strength_curves", "Effect by layer and strength",
            "Does more strength do more, and the opposite sign the opposite?",
            f"{_SWEEP} with two strengths or more; `sweep.plot('strengths')`",
            "Lines that cross or come back toward 0 at large strengths mean that the push breaks the model there.",
            example="cheerful",
        ),
        Figure(
            "scores", "score_violins", "Scores by strength",
            "Do all prompts move, or a few of them a lot?",
            f"{_SWEEP}; `sweep.plot('scores')`",
            "A mean may rise while many prompts do not move, or move the opposite way.",
        ),
        Figure(
            "layer-heatmap", "layer_heatmaps", "Effect by layer and behavior",
            "Which behaviors can be steered, and are their layers the same?",
            f"{_SWEEP} of several behaviors",
            "Colors are point estimates; look up the interval of a cell before you build on it.",
        ),
    ),
    "Several models": (
        Figure(
            "heatmap", "effect_heatmap", "Effect by model and behavior",
            "Which model can be steered in what, each at the layer chosen for it?",
            _SEVERAL,
            "Each cell has its own best layer; a model whose layers were not swept finely may look worse than it is.",
            "planted",
        ),
        Figure(
            "normalised", "normalised_curves", "Where in its depth each model is steered best",
            "Do models of different sizes have their peak at the same share of the depth?",
            _SEVERAL,
            "Every curve is divided by its own maximum: it shows where, not how much.",
            "planted",
        ),
        Figure(
            "architecture", "architecture_scatters", "Effect and architecture",
            "Does the effect go along with a model's size, width or number of layers?",
            f"{_SEVERAL}, eight models or more (the six here are too few for a report to draw it)",
            "Attributes of models go together, and models are few: a correlation here is a hint, never a cause.",
            "planted",
        ),
    ),
    "Judged replies": (
        Figure(
            "says-change", "reply_heatmaps", "Change of the replies by setting",
            "At which layer and strength do replies change the most, as the judge sees it?",
            f"{_TUNE}; `tuned.plot()`",
            "The largest change is often found where replies fall apart: read it beside the next figure.",
        ),
        Figure(
            "says-coherence", "reply_heatmaps", "Coherence of the replies by setting",
            "Where do replies still hold together?",
            _TUNE,
            "Coherence does not look at facts: a fluent reply on the subject may be wrong.",
        ),
        Figure(
            "tradeoff", "reply_fronts", "Change against coherence",
            "Which settings give the most change for what they cost?",
            f"{_TUNE}; `tuned.plot('front')`",
            "The front was chosen on the prompts that it shows; the report states the chosen setting on others.",
        ),
        Figure(
            "usable", "usable_ranges", "Usable strengths by layer",
            "How far can the strength be turned up at each layer before coherence is lost?",
            f"{_TUNE}; `tuned.plot('usable')`",
            "A bar that reaches the largest strength tried says only that larger ones were not tried.",
        ),
    ),
    "Are the pairs good?": (
        Figure(
            "pairs", "quality_plots", "Quality of the pairs by layer",
            "Do the pairs point the same way, and would other pairs give the same vector?",
            f"{_DIAGNOSE}; `checks.plot()`",
            "A stable vector can be the stable vector of a confound, such as length.",
        ),
        Figure(
            "pair-curve", "pair_curves", "What more pairs would bring",
            "Is it worth writing more pairs?",
            f"{_DIAGNOSE}; `checks.plot('curve')`",
            "Beyond half of the pairs the curve is a prediction, and assumes more pairs of the same kind.",
        ),
        Figure(
            "projection", "separation_curves", "Separation of held-out examples",
            "Does the vector tell held-out examples of the behavior from others, and at which layers?",
            "`trimtab projection RUN`, `projection: true` in a study; by itself where nothing can be scored",
            "That is reading: a layer that tells texts apart best need not be one that steers.",
            "planted",
        ),
        Figure(
            "heuristics", "heuristic_plots", "Layers that heuristics pick",
            "Which layer would one pick without a sweep?",
            f"{_DIAGNOSE}; `checks.plot('heuristics')`",
            "They disagree, and none is reliable: see [which vectors to trust](trust.md#heuristics-for-the-layer).",
        ),
        Figure(
            "methods", "method_dots", "Other ways to make the vector",
            "Does another aggregation than the mean steer better?",
            _METHODS,
            "Differences are paired over prompts; `single` and `random` are controls and should do worse.",
            "planted",
        ),
        Figure(
            "method-cosines", "method_cosines", "Similarity of methods",
            "Do these ways find the same direction?",
            _METHODS,
            "A low cosine with the mean need not mean a worse vector, nor a high one the same effect.",
            "planted",
        ),
    ),
    "What else moved?": (
        Figure(
            "shifts", "shift_matrices", "Shifts of other behaviors",
            "Whose scores does each vector move?",
            f"{_SIDE}; `effects.plot()`",
            "There is one matrix for each sign: a push that harms both ways has no delta and still is a side effect.",
            "planted",
        ),
        Figure(
            "side-effects", "side_scatter", "Intended effect against side effect",
            "Which settings do what they are for, and little else?",
            _SIDE,
            "Above the diagonal a push does more to others than to its own behavior.",
            "planted",
        ),
        Figure(
            "side-perplexity", "cost_curves", "Perplexity of plain text",
            "How much harder does ordinary text become for the steered model?",
            _SIDE,
            "1 is the unsteered model; a value below 1 is possible, and no improvement by itself.",
            "planted",
            example="cheerful",
        ),
        Figure(
            "side-easy-questions", "cost_curves", "Easy questions",
            "Does the steered model still know what it knew?",
            _SIDE,
            "A model that prefers an answer whatever is asked gets half of them right.",
            "planted",
            example="cheerful",
        ),
        Figure(
            "random", "null_plots", "Random directions",
            "Would a push of the same length in any direction have done as much?",
            f"{_SIDE}; `effects.plot('random')`",
            "The shuffled pairs are the hard comparison; with few directions p cannot be small.",
            "planted",
            example="cheerful",
        ),
    ),
    "Does it survive?": (
        Figure(
            "robustness", "survival_forests", "Effect under other prompts",
            "How much of the effect is left under system prompts, rewordings and earlier turns?",
            "`trimtab robustness`, `robustness: true` in a study; `kept.plot()`",
            "With few prompts most intervals reach across both lines: unclear is then the verdict.",
            "planted",
        ),
    ),
    "Imported results": (
        Figure(
            "condition-scores", "condition_scores", "Score by strength and condition",
            "Does the vector do more than a system prompt, and do both do more than either?",
            "`trimtab import` of a table with probabilities and conditions",
            "Intervals of points overlap more than those of paired differences, which the table of arms has.",
            "planted",
        ),
    ),
    "What else would do it?": (
        Figure(
            "baselines", "difference_forests", "Differences between arms",
            "Does the vector do more than a system prompt, examples or another vector, on the same prompts?",
            "`trimtab baselines`, `baselines: true` in a study; `others.plot()`",
            "An interval that leaves out 0 is not enough: p is corrected for all differences of the figure.",
            "planted",
        ),
        Figure(
            "baselines-dose", "dose_plots", "Effect and dose of the arms",
            "What does each arm do for how far it moves the model on neutral prompts?",
            "`trimtab baselines`, `baselines: true` in a study; `others.plot('doses')`",
            "The dose is measured on a dozen neutral prompts; it says nothing of which other behavior moves.",
            "planted",
        ),
    ),
    "Answers in text": (
        Figure(
            "answers", "answer_plots", "Scores and answers by layer",
            "Does the model, when asked, choose the answer that its logits favor?",
            "`answers:` in a study, `trimtab import --rates`",
            "Replies that answer nothing count as invalid; where many are, the rate is of a few.",
        ),
        Figure(
            "answers-effect", "answer_scatter", "Scores against answers",
            "Do large effects in scores come with large changes in answers?",
            f"{_SEVERAL} and `answers:`",
            "Points of one model are not independent of one another.",
            "planted",
        ),
    ),
    "The vectors": (
        Figure(
            "norms", "norm_curves", "Norm of the vector by layer",
            "How long is the vector beside the states that it is added to?",
            f"{_VECTORS}; `vectors.plot()`",
            "Longer is not better; it says what a raw strength of 1 means at each layer.",
        ),
        Figure(
            "layer-cosines", "layer_cosines", "Cosines between layers",
            "Is it one direction that lasts over many layers, or another one every few?",
            "Python only: `vectors.plot('cosines')`",
            "Neighboring layers are alike in any transformer, as the residual stream adds up.",
        ),
        Figure(
            "letters", "letter_curves", "Letter leakage",
            "How much of the answer letter is left in the vector?",
            f"{_VECTORS} from choice pairs; `vectors.plot('letter')`",
            "A cosine near 0 is good. With `balance: \"off\"` one pair more of one letter is enough for a high one.",
        ),
        Figure(
            "behavior-cosines", "behavior_cosines", "Similarity of the behaviors' vectors",
            "Do two behaviors share a direction at the chosen layer?",
            "`trimtab study` with several behaviors",
            "Vectors that point the same way steer each other's behaviors.",
        ),
        Figure(
            "behavior-cosines-by-layer", "behavior_cosines", "Similarity of two vectors by layer",
            "At which depth do two behaviors begin to share a direction?",
            "`trimtab study` with several behaviors",
            "At the first layers vectors are mostly about single words of the pairs.",
        ),
    ),
}  # fmt: skip
"""By the heading that they stand below."""

FIGURES = tuple(figure for section in SECTIONS.values() for figure in section)
