"""Sentences about what steering does to scores, each made from the values of one finding."""

from __future__ import annotations

from typing import Any

import numpy as np

from trimtab._util.wording import plural, verb_for
from trimtab.analysis.cells import sized
from trimtab.analysis.findings import Values, subject_first
from trimtab.analysis.formatting import (
    decimals_for,
    fixed,
    p_equals,
    percent,
    percent_with_interval,
    with_interval,
)

UNITS = {"choice": "logits", "text": "nats per token", "text_sum": "nats"}


def score_effect(about: str, values: Values) -> str:
    """That the chosen setting moves the scores, and how other layers do on the same prompts."""
    return f"Steering moves {about} by {_size(values)} at {_where(values)}, {_prompts(values)}. {_choice(values)}"


def score_reversed(about: str, values: Values) -> str:
    """That the chosen setting moves the scores against the intended direction."""
    return (
        f"Steering moves {about} the wrong way, by {_size(values)} at {_where(values)}, {_prompts(values)}. "
        f"{_choice(values)}"
    )


def score_without_interval(about: str, values: Values) -> str:
    """That the chosen setting has too few prompts for an interval."""
    return (
        f"{about}: no interval can be given for the chosen setting, {_where(values)}; its delta is {_delta(values)}, "
        f"{_prompts(values)}."
    )


def no_score_effect(about: str, values: Values) -> str:
    """That no setting is shown to move the scores."""
    return (
        f"No setting is shown to move {about}. The chosen one, {_where(values)}, has a delta of {_delta(values)}, "
        f"{_prompts(values)} ({_chance(values)})."
    )


def score_effect_elsewhere(about: str, values: Values) -> str:
    """That the chosen setting is not shown to move the scores, but another one is."""
    other = values["other"]
    at = f"{layers_in_words(other['layers'])}, strength {sized(other['strength'], values['compared'])}"
    return (
        f"{about} is not shown to move at the chosen setting, {_where(values)}: {_delta(values)}, {_prompts(values)} "
        f"({_chance(values)}). On the same prompts it moves at {at}: {_delta(other)} ("
        f"{p_equals(2 * other['p_adjusted'])}, corrected for {plural(other['tests'], 'setting')} and a second look)."
    )


def nothing_measured(_about: str, _values: Values) -> str:
    """That there are no steered scores."""
    return "No setting was measured: there are no steered scores to compare."


@subject_first
def few_prompts(values: Values) -> str:
    """That bootstrap intervals of few prompts are too narrow."""
    return f"only {plural(values['n'], 'prompt')} measured; bootstrap intervals from so few are too narrow."


@subject_first
def constant_scores(_values: Values) -> str:
    """That there is no spread to divide by."""
    return "the unsteered scores do not vary, so there is no Δ; settings were chosen by delta."


@subject_first
def steady_scores(values: Values) -> str:
    """That the spread to divide by is tiny."""
    return (
        f"the unsteered scores hardly vary (standard deviation {_rounded(values['sd_zero'])} around "
        f"{_rounded(values['mean_zero'])}), which inflates Δ; read delta."
    )


@subject_first
def one_end_reversed(values: Values) -> str:
    """That one sign of the strength works against its direction."""
    digits = decimals_for([values["delta"]])
    change = with_interval(values["change"], values["change_low"], values["change_high"], digits)
    return f"{values['end']} alone moves the mean against its direction, by {change}; the other end makes up for it."


@subject_first
def edge_of_sweep(values: Values) -> str:
    """That the chosen layer is the first or last one swept."""
    return f"the chosen layer is the {values['end']} one swept; layers outside of the sweep may do more."


@subject_first
def order_dependence(values: Values) -> str:
    """That the delta depends on the option order, so that the letter is being steered."""
    difference = with_interval(values["difference"], values["difference_low"], values["difference_high"])
    return (
        f"delta depends on the order of the options: {fixed(values['delta_given'])} as given, "
        f"{fixed(values['delta_swapped'])} swapped, a difference of {difference}. Part of what is steered is the "
        "letter, not the behavior."
    )


@subject_first
def anti_steerable_prompts(values: Values) -> str:
    """That many prompts move against the mean."""
    share = percent_with_interval(values["anti"], values["anti_low"], values["anti_high"])
    return (
        f"{share} of the prompts are anti-steerable: their scores fall as the strength rises, which the mean conceals."
    )


@subject_first
def blind_model(values: Values) -> str:
    """That the unsteered model follows the letter."""
    return f"the unsteered model cannot tell the options apart: {_same_option(values)}. It follows the letter."


@subject_first
def letter_outweighs_content(values: Values) -> str:
    """That the letter counts for more than the content."""
    return (
        f"the letter outweighs the content for the unsteered model: {_same_option(values)}; without its constant "
        f"preference for a letter, at {percent(values['share_centred'])}."
    )


@subject_first
def unclear_reading(values: Values) -> str:
    """That it is not shown whether the unsteered model reads the options."""
    return f"it is not shown that the unsteered model tells the options apart: {_same_option(values)}."


BLINDNESS = {"blind": blind_model, "letter first": letter_outweighs_content, "unclear": unclear_reading}
"""Sentence by verdict of `option_blindness`."""


@subject_first
def unstable_choice(values: Values) -> str:
    """That resampled prompts would choose another layer."""
    share = percent(values["same_layer"], [0.0, values["limit"]])
    return (
        f"the choice of layer is not stable: only {share} of resamples of the prompts choose the same one. 95% of the "
        f"choices lie between depth {fixed(values['depth_low'])} and {fixed(values['depth_high'])}."
    )


@subject_first
def selection_optimism(values: Values) -> str:
    """How much choosing and measuring on the same prompts adds."""
    name = "Δ" if values["measure"] == "glass" else "delta"
    digits = decimals_for([values["naive"], values["optimism"]])
    return (
        f"{name} is measured on the prompts that chose the layer: instead of {fixed(values['naive'], digits)}, expect "
        f"about {fixed(values['honest'], digits)} (a selection optimism of {fixed(values['optimism'], digits, [0.0])})."
    )


@subject_first
def fall_of_delta(values: Values) -> str:
    """That delta falls from the choosing to the reported prompts by more than selection explains."""
    digits = decimals_for([min(abs(values["chosen_delta"]), abs(values["fall"]))])
    return (
        f"delta falls from {fixed(values['chosen_delta'], digits)} on the prompts that chose the setting to "
        f"{fixed(values['delta'], digits)} on the held-out ones, by {fixed(values['fall'], digits, [0.0])} more than "
        f"selection explains ({p_equals(values['fall_p'])}). The two sets of prompts differ."
    )


@subject_first
def falling_tail(values: Values) -> str:
    """That the lowest prompts fall while the mean rises."""
    digits = decimals_for([values["sd_zero"]])
    up = with_interval(values["up"], values["up_low"], values["up_high"], digits)
    tail = with_interval(values["tail"], values["tail_low"], values["tail_high"], digits)
    return (
        f"the mean rises by {up} at +α, but the 5th percentile of the prompts changes by {tail}: the lowest twentieth "
        "falls."
    )


def layers_in_words(layers: Any) -> str:
    """Name a layer, or a set of layers: layer 9, layers 9 + 10."""
    text = str(layers)
    return f"layers {text.replace('+', ' + ')}" if "+" in text else f"layer {text}"


def _where(values: Values) -> str:
    n_layers = round((int(values["layer"]) + 1) / values["depth"]) if values["depth"] > 0 else 0
    of = f" of 0–{n_layers - 1}" if n_layers else ""
    return f"{layers_in_words(values['layers'])}{of}, {values['scale']} strength {_strength(values)}"


def _strength(values: Values) -> str:
    return sized(values["strength"], values["compared"])


def _size(values: Values) -> str:
    """The delta with its interval, and Δ, which has an interval of its own in the tables."""
    glass = f" (Δ {fixed(values['glass'], limits=[0.0])})" if np.isfinite(values["glass"]) else ""
    return f"{_delta(values)}{glass}"


def _delta(values: Values) -> str:
    value, low, high = (values[name] for name in ("delta", "delta_low", "delta_high"))
    unit = UNITS.get(str(values["scoring"]), "")
    return with_interval(value, low, high, decimals_for([value, low, high]), unit=unit)


def _rounded(value: float) -> str:
    return fixed(value, decimals_for([value]))


def _prompts(values: Values) -> str:
    return f"on {plural(values['n'], 'held-out prompt' if values['held_out'] else 'prompt')}"


def _choice(values: Values) -> str:
    """How the setting was chosen, and whether other layers do as much on the prompts that it is reported on."""
    settings = plural(values["candidates"], "setting")
    if values["candidates"] == 1:
        return "It is the only setting that was measured."
    if values["held_out"]:
        prompts = plural(values["chosen_n"], "other prompt")
        return f"It was chosen on {prompts}, the best of {settings} there.{_standing(values)}"
    return f"The same prompts chose it from {settings}, so the size is optimistic."


def _chance(values: Values) -> str:
    """The p value behind `moved`."""
    if values["held_out"] or values["tests"] <= 1:
        return p_equals(values["p"])
    return f"{p_equals(values['p_adjusted'])}, corrected for {plural(values['tests'], 'setting')}"


def _standing(values: Values) -> str:
    """Other layers on the reported prompts: a setting is the best only on those that chose it."""
    standing = values["standing"]
    if standing["best"]:
        return " On the held-out prompts no other layer does as much."
    text = ""
    if rival := standing["rival"]:
        size = fixed(rival["delta"], decimals_for([values["delta"]]), [values["delta"]])
        text = f" On the held-out prompts {rival['name']} does more: {size} ({p_equals(rival['p'])})."
    if standing["alike"]:
        names = plural(standing["alike"], "other layer")
        if standing["such_as"]:
            names = standing["such_as"] if standing["alike"] == 1 else f"{names}, such as {standing['such_as']},"
        verb = verb_for(standing["alike"], "are")
        text += f" On the held-out prompts {names} {verb} as good (not shown to differ)."
    return text


def _same_option(values: Values) -> str:
    share = percent_with_interval(values["share"], values["low"], values["high"], (0.0, 0.5, 1.0))
    return (
        f"it prefers the same option in both orders at {share} of {plural(values['n'], 'prompt')}, guessing would at "
        "50%"
    )
