"""Testing a monitor on unseen pairs: of the same behavior, or under distribution shift."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import pandas as pd

from trimtab.data import Balance, Behavior, Form
from trimtab.data.hash_order import prompt_key
from trimtab.engines import Model
from trimtab.errors import DataError
from trimtab.models import TokenPosition
from trimtab.monitors._examples import by_text, by_token, examples, token_logits
from trimtab.monitors._probes import Array, probability
from trimtab.monitors.fitting import prompt_hash
from trimtab.monitors.monitor import Monitor
from trimtab.stats.detection import Detection, detection, reliability


@dataclass(frozen=True, eq=False)
class MonitorEvaluation:
    """Results of a monitor on the texts of some pairs."""

    behavior: str
    pairs: int
    left_out: int
    """Pairs of prompts that the monitor was fitted, chosen or calibrated on."""
    form: Form
    token_position: TokenPosition
    texts: Detection
    """Whole texts, their probabilities calibrated."""
    uncalibrated: Detection
    """The same with mean logits as logits of texts."""
    tokens: Detection
    """Single tokens, every text counting the same."""
    reliability: pd.DataFrame
    """Of the texts; see `trimtab.stats.detection.reliability`."""

    def held_out(self) -> dict[str, float]:
        """The numbers for a monitor's file."""
        return {
            "pairs": self.pairs,
            "auroc": self.texts.auroc,
            "auroc_low": self.texts.auroc_low,
            "auroc_high": self.texts.auroc_high,
            "calibration_error": self.texts.calibration_error,
            "calibration_limit": self.texts.calibration_limit,
            "token_auroc": self.tokens.auroc,
            "token_auroc_low": self.tokens.auroc_low,
            "token_auroc_high": self.tokens.auroc_high,
        }


def test_monitor(
    monitor: Monitor,
    model: Model,
    behavior: Behavior,
    *,
    form: Form | None = None,  # noqa: PT028 - it tests monitors, and is no test
    balance: Balance = "both_orders",  # noqa: PT028
    draws: int = 2000,  # noqa: PT028
    seed: int = 0,  # noqa: PT028
) -> MonitorEvaluation:
    """Score the texts of pairs, each behind its prompt, and measure how well they are classified.

    Pairs of prompts that the monitor has seen are left out. Both texts of a prompt are resampled together.

    Args:
        monitor: the monitor.
        model: the model it was fitted on.
        behavior: pairs of any behavior.
        form: ask choice pairs with their options and answer by letter, or answer by text; by default as the monitor
            was fitted.
        balance: how option orders are shown; see `trimtab.data.present`.
        draws: bootstrap resamples.
        seed: of the resamples.

    Raises:
        DataError: when fewer than two pairs are left.
        VectorError: when the monitor is for a model of another shape.
    """
    monitor.require_fit(model)
    unseen = tuple(pair for pair in behavior if prompt_hash(prompt_key(pair)) not in monitor.provenance.seen)
    if len(unseen) < 2:
        raise DataError(
            f"{behavior.name}: {len(unseen)} of {len(behavior)} pairs have prompts that the monitor has not seen, too "
            "few to test it on; give others"
        )
    made = monitor.provenance
    chosen_form: Form = form or ("choice" if made.form == "choice" and behavior.is_choice else "text")
    where = cast("TokenPosition", made.token_position) if chosen_form == made.form else None
    labelled = examples(model, replace(behavior, pairs=unseen), where, chosen_form, balance, seed)
    rows = list(token_logits(model, labelled.texts, [monitor.layer], monitor.weight, monitor.bias))
    means, single = by_text(rows)[:, 0], by_token(rows, labelled)
    each = single.logits[:, 0]
    calibrated = monitor.scaling.probability(means)

    def of_texts(odds: Array) -> Detection:
        return detection(means, odds, labelled.positive, labelled.prompts, labelled.weight, draws=draws, seed=seed)

    return MonitorEvaluation(
        behavior=behavior.name,
        pairs=len(unseen),
        left_out=len(behavior) - len(unseen),
        form=labelled.form,
        token_position=labelled.token_position,
        texts=of_texts(calibrated),
        uncalibrated=of_texts(probability(means)),
        tokens=detection(
            each,
            probability(each),
            single.positive,
            single.prompts,
            single.weight,
            independent=False,
            draws=draws,
            seed=seed,
        ),
        reliability=reliability(calibrated, labelled.positive),
    )
