"""Sentences about baselines, each made from the values of one finding."""

from __future__ import annotations

from typing import Any

from trimtab._util.wording import listed, plural, verb_for
from trimtab.analysis.baselines.arm_names import COMBINED, CONTRARY, FEW_SHOT, SYSTEM_PROMPT
from trimtab.analysis.baselines.judged_arms import REPLIES_SCORING
from trimtab.analysis.findings import Values, subject_first
from trimtab.analysis.formatting import decimals_for, fixed, p_equals, with_interval
from trimtab.analysis.scores import UNITS

_ARTICLES = (SYSTEM_PROMPT, FEW_SHOT, COMBINED, CONTRARY)


@subject_first
def winner(values: Values) -> str:
    """Which of the arms does more than all others, and by how much."""
    top, second, gap = values["top"], values["second"], values["gap"]
    rest = f" ({plural(values['others'], 'rival')})" if values["others"] > 1 else ""
    return (
        f"{_name(top)} wins{rest}: it moves {_what(values)} by {_size(top, values)} {_way(values)}, "
        f"{_apart(gap, values)} more than {_name(second)}, {_test(gap)}."
    )


@subject_first
def only_one(values: Values) -> str:
    """That one arm was measured, and what it does."""
    top = values["top"]
    moved = f"{_name(top)} moves {_what(values)} by {_size(top, values)} {_way(values)}"
    return f"{moved} on {_prompts(top)}; nothing else was measured beside it."


@subject_first
def no_winner(values: Values) -> str:
    """That the arm with the largest effect is not shown to differ from others."""
    top, rivals, gap = values["top"], values["rivals"], values["gap"]
    names = listed([f"{_name(arm)} ({_rounded(arm['effect'])})" for arm in rivals])
    measured = f": a difference of {_apart(gap, values)} from {_name(rivals[0])}, {_test(gap)}" if gap else ""
    moved = f"{_name(top)} moves {_what(values)} by {_size(top, values)} {_way(values)}"
    return f"no winner: {moved}, and {names} {verb_for(len(rivals), 'are')} not shown to do less{measured}."


@subject_first
def none_moves(values: Values) -> str:
    """That no arm is shown to move the score."""
    sizes = "; ".join(f"{_name(arm)} {_size(arm, values)}" for arm in values["arms"])
    asked = _prompts(values["arms"][0])
    return f"nothing that was compared is shown to move {_what(values)} {_way(values)}: {sizes} on {asked}."


@subject_first
def head_to_head(values: Values) -> str:
    """That vector and system prompt differ."""
    gap = _larger_first(values["gap"])
    return f"{_way(values)} {_of(gap, '')} beats {_of(gap, 'other')} by {_apart(gap, values)}, {_test(gap)}."


@subject_first
def not_told_apart(values: Values) -> str:
    """That vector and system prompt are not shown to differ."""
    gap = values["gap"]
    apart = f"{_apart(gap, values)}, {_test(gap)}"
    return f"{_way(values)} {_of(gap, '')} and {_of(gap, 'other')} are not shown to differ: {apart}."


@subject_first
def at_equal_dose(values: Values) -> str:
    """That vector and system prompt differ when both move the model as far."""
    gap = _larger_first(values["gap"])
    return f"{_at_dose(values)} {_of(gap, '')} beats {_of(gap, 'other')} by {_apart(gap, values)}, {_test(gap)}."


@subject_first
def alike_at_equal_dose(values: Values) -> str:
    """That vector and system prompt are not shown to differ when both move the model as far."""
    gap = values["gap"]
    return (
        f"{_at_dose(values)} {_of(gap, '')} and {_of(gap, 'other')} are not shown to differ: {_apart(gap, values)}, "
        f"{_test(gap)}."
    )


@subject_first
def adds(values: Values) -> str:
    """That the vector changes what the system prompt does."""
    gap = values["gap"]
    verb = "adds to" if gap["difference"] > 0 else "takes from"
    return (
        f"the vector {verb} the system prompt: together they move {_what(values)} by "
        f"{_size(values['top'], values)} {_way(values)}, a difference of {_apart(gap, values)} from the "
        f"prompt alone, {_test(gap)}."
    )


@subject_first
def not_shown_to_add(values: Values) -> str:
    """That the vector is not shown to change what the system prompt does."""
    gap = values["gap"]
    return (
        f"the vector is not shown to add to the system prompt: a difference of {_apart(gap, values)} from the prompt "
        f"alone, {_test(gap)}."
    )


@subject_first
def beside_the_vector(values: Values) -> str:
    """That the system prompt changes what the vector does alone."""
    gap = values["gap"]
    verb = "adds to" if gap["difference"] > 0 else "takes from"
    return (
        f"the system prompt {verb} the vector: together they move {_what(values)} {_way(values)} by a difference of "
        f"{_apart(gap, values)} from the vector alone, {_test(gap)}."
    )


@subject_first
def resists(values: Values) -> str:
    """That the vector moves the score under a system prompt that asks against it, and what is left."""
    gap, left = values["gap"], values["left"]
    nets = {
        "above": "so that it outweighs the prompt",
        "below": "which does not outweigh the prompt",
        "unclear": "which is not shown to outweigh the prompt or to fall short of it",
    }
    return (
        f"the vector resists a contrary system prompt: it moves {_what(values)} by {_apart(gap, values)} "
        f"{_way(values)} under it, {_test(gap)}, {nets[values['net']]} ({_size(left, values)} beside the plain model)."
    )


@subject_first
def not_shown_to_resist(values: Values) -> str:
    """That the vector is not shown to move the score under a contrary system prompt."""
    gap = values["gap"]
    return f"the vector is not shown to resist a contrary system prompt: {_apart(gap, values)} under it, {_test(gap)}."


@subject_first
def method_differs(values: Values) -> str:
    """That another method's vector does more or less than the study's own."""
    gap = _larger_first(values["gap"])
    return f"{_way(values)} {gap['arm']} beats {gap['other']} of the vectors by {_apart(gap, values)}, {_test(gap)}."


@subject_first
def methods_alike(values: Values) -> str:
    """That no other method's vector is shown to differ from the study's own."""
    return (
        f"{_way(values)} no vector of another method ({listed(values['methods'])}) is shown to differ from "
        f"{values['own']}."
    )


@subject_first
def no_better_than_random(values: Values) -> str:
    """That a random direction is not shown to do less than the vector."""
    gap = values["gap"]
    return (
        f"{_way(values)} a random direction, its setting chosen likewise, is not shown to do less than the vector: "
        f"{_apart(gap, values)}, {_test(gap)}."
    )


@subject_first
def in_user_message(values: Values) -> str:
    """That the model is asked in the user's message."""
    return "the system prompts stand in the first user message: the model has no place for a system message."


def _name(arm: Values) -> str:
    """An arm in words."""
    return _named(str(arm["arm"]), vector=arm["kind"] == "vector")


def _of(gap: Values, which: str) -> str:
    name = str(gap[which or "arm"])
    return _named(name, vector=name not in (*_ARTICLES, "LoRA"))


def _named(name: str, *, vector: bool) -> str:
    if vector:
        return f"the vector ({name})"
    return f"the {name}" if name in _ARTICLES else f"fine-tuning ({name})"


def _what(values: Values) -> str:
    return "the judged replies" if values["scoring"] == REPLIES_SCORING else "the score"


def _unit(values: Values) -> str:
    return "points" if values["scoring"] == REPLIES_SCORING else UNITS.get(str(values["scoring"]), "")


def _way(values: Values) -> str:
    return "toward the behavior" if values["side"] == "for" else "away from the behavior"


def _size(arm: Values, values: Values) -> str:
    value, low, high = arm["effect"], arm["effect_low"], arm["effect_high"]
    return with_interval(value, low, high, decimals_for([value, low, high]), unit=_unit(values))


def _apart(gap: Values, values: Values) -> str:
    value, low, high = gap["difference"], gap["difference_low"], gap["difference_high"]
    return with_interval(value, low, high, decimals_for([value, low, high]), unit=_unit(values))


def _test(gap: Values) -> str:
    corrected = f", corrected for {gap['tests']} comparisons" if gap["tests"] > 1 else ""
    return f"{p_equals(gap['p_adjusted'])}{corrected}, {_prompts(gap)}"


def _prompts(row: Values) -> str:
    return plural(row["n"], "held-out prompt")


def _rounded(value: float) -> str:
    return fixed(value, decimals_for([value]))


def _at_dose(values: Values) -> str:
    return f"{_way(values)} at equal dose ({fixed(values['kl'])} nats beside {fixed(values['prompt_kl'])})"


def _larger_first(gap: dict[str, Any]) -> dict[str, Any]:
    """The difference seen from the arm that does more."""
    if gap["difference"] >= 0:
        return gap
    return {
        **gap, "arm": gap["other"], "other": gap["arm"], "difference": -gap["difference"],
        "difference_low": -gap["difference_high"], "difference_high": -gap["difference_low"],
    }  # fmt: skip
