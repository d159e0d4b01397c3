"""What Ray changes in a plan: models side by side, and sweeps that several workers share."""

from __future__ import annotations

from dataclasses import replace

from trimtab.study.plan.text import Plan, in_time
from trimtab.study.settings.study_file import Study


def planned_on_ray(plan: Plan, study: Study, workers: int) -> str:
    """Say how long the model takes that takes longest, as far as that is known, where there is room for all workers.

    Args:
        plan: Of one model after the other.
        study: What is planned.
        workers: How many share the sweeps of each model that does not say so itself.
    """
    sharing = {setting.label: setting.resources.workers or workers for setting in study.models}
    known = [model for model in plan.models if not model.by_requests]
    if not known:
        return "on Ray: how long it takes is not known"
    shared = {
        model.model: [
            replace(step, seconds=step.seconds / sharing[model.model], early=step.early / sharing[model.model])
            if step.measure == "scores"
            else step
            for step in model.timed.values()
        ]
        for model in known
    }
    longest = max(shared, key=lambda label: sum(step.seconds for step in shared[label]))
    count = sharing[longest]
    helped = f", of which {count} workers share the sweeps" if count > 1 else ""
    time = in_time(shared[longest], plan.accelerator)
    return f"on Ray, with room for all workers: {longest}{helped}, takes longest, {time}"
