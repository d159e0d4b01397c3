"""Settings for what models say: answers to choice questions, and replies to open prompts with their judges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from trimtab.errors import SettingError, nearest
from trimtab.evaluation import GridScale, parse_strengths
from trimtab.runs.checked_yaml import Strict

Search = Literal["grid", "halving"]


class Asking(Strict):
    """Who is asked what."""

    models: tuple[str, ...] = ()
    """Of the study's, by name; all by default."""
    behaviors: tuple[str, ...] = ()
    """Of the study's, by name; all that fit by default."""

    def check_names(self, key: str, models: Sequence[str], behaviors: Sequence[str]) -> None:
        """Refuse names that the study does not have."""
        for kind, named, known in (("model", self.models, models), ("behavior", self.behaviors, behaviors)):
            for name in named:
                if name not in known:
                    raise ValueError(f"{key}: no {kind} of this study is called {name!r}; they are {', '.join(known)}")

    def names(self, model: str, behavior: str) -> bool:
        """Whether this model and this behavior are among those named, by their labels."""
        return (not self.models or model in self.models) and (not self.behaviors or behavior in self.behaviors)


class Answers(Asking):
    """Ask choice behaviors and read what the model says, in every cell of the sweep."""

    prompts: int | None = Field(default=None, ge=1)
    """So many of the test prompts; all by default."""
    max_new_tokens: int = Field(default=32, ge=1, le=4096)

    def wants(self, model: str, behavior: str, is_choice: bool) -> bool:
        """Whether this model is asked about this behavior, by the labels of both.

        Raises:
            SettingError: when the study names an open behavior here: there are no options to choose from.
        """
        if not is_choice and behavior in self.behaviors:
            raise SettingError(f"answers: {behavior} has open pairs without options; only choice behaviors are asked")
        return is_choice and self.names(model, behavior)


class Judging(Strict):
    """One judge: the text classifier, a language model, or a pattern."""

    classifier: bool = False
    """The text classifier trained on the pairs' own completions."""
    model: str = ""
    """A language model by the name that inspect_ai has for it, such as openai/gpt-4o-mini."""
    pattern: str = ""
    """A regular expression that is found in replies that show the behavior."""
    name: str = Field(default="", max_length=80)
    """What tables call it."""
    behaviors: tuple[str, ...] = ()
    """The behaviors it judges, by name; all by default."""
    base_url: str | None = None
    """Of a language model: the address of a server of your own."""
    price: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] | None = None
    """Of a language model: dollars for a million tokens in, and for a million tokens out."""
    timeout_seconds: int = Field(default=60, ge=1, le=3600)
    attempts: int = Field(default=3, ge=1, le=20)
    max_connections: int = Field(default=8, ge=1, le=256)

    @model_validator(mode="after")
    def _one_kind(self) -> Judging:
        if [self.classifier, bool(self.model), bool(self.pattern)].count(True) != 1:
            raise ValueError('a judge is one of `classifier`, {model: openai/gpt-4o-mini} or {pattern: "a word"}')
        if self.base_url and "@" in self.base_url.partition("//")[2].partition("/")[0]:
            raise ValueError(
                "base_url: holds a name or a key, which would go into the run and its report; put keys into "
                "the environment, as inspect_ai does"
            )
        if self.model and not all(self.model.partition("/")):
            raise ValueError(f"the judge {self.model!r} needs its provider in front, as in openai/{self.model}")
        return self

    def judges(self, behavior: str) -> bool:
        """Whether it judges a behavior, by its label."""
        return not self.behaviors or behavior in self.behaviors

    @property
    def kind(self) -> str:
        """What sort of judge it is."""
        return "classifier" if self.classifier else "language model" if self.model else "pattern"

    @property
    def label(self) -> str:
        """What tables call it."""
        return self.name or ("classifier" if self.classifier else self.model or f"pattern {self.pattern}"[:80])


def _judge_by_name(value: Any) -> Any:
    """Allow the bare word `classifier`, and explain other bare words."""
    if isinstance(value, str) and value != "classifier":
        raise ValueError(
            f"no judge is called {value!r}{nearest(value, ['classifier'], 'judges by name')} "
            '(others are written {model: openai/gpt-4o-mini} or {pattern: "a word"})'
        )
    return {"classifier": True} if value == "classifier" else value


class Replies(Asking):
    """Let models reply to open prompts in many cells, judge the replies, and find the setting to use."""

    layers: str | None = None
    """As the study's; those by default."""
    strengths: tuple[float, ...] | None = None
    """As the study's; those by default."""
    scale: GridScale | None = None
    prompts: int = Field(default=16, ge=2, le=10_000)
    """So many prompts to choose the setting by, and as many to report it on, if there are as many."""
    max_new_tokens: int = Field(default=48, ge=1, le=4096)
    judges: tuple[Annotated[Judging, BeforeValidator(_judge_by_name)], ...] = Field(default=(Judging(classifier=True),))
    """The setting is chosen by the first of them that can judge a behavior."""
    search: Search = "grid"
    """`grid`: every cell replies to every prompt; `halving`: the worse half of the cells is dropped again and again."""
    floor: float = Field(default=7.0, ge=0, le=10)
    """Coherence, of 10, that the setting to use must keep."""

    @field_validator("judges", mode="before")
    @classmethod
    def _judges(cls, value: Any) -> Any:
        return [value] if isinstance(value, str | dict) else value

    @field_validator("layers", mode="before")
    @classmethod
    def _layers(cls, value: Any) -> Any:
        return value if value is None else given_layers(value)

    @field_validator("strengths", mode="before")
    @classmethod
    def _strengths(cls, value: Any) -> Any:
        return value if value is None else given_strengths(value)

    @model_validator(mode="after")
    def _distinct(self) -> Replies:
        if not self.judges:
            raise ValueError("judges: name at least one, such as classifier")
        labels = [judge.label for judge in self.judges]
        if len(set(labels)) < len(labels):
            raise ValueError("two judges have the same name; give one of them a `name` of its own")
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

    def wants(self, model: str, behavior: str, is_choice: bool) -> bool:
        """Whether this model replies to this behavior's prompts, by the labels of both.

        Choice behaviors are asked by `answers`, unless they are named here.
        """
        return (not is_choice or behavior in self.behaviors) and self.names(model, behavior)


def given_layers(value: Any) -> Any:
    """Layers as text: a number and a list are allowed as well."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def given_strengths(value: Any) -> Any:
    """Strengths as numbers, one of them at least other than 0."""
    try:
        strengths = parse_strengths([value] if isinstance(value, int | float) else value)
    except SettingError as error:
        raise ValueError(str(error)) from None
    if not any(strengths):
        raise ValueError("needs at least one strength other than 0, such as [-1, 1]")
    return strengths
