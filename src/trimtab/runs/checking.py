"""The checks of a study in one model: diagnosis, side effects and robustness of its vectors."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from trimtab.runs.check_context import CheckContext, Subject
from trimtab.runs.diagnosis_check import check_diagnosis
from trimtab.runs.robustness_check import check_robustness
from trimtab.runs.side_effects_check import check_side_effects

CHECKS = ("diagnosis", "side_effects", "robustness")


def run_checks(context: CheckContext, subjects: Sequence[Subject], took: Callable[[str, float], None]) -> None:
    """Everything that the study wants checked, as far as it is not on disk.

    Args:
        context: run and model.
        subjects: the study's behaviors in this model.
        took: told what took how many seconds.
    """
    study, model = context.study, context.model.name
    for subject in subjects:
        wanted: list[tuple[str, Callable[[], None]]] = []
        if study.diagnosis and study.diagnosis.names(model, subject.setting.label):
            wanted.append(("diagnose", partial(check_diagnosis, context, study.diagnosis, subject)))
        if study.side_effects and study.side_effects.names(model, subject.setting.label):
            wanted.append(("side effects", partial(check_side_effects, context, study.side_effects, subject, subjects)))
        if study.robustness and study.robustness.names(model, subject.setting.label):
            wanted.append(("robustness", partial(check_robustness, context, study.robustness, subject)))
        for what, check in wanted:
            started = time.monotonic()
            check()
            took(f"{what} {subject.name}, {model}", time.monotonic() - started)
