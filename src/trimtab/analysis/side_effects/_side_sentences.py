"""Sentences about side effects, each made from the values of one finding."""

from __future__ import annotations

from trimtab._util.wording import noun_for, plural, verb_for
from trimtab.analysis.cells import setting_in_words, sized
from trimtab.analysis.findings import Values, subject_first
from trimtab.analysis.formatting import (
    fixed,
    p_equals,
    percent,
    percent_with_interval,
    with_interval,
)


@subject_first
def side_effect(values: Values) -> str:
    """How far the behavior itself and the other behaviors move."""
    own = with_interval(values["intended"], values["intended_low"], values["intended_high"])
    side = with_interval(values["side"], values["side_low"], values["side_high"])
    others = plural(values["others"], "other behavior")
    if values["own"] == "toward":
        text = f"{_at(values)} its own score moves by {own} standard deviations in the intended direction"
    elif values["own"] == "away":
        text = f"{_at(values)} its own score moves against the intended direction, by {own} standard deviations"
    else:
        text = f"{_at(values)} its own score is not shown to move ({own} standard deviations in the intended direction)"
    if not values["others_moved"]:
        verb = verb_for(values["others"], "are")
        text += f", and {others} {verb} not shown to move ({side})"
    elif values["own"] == "toward":
        text += f", {others} by {side} (root mean square)"
    else:
        text += f", and {others} move by {side} (root mean square)"
    if worst := values["worst"]:
        shift = with_interval(worst["worst_shift"], worst["worst_low"], worst["worst_high"])
        text += f". Of these {worst['name']} alone moves by {shift}"
    return f"{text}."


@subject_first
def higher_perplexity(values: Values) -> str:
    """That plain text gets less likely."""
    size = with_interval(
        values["perplexity"], values["perplexity_low"], values["perplexity_high"], limits=(1.0,)
    )  # fmt: skip
    return f"{_at(values)} the perplexity of plain text is multiplied by {size}."


@subject_first
def fewer_easy_questions(values: Values) -> str:
    """That fewer easy questions are answered right."""
    limits = (0.0, values["easy_before"], 1.0)
    share = percent_with_interval(values["easy"], values["easy_low"], values["easy_high"], limits)
    return (
        f"{_at(values)} the right answer is likelier than the wrong one on {share} of easy questions, on "
        f"{percent(values['easy_before'])} without steering."
    )


@subject_first
def reply_length(values: Values) -> str:
    """That replies to neutral prompts get longer or shorter."""
    return (
        f"{_replies(values)} have a median of {plural(round(values['words']), 'word')} instead of "
        f"{round(values['words_before'])} ({p_equals(values['words_p'])}, sign test)."
    )


@subject_first
def more_refusals(values: Values) -> str:
    """That more neutral prompts are refused."""
    share = percent_with_interval(values["refusals"], values["refusals_low"], values["refusals_high"])
    return (
        f"{_replies(values)} are refusals in {share} of cases, {percent(values['refusals_before'])} without steering "
        f"({p_equals(values['refusals_p'])}, sign test)."
    )


@subject_first
def other_language(values: Values) -> str:
    """That replies to neutral prompts switch language."""
    share = percent_with_interval(values["language_kept"], values["language_low"], values["language_high"])
    return (
        f"{_replies(values)} stay in the unsteered language in only {share} of {plural(values['language_n'], 'case')}."
    )


@subject_first
def unmeasured_side_effects(values: Values) -> str:
    """What the measurement of side effects leaves unknown about a vector."""
    parts = []
    if values["no_shift"]:
        parts.append("no shift could be measured: the unsteered scores do not vary, or are not finite")
    layers = values["layers"]
    measured = f"{noun_for(len(layers), 'layer')} {', '.join(layers)} {verb_for(len(layers), 'were')}"
    for setting in values["settings"]:
        parts.append(f"side effects at {_setting(setting)} were not measured; {measured}")
    if values["absent"]:
        parts.append(f"not measured: {', '.join(values['absent'])}")
    return f"{'; '.join(parts)}."


@subject_first
def more_than_random(values: Values) -> str:
    """That the vector does more than random directions of its length."""
    return f"{_at(values)} the vector does more than a random push of its length: {_against_random(values)}."


@subject_first
def reversed_vector(values: Values) -> str:
    """That the vector moves its behavior the wrong way."""
    return f"{_at(values)} the vector moves its behavior the wrong way: {_against_random(values)}."


@subject_first
def too_few_directions(values: Values) -> str:
    """That p could not be small with this few random directions."""
    return (
        f"{_at(values)} too few random pushes were tried to show that the vector does more than they do: "
        f"{_against_random(values)}."
    )


@subject_first
def no_more_than_random(values: Values) -> str:
    """That random directions may do as much."""
    return f"{_at(values)} a random push of the same length may do as much: {_against_random(values)}."


@subject_first
def vector_not_comparable(values: Values) -> str:
    """That the vector has no effect to compare."""
    return (
        f"{_at(values)} the vector's scores are not finite, so they cannot be compared with those of random directions."
    )


@subject_first
def task_change(values: Values) -> str:
    """That a metric of a harness's task differs from that of the model without steering."""
    change = with_interval(values["change"], values["change_low"], values["change_high"], 3)
    return (
        f"{_at(values)} {values['metric']} of {values['task']} is {fixed(values['after'], 3)}, "
        f"{fixed(values['before'], 3)} without steering ({change} over {plural(values['n'], 'sample')}, paired)."
    )


def _at(values: Values) -> str:
    return f"at {setting_in_words(values)},"


def _replies(values: Values) -> str:
    return f"{_at(values)} replies to {plural(values['n'], 'neutral prompt')}"


def _setting(setting: Values) -> str:
    if not setting:
        return "any chosen setting"
    name = "the setting that replies recommend" if setting["chosen_by"] == "replies" else "its chosen setting"
    strength = f"{setting['scale']} strength {sized(setting['strength'], setting['compared'])}"
    return f"{name}, layer {setting['layers']} at {strength},"


def _against_random(values: Values) -> str:
    name, own = "Δ" if values["measure"] == "glass" else "delta", values["glass"]
    most = fixed(values["null_high"], 2, [abs(own)])
    return (
        f"{name} {fixed(own, limits=[0.0])} against |{name}| {most} at the 95th percentile of "
        f"{plural(values['draws'], 'random direction')} ({values['kind']}; {p_equals(values['p'])})"
    )
