"""The glossary of a report, and the names of what Glass's Δ divides by."""

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


def glossary(denominator: Denominator, terms: Sequence[tuple[str, str]] = ()) -> list[tuple[str, str]]:
    """The terms of every report, and behind them those of its measures."""
    return [
        ("score", "For choices the logit difference: logit of the positive answer minus logit of the negative one, at "
         "the first token where they differ. For open pairs the text score: mean log-probability per token of the "
         "positive completion minus that of the negative one. The option orders of a prompt are averaged."),
        ("delta", "Mean score at +α minus mean score at −α. Where some strength was run at one sign only, no delta of "
         "the report is of both signs: each is then the change from unsteered to +α, or from −α to unsteered, and the "
         "strength carries the sign (+0.2 instead of ±0.2)."),
        ("Glass’s Δ", f"Delta divided by a standard deviation; here Δ counts {DIVIDED[denominator]} of that model and "
         f"behavior. Published numbers divide by either of two, so both are given: Δ by {DIVISORS['unsteered']} (the "
         f"scores without steering) and Δ by {DIVISORS['negative']} (the scores at negative strength)."),
        ("95% interval", "Bootstrap interval; prompts are resampled."),
        ("depth", "(layer + 1) ÷ number of layers, so that models of different sizes compare. Layers count from 0; "
         "steering acts after the layer."),
        ("raw, relative", "The scale of α. raw: h + α·v. relative: h + α·‖h‖·v̂, token by token; 0.5 moves by half of "
         "the activation’s norm."),
        ("positions", "Which tokens are steered. all; after_prompt (from the last prompt token on); prompt; "
         "generated; first:N and after:N (for the first N tokens of the reply, or those behind); thinking and response "
         "(of models that think); tokens:I,J (these)."),
        ("setting", "A layer, or a set of layers, and a strength; a cell of the sweep."),
        ("chosen setting", "The setting with the largest Δ on the prompts that choose. It is the best on those only: "
         "on the prompts that are reported another setting may do as much, which the findings state."),
        ("held out", "Measured on prompts that took part neither in finding the vector nor in choosing the setting."),
        ("selection optimism", "How much larger the best of many values is on the prompts that chose it than on "
         "others, by chance."),
        ("anti-steerable", "A prompt whose score falls as the strength rises."),
        *terms,
    ]  # fmt: skip
