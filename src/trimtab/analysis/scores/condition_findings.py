"""Cautions about steering under a condition on the prompt: effects are means over all prompts, pushed or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trimtab._util.wording import plural
from trimtab.analysis.findings import Finding, Subject, Values, caution, subject_first


@subject_first
def steered_under_condition(values: Values) -> str:
    """Of how many prompts the numbers are of pushed texts."""
    prompts, opened = int(values["prompts"]), int(values["opened"])
    if opened == prompts:
        return f"steered {values['words']}, which each of {plural(prompts, 'held-out prompt')} does."
    return (
        f"steered {values['words']}, which {opened} of {plural(prompts, 'held-out prompt')} "
        f"{'does' if opened == 1 else 'do'}; effects are means over all of them; behind the others nothing is pushed."
    )


@subject_first
def condition_never_held(values: Values) -> str:
    """That nothing was pushed at all."""
    prompts = int(values["prompts"])
    return f"steered {values['words']}, which none of {plural(prompts, 'held-out prompt')} does: nothing was pushed."


def condition_findings(entries: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """A caution for each model and behavior that was steered under a condition on the prompt.

    Args:
        entries: `conditions` of the manifests of a report, each with its `run`. Those without held-out prompts have
            no caution, as nothing was counted.
    """
    found = []
    counted = [entry for entry in entries if entry["prompts"] > 0]
    named = [name for name in ("model", "run") if len({entry[name] for entry in counted}) > 1]
    for entry in counted:
        values = {name: entry[name] for name in ("words", "prompts", "opened")}
        never = entry["opened"] == 0
        sentence = condition_never_held if never else steered_under_condition
        found.append(caution(Subject.of(entry, named), sentence, values, decisive=never))
    return found
