"""Settings of replies to open prompts, and of their judges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, field_validator, model_validator

from trimtab.judges import JudgeSettings, parse_judge
from trimtab.study.measures.settings import MeasureSettings
from trimtab.study.settings.cell_settings import Layers, Strengths
from trimtab.study.settings.identity import ADDS, SHAPES
from trimtab.study.settings.names import ScaleName

Search = Literal["grid", "halving"]


class Replies(MeasureSettings):
    """Generate replies to open prompts at many settings, judge them, and recommend a setting."""

    numbers: ClassVar[int] = 2
    """1 did not read replies behind other prompts, nor ordinary text."""
    models: Annotated[tuple[str, ...], SHAPES] = ()
    """Models of the study, by name; all by default."""
    behaviors: Annotated[tuple[str, ...], SHAPES] = ()
    """Behaviors of the study, by name; by default all without options to choose from."""
    layers: Annotated[Layers | None, SHAPES] = None
    """Layers to reply at; the study's by default."""
    strengths: Annotated[Strengths | None, SHAPES] = None
    """Strengths to reply at; the study's by default."""
    scale: Annotated[ScaleName | None, SHAPES] = None
    """Scale of the strengths; the study's by default."""
    prompts: Annotated[int, ADDS] = Field(default=16, ge=2, le=10_000)
    """How many prompts to choose the setting by, and at most as many others to report it on."""
    max_new_tokens: Annotated[int, SHAPES] = Field(default=48, ge=1, le=4096)
    """Length limit of each reply, in tokens."""
    judges: Annotated[tuple[Annotated[SerializeAsAny[JudgeSettings], BeforeValidator(parse_judge)], ...], ADDS] = Field(
        default_factory=lambda: (parse_judge("classifier"),)
    )
    """The judges; the first that can judge a behavior chooses the setting."""
    search: Annotated[Search, ADDS] = "grid"
    """`grid`: every cell replies to every prompt; `halving`: each round drops the worse half of the cells."""
    min_coherence: Annotated[float, ADDS] = Field(default=7.0, ge=0, le=10)
    """Mean coherence, out of 10, that a recommended setting must have: the judge's, else of each reply the worse of
    fluency and on-topic, so that one floor serves both."""

    @field_validator("judges", mode="before")
    @classmethod
    def _judges(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | dict) else value

    @model_validator(mode="after")
    def _distinct(self) -> Replies:
        if not self.judges:
            raise ValueError("judges: name at least one, such as classifier")
        labels = [judge.label for judge in self.judges]
        if len(set(labels)) < len(labels):
            raise ValueError("two judges have the same name; give one of them its own `name`")
        return self

    def check_names(self, key: str, models: Sequence[str], behaviors: Sequence[str]) -> None:
        """Refuse names that the study does not have, those of the judges' behaviors included."""
        super().check_names(key, models, behaviors)
        for judge in self.judges:
            for name in judge.behaviors:
                if name not in behaviors:
                    raise ValueError(
                        f"{key}: the judge {judge.label} is to judge {name!r}, which is no behavior of this study; "
                        f"they are {', '.join(behaviors)}"
                    )

    def covers(self, model: str, behavior: str, is_choice: bool) -> bool:
        """Whether a model replies to the prompts of a behavior: to those of a choice behavior only if it is named."""
        return (not is_choice or behavior in self.behaviors) and super().covers(model, behavior, is_choice)
