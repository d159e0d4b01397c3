"""The arm of fine-tuning: trained on the pairs of the vector, measured while the model has the adapter."""

from __future__ import annotations

import pandas as pd

from trimtab.analysis.baselines.arm_names import FINE_TUNED, SIDES
from trimtab.errors import SettingError, TrimtabError
from trimtab.evaluation.baselines.arms import Arm
from trimtab.evaluation.baselines.fine_tuning import LoraSettings, fine_tuned
from trimtab.study.measures.baselines._baseline_run import BaselineRun
from trimtab.study.measures.baselines._comparison import joined


def lora_tables(run: BaselineRun) -> dict[str, pd.DataFrame]:
    """Scores, costs and easy questions of an adapter trained for the behavior and of one against it.

    Where it cannot be trained, tables without rows, and a warning with the reason.
    """
    compared, model, study = run.compared, run.context.model, run.context.subject.study
    settings = LoraSettings(compared.settings.lora_rank, compared.settings.lora_steps)
    found: dict[str, list[pd.DataFrame]] = {"scores": [], "arms": [], "easy": []}
    try:
        if not len(compared.train):
            raise SettingError(
                "the vector is made of something else than training pairs, so there are none to train on"
            )
        _ = run.neutral  # read while the model has no adapter
        for side in SIDES:
            arm = Arm(FINE_TUNED, "fine-tuning", side)
            with fine_tuned(
                model, compared.train, side, run.context.subject.scoring, settings, balance=study.balance,
                seed=study.seed,
            ) as tuned:  # fmt: skip
                found["scores"].append(run.scores(FINE_TUNED, [arm]))
                found["arms"].append(run.costs([arm], tuned.at_rest))
                if compared.settings.easy:
                    found["easy"].append(run.easy(FINE_TUNED, [arm]))
    except TrimtabError as error:
        run.left_out("fine-tuning", error)
    return {table: joined(parts) for table, parts in found.items()}
