"""Names of registries as the types of keys of a study file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator

from trimtab.engines import ENGINES
from trimtab.steering import SCALES, valid_positions
from trimtab.vectors import AGGREGATIONS
from trimtab.vectors.training import TrainedAggregation

AggregationName = Annotated[str, AfterValidator(AGGREGATIONS.valid)]
EngineName = Annotated[str, AfterValidator(ENGINES.valid)]
PositionsText = Annotated[str, AfterValidator(valid_positions)]
ScaleName = Annotated[str, AfterValidator(SCALES.valid)]


def require_trainable(
    method: str, given: Mapping[str, Any], settings: Mapping[str, Any], in_vllm: Sequence[str]
) -> None:
    """Refuse settings that a method cannot be trained with.

    Args:
        method: the aggregation.
        given: what the study sets of its training.
        settings: the same with what the study's steering adds.
        in_vllm: models that vLLM runs.

    Raises:
        ValueError: for settings of a method that is not trained, and models without gradients.
        SettingError: for settings out of range.
    """
    found = AGGREGATIONS.get(method)
    if isinstance(found, TrainedAggregation):
        found.settings(settings)
        if in_vllm:
            raise ValueError(
                f"method {method}: {in_vllm[0]} runs in vLLM, which computes no gradients; train with the engine "
                "transformers and give the vector to the run"
            )
    elif given:
        raise ValueError(f"training: method {method} is not trained, so {', '.join(given)} sets nothing")
