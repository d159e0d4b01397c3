"""Studies whose bounds cannot be measured, or whose condition on the prompt cannot be decided, are refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.engines import DEFAULT_ENGINE
from trimtab.steering import SCALES
from trimtab.steering.scales.percentiles import PERCENTILE_OF

if TYPE_CHECKING:
    from trimtab.study.settings.study_file import Study


def require_bounds(study: Study) -> None:
    """Refuse bounds where they cannot be measured for each layer.

    Raises:
        ValueError: naming the key.
    """
    for scale in study.scales:
        if scale in PERCENTILE_OF.values():
            raise ValueError(f"scale: write {SCALES.get(scale).pushed_as}, with bound: p25")
    if study.bound is None:
        return
    if study.scale not in PERCENTILE_OF:
        raise ValueError(f"bound: the scale {study.scale} has no bound; give scale: {' or '.join(PERCENTILE_OF)}")
    replies = study.replies
    if "+" in study.layers or (replies is not None and "+" in (replies.layers or "")):
        raise ValueError("bound: each layer has its own bound, so layers cannot be steered together; name them singly")
    if replies is not None and (replies.strengths or replies.scale):
        raise ValueError("bound: replies are written at the same bounds; leave their strengths and scale out")
    others = {"vector_layer": study.vector_layer is not None, "baselines": study.baselines is not None}
    for key in (key for key, given in others.items() if given):
        raise ValueError(f"{key}: bounds are of each layer's own vector, and would be others for another one")


def require_condition(study: Study) -> None:
    """Refuse a condition on the prompt where it cannot be decided, or would be another one than it says.

    Raises:
        ValueError: naming the key.
    """
    if study.when is None:
        return
    first, *others = dict.fromkeys(model.id for model in study.models)
    if others:
        raise ValueError(f"when: a monitor is of one model, and this study has {first} and {others[0]}")
    for model in study.models:
        if model.engine != DEFAULT_ENGINE:
            raise ValueError(
                f"when: {model.label} runs in {model.engine}; conditions on the prompt are decided by the engine "
                f"{DEFAULT_ENGINE} only"
            )
    for scale in study.scales:
        if SCALES.get(scale).in_nats:
            raise ValueError(
                f"when: strengths of the scale {scale} are found on neutral prompts, at most of which a condition "
                "lets nothing through; give strengths in another scale"
            )
