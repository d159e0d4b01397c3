"""Settings of baselines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from trimtab.study.measures.settings import MeasureSettings
from trimtab.study.settings.identity import ADDS
from trimtab.study.settings.names import AggregationName
from trimtab.vectors import AGGREGATIONS
from trimtab.vectors.training import TrainedAggregation

MAX_TEXT = 10_000
"""Characters of a system prompt."""

PromptText = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


def _several(value: Any) -> Any:
    """A single text stands for a list of one."""
    return [value] if isinstance(value, str) else value


class Baselines(MeasureSettings):
    """Compare the vector with what else one could do: system prompts, few-shot prompts, other vectors, fine-tuning."""

    methods: Annotated[tuple[AggregationName, ...], ADDS] = ("mean", "pca", "lda", "random")
    """Vector by another extraction method, to compare with the study's own; a refused one is left out."""
    training: Annotated[dict[str, bool | int | float | str], ADDS] = Field(default_factory=dict)
    """Of the trained ones among the methods, such as steps=24; each has to have the setting."""
    asked_for: Annotated[tuple[PromptText, ...], BeforeValidator(_several), ADDS] = ()
    """System prompt that asks for the behavior; by default several made from its description."""
    asked_against: Annotated[tuple[PromptText, ...], BeforeValidator(_several), ADDS] = ()
    """System prompt that asks against the behavior; by default several made from its description."""
    shots: Annotated[int, ADDS] = Field(default=4, ge=0, le=64)
    """Training pairs that the few-shot prompt shows as earlier turns; 0 for no such prompt."""
    prompts: Annotated[int | None, ADDS] = Field(default=None, ge=4)
    """How many prompts to choose by, and at most as many others to report on; all by default."""
    dose: Annotated[float | None, ADDS] = Field(default=None, ge=1e-3, le=20)
    """Dose in nats at which vectors are compared; by default that of the system prompt."""

    easy: Annotated[int, ADDS] = Field(default=40, ge=0, le=1000)
    """Easy questions that are asked under every arm; 0 for none."""

    replies: Annotated[bool, ADDS] = True
    """Compare generated replies too, by the study's own judges, where the study has replies."""
    lora: Annotated[bool, ADDS] = False
    """Fine-tune an adapter (LoRA) on the training pairs, for the behavior and against it; needs `trimtab[lora]`."""
    lora_rank: Annotated[int, ADDS] = Field(default=4, ge=1, le=256)
    """Rank of the adapter."""
    lora_steps: Annotated[int, ADDS] = Field(default=30, ge=1, le=10_000)
    """Steps of training, of four rows each."""

    def training_of(self, study: Mapping[str, Any]) -> dict[str, Any]:
        """How another method is trained: as it usually is, at the study's positions, with the settings given here.

        Args:
            study: The study's own settings of training, of which only the positions concern another method.
        """
        return {key: study[key] for key in ("positions", "first_token")} | self.training

    @model_validator(mode="after")
    def _trainable(self) -> Baselines:
        """Refuse settings of training that do nothing, or that a method does not have."""
        trained = [found for name in self.methods if isinstance(found := AGGREGATIONS.get(name), TrainedAggregation)]
        if self.training and not trained:
            raise ValueError(
                f"training: none of the methods ({', '.join(self.methods)}) is trained, so "
                f"{', '.join(self.training)} sets nothing"
            )
        for method in trained:
            method.settings(self.training)
        return self

    @field_validator("methods", mode="before")
    @classmethod
    def _distinct(cls, value: Any) -> Any:
        """Each method once, in the order given."""
        return tuple(dict.fromkeys(_several(value))) if isinstance(value, str | list | tuple) else value
