"""Sentences about replies, each made from the values of one finding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trimtab._util.wording import plural, verb_for
from trimtab.analysis.findings import Sentence, Values
from trimtab.analysis.formatting import fixed, p_equals, percent, plain, signed_strength, with_interval
from trimtab.analysis.replies.reply_cells import INCOHERENT

MAX_NAMED = 3
"""Settings that one sentence names; of the others it gives the number."""

WAYS = {1: "toward the behavior", -1: "away from the behavior"}


def reply_effect(about: str, values: Values) -> str:
    """That a setting changes the replies the way it was chosen for."""
    way = WAYS[values["direction"]]
    return (
        f"{_of(about)}{_where(values)} changes them by {_size(values)} {way}, {_measured(values)}. "
        f"They have {_quality(values)}.{_selection(values)}"
    )


def reply_reversed(about: str, values: Values) -> str:
    """That a setting changes the replies the other way on other prompts."""
    way, other = WAYS[values["direction"]], WAYS[-values["direction"]]
    return (
        f"{_of(about)}{_where(values)} was chosen to move them {way} and moves them {other}, by {_size(values)}, "
        f"{_measured(values)}."
    )


def no_reply_effect(about: str, values: Values) -> str:
    """That the chosen setting is not shown to change the replies."""
    why = "no clear change" if np.isfinite(values["change_low"]) else "no interval can be given for a change"
    test = f" ({p_equals(values['p'])})" if np.isfinite(values["p"]) else ""
    return (
        f"{_of(about)}{why} {WAYS[values['direction']]} at the chosen setting, {_where(values)}: {_size(values)}, "
        f"{_measured(values)}{test}."
    )


def no_setting_unjudged(about: str, values: Values) -> str:
    """That replies were not judged."""
    way = WAYS[values["direction"]]
    return f"{_of(about)}its replies were not judged, so there is no setting to recommend {way}."


def no_setting_moves(about: str, values: Values) -> str:
    """That no setting has the wanted sign."""
    return f"{_of(about)}no setting moves it {WAYS[values['direction']]}."


def no_setting_unmeasured(about: str, values: Values) -> str:
    """That a run of an earlier version measured neither fluency nor on-topic."""
    return (
        f"{_of(about)}fluency and on-topic were not measured in this run, which an earlier version made, so there is "
        f"no setting to recommend {WAYS[values['direction']]}; run the study again in another folder."
    )


def no_coherent_setting(about: str, values: Values) -> str:
    """That no setting is coherent enough and has the wanted sign."""
    return (
        f"{_of(about)}no setting keeps a coherence of {plain(values['min_coherence'])} and moves it "
        f"{WAYS[values['direction']]}."
    )


def optimistic_setting(about: str, values: Values) -> str:
    """That a setting is reported on the prompts that chose it."""
    return (
        f"{_of(about)}the setting {WAYS[values['direction']]} is reported on the prompts that chose it, so its numbers "
        "are optimistic."
    )


def less_coherent(about: str, values: Values) -> str:
    """That a setting is less coherent on the reported prompts than it had to be."""
    limit = [values["min_coherence"]]
    return (
        f"{_of(about)}the setting {WAYS[values['direction']]} was chosen for a coherence{_made_of(values)} of at least "
        f"{plain(values['min_coherence'])} and has {fixed(values['coherence'], 1, limit)} on other prompts; try a "
        "weaker one."
    )


def incoherent_replies(about: str, values: Values) -> str:
    """That a mean hides replies that are not coherent."""
    count, prompts = round(values["incoherent"] * values["prompts"]), int(values["prompts"])
    before = round(values["incoherent_unsteered"] * prompts)
    return (
        f"{_of(about)}{count} of {plural(prompts, 'reply', 'replies')} at the setting {WAYS[values['direction']]} "
        f"{verb_for(count, 'are')} incoherent (coherence under {plain(INCOHERENT)} of 10; unsteered {before}), which "
        f"the mean of {fixed(values['coherence'], 1, [values['min_coherence']])} does not show; read some replies."
    )


def inaccurate_judge(about: str, values: Values) -> str:
    """That the judge is wrong too often to rely on its numbers alone."""
    share = percent(values["accuracy"], [0.0, values["limit"], 1.0])
    return (
        f"{_of(about)}the judge, {values['judge']}, is right on only {share} of held-out completions; read some "
        "replies before relying on the change."
    )


def strongest_tried(about: str, values: Values) -> str:
    """That the chosen setting is at the edge of the tried strengths."""
    return (
        f"{_of(about)}the setting {WAYS[values['direction']]} is the strongest that was tried "
        f"({signed_strength(values['strength'])}); a stronger one might do more."
    )


def fall_of_change(about: str, values: Values) -> str:
    """That the change falls from the choosing to the reported prompts by more than selection explains."""
    return (
        f"{_of(about)}the change {WAYS[values['direction']]} falls from {fixed(values['select_change'], 1)} on the "
        f"prompts that chose the setting to {fixed(values['change'], 1)} on the held-out ones, by "
        f"{fixed(values['fall'], 1, [0.0])} more than selection explains ({p_equals(values['fall_p'])}). The two sets "
        "of prompts differ."
    )


def few_replies(about: str, values: Values) -> str:
    """That a mean of few replies depends on each of them."""
    return (
        f"{_of(about)}only {_prompts(values)} judged for the setting {WAYS[values['direction']]}; the mean can depend "
        "on one of them."
    )


def topic_unmeasured(about: str, values: Values) -> str:
    """That coherence is fluency alone, as on-topic could not be measured."""
    return (
        f"{_of(about)}on-topic could not be measured for the setting {WAYS[values['direction']]}, as there is no other "
        "prompt to compare with or unsteered replies fit other prompts as well as their own; its coherence is fluency "
        "alone, which replies about something else can have."
    )


def unjudged_replies(about: str, values: Values) -> str:
    """That some replies have no verdict."""
    shown = [f"{placed(at)} ({at['failed']} of {at['prompts']})" for at in values["settings"]]
    left = len(shown) - MAX_NAMED
    more = f" and {plural(left, 'more setting')}" if left > 0 else ""
    total = sum(at["failed"] for at in values["settings"])
    return (
        f"{_of(about)}{plural(total, 'reply', 'replies')} could not be judged and {verb_for(total, 'count')} in no "
        f"change: {', '.join(shown[:MAX_NAMED])}{more}."
    )


def declined_judge(about: str, values: Values) -> str:
    """That a judge refused the whole behavior."""
    return f"{_of(about)}{values['judge']} did not judge: {values['reason']}."


NO_SETTING: Mapping[str, Sentence] = {
    "not judged": no_setting_unjudged,
    "coherence not measured": no_setting_unmeasured,
    "no cell moves that way": no_setting_moves,
}
"""Sentence by the `reason` of `recommended`; the others are about coherence."""


def placed(row: Mapping[str, Any]) -> str:
    """Name a setting: layer 20 at +0.3."""
    layers = str(row["layers"])
    name = f"layers {layers.replace('+', ' + ')}" if "+" in layers else f"layer {layers}"
    return f"{name} at {signed_strength(row['strength'])}"


def _of(about: str) -> str:
    return f"{about}, judged replies: " if about else ""


def _where(values: Values) -> str:
    return f"{placed(values)} ({values['scale']})"


def _size(values: Values) -> str:
    """The change with the interval that holds for it as the pick of several settings, where it was measured as one."""
    low, high = values["corrected"] or (values["change_low"], values["change_high"])
    change = values["change"]
    return f"{'+' if change > 0 else ''}{with_interval(change, low, high, 1, unit='of 10')}"


def _measured(values: Values) -> str:
    judge = f", judged by {values['judge']}" if values["judge"] else ""
    return f"on {_prompts(values)}{judge}"


def _selection(values: Values) -> str:
    """What the interval of a setting that is measured on the prompts that chose it takes into account."""
    if not values["corrected"]:
        return ""
    return f" The interval is corrected for the {plural(values['candidates'], 'setting')} that it was chosen from."


def _quality(values: Values) -> str:
    """The judge's own coherence where it gave one, fluency and on-topic as far as they were measured, and unsteered."""
    limit = [values["min_coherence"]]
    parts = []
    if values["rated"] > 0:
        parts.append(f"coherence {fixed(values['coherence'], 1, limit)} by the judge")
    known = {name: name.replace("_", "-") for name in ("fluency", "on_topic") if np.isfinite(values[name])}
    parts += [f"{title} {fixed(values[name], 1, limit)}" for name, title in known.items()]
    unsteered = [values[f"{name}_unsteered"] for name in known]
    beside = " and ".join(fixed(value, 1, limit) for value in unsteered if np.isfinite(value))
    return ", ".join(parts) + (f" (unsteered {beside})" if beside else "")


def _made_of(values: Values) -> str:
    """What coherence is, where no judge gave it."""
    if values["rated"] > 0:
        return ""
    return " (the worse of fluency and on-topic)" if np.isfinite(values["on_topic"]) else " (fluency alone)"


def _prompts(values: Values) -> str:
    return plural(values["n"], "held-out prompt" if values["held_out"] else "prompt")
