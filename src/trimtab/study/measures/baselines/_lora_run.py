"""The arm of fine-tuning: trained on the pairs of the vector, measured while the model has the adapter."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import partial

import pandas as pd

from trimtab.analysis.baselines.arm_names import FINE_TUNED, SIDES
from trimtab.errors import SettingError, TrimtabError
from trimtab.evaluation.baselines.arms import Arm
from trimtab.evaluation.baselines.fine_tuning import FineTuned, LoraSettings, fine_tuned
from trimtab.study.measures.baselines._baseline_run import BaselineRun
from trimtab.study.measures.baselines._comparison import joined
from trimtab.study.step_names import training_for_baselines


def lora_tables(run: BaselineRun) -> dict[str, pd.DataFrame]:
    """Scores, costs and easy questions of an adapter trained for the behavior and of one against it.

    Where it cannot be trained, tables without rows, and a warning with the reason.
    """
    found: dict[str, list[pd.DataFrame]] = {"scores": [], "arms": [], "easy": []}
    try:
        _ = run.neutral  # read while the model has no adapter
        with closing(fine_tuned_arms(run)) as arms:
            for arm, tuned in arms:
                found["scores"].append(run.scores(FINE_TUNED, [arm]))
                found["arms"].append(run.costs([arm], tuned.at_rest))
                if run.compared.settings.easy:
                    found["easy"].append(run.easy(FINE_TUNED, [arm]))
    except TrimtabError as error:
        run.left_out("fine-tuning", error)
    return {table: joined(parts) for table, parts in found.items()}


def fine_tuned_arms(run: BaselineRun) -> Generator[tuple[Arm, FineTuned]]:
    """Train an adapter for the behavior and one against it; the model has each until the next one, or the end.

    The same seed, pairs and settings train the same adapter again.

    Raises:
        SettingError: where there are no pairs to train on, or the model cannot be trained.
    """
    compared, subject = run.compared, run.context.subject
    if not len(compared.train):
        raise SettingError("the vector is made of something else than training pairs, so there are none to train on")
    settings = LoraSettings(compared.settings.lora_rank, compared.settings.lora_steps)
    for side in SIDES:
        step = training_for_baselines(f"{FINE_TUNED} {side} it", subject.name, subject.model)
        with fine_tuned(
            run.context.model, compared.train, side, subject.scoring, settings, balance=subject.study.balance,
            seed=subject.study.seed, progress=partial(run.context.progress, step),
        ) as tuned:  # fmt: skip
            yield Arm(FINE_TUNED, "fine-tuning", side), tuned
