"""The study file: what to run, validated key by key with the line it stands on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from trimtab.data import Balance
from trimtab.engines import Scoring
from trimtab.errors import SettingError
from trimtab.evaluation import parse_strengths
from trimtab.models import BUNDLED, DType, TokenPosition
from trimtab.runs.checked_yaml import Path_, Strict, read_yaml, validate
from trimtab.runs.model_facts import Groups, ModelFacts
from trimtab.steering import Positions, Scale
from trimtab.vectors import Method


def _named(key: str) -> BeforeValidator:
    """Allow a bare string for an object that needs no more than its name."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


class ModelSetting(Strict):
    """One model of a study."""

    id: str
    """The bundled name, a hub id, a folder or a `.gguf` file."""
    name: str = ""
    """What tables and charts call it; the id by default."""
    dtype: DType = "auto"
    device: str = "auto"
    groups: Groups = Field(default={})
    """For comparing models, such as {training: distilled}; no number of a run depends on them."""
    facts: ModelFacts = ModelFacts()
    """For planning where the model's configuration cannot be reached."""

    @property
    def label(self) -> str:
        """The name in tables and file names."""
        return self.name or self.id


class PairsSize(Strict):
    """How many pairs there are and how long, for planning where they cannot be reached."""

    pairs: int = Field(ge=16)
    characters: int = Field(ge=40)
    """Mean length of what is asked, the options included."""


class BehaviorSetting(Strict):
    """One behavior of a study."""

    source: str
    """A built-in name, a file, a folder or a hub reference; see `trimtab.dataset`."""
    name: str = ""
    """What tables and charts call it; the data's own name by default."""
    scoring: Scoring | Literal["auto"] = "auto"
    limit: int | None = Field(default=None, ge=16)
    """Use this many pairs, a stratified sample."""
    size: PairsSize | None = None

    @property
    def label(self) -> str:
        """What the rest of the study file calls it."""
        return self.name or self.source


class Split(Strict):
    """Shares of the pairs: for the vector, for choosing the layer, for reporting."""

    train: float = Field(default=0.5, gt=0, lt=1)
    select: float = Field(default=0.25, gt=0, lt=1)
    test: float = Field(default=0.25, gt=0, lt=1)

    @model_validator(mode="after")
    def _whole(self) -> Split:
        if abs(self.train + self.select + self.test - 1) > 1e-6:
            raise ValueError("train, select and test must add up to 1")
        return self


class Answers(Strict):
    """Ask choice behaviors and read what the model says, in every cell of the sweep."""

    models: tuple[str, ...] = ()
    """Of the study's, by name; all by default."""
    behaviors: tuple[str, ...] = ()
    """Of the study's, by name; all choice behaviors by default."""
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
        named = (not self.models or model in self.models) and (not self.behaviors or behavior in self.behaviors)
        return is_choice and named


class Study(Strict):
    """Models × behaviors × layers × strengths."""

    name: str = Field(default="study", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)
    models: tuple[Annotated[ModelSetting, _named("id")], ...] = Field(default=(ModelSetting(id=BUNDLED),), min_length=1)
    behaviors: tuple[Annotated[BehaviorSetting, _named("source")], ...] = Field(min_length=1)
    layers: str = "all"
    """`all`, `9,13,17`, `9:18`, `0.33:` (from that depth on), `9+10` (steered together)."""
    strengths: tuple[float, ...] = (-1.0, 1.0)
    scale: Scale = "raw"
    positions: Positions = "all"
    first_token: bool = False
    method: Method = "mean"
    token_position: TokenPosition | Literal["auto"] = "auto"
    balance: Balance = "both_orders"
    split: Split = Split()
    answers: Answers | None = None
    """Whether the models are also asked, and their answers read; None: logits only."""
    seed: int = 0

    @field_validator("layers", mode="before")
    @classmethod
    def _layers_text(cls, value: Any) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        return ",".join(map(str, value)) if isinstance(value, list | tuple) else value

    @field_validator("strengths", mode="before")
    @classmethod
    def _strengths(cls, value: Any) -> Any:
        try:
            strengths = parse_strengths([value] if isinstance(value, int | float) else value)
        except SettingError as error:
            raise ValueError(str(error)) from None
        if not any(strengths):
            raise ValueError("needs at least one strength other than 0, such as [-1, 1]")
        return strengths

    @model_validator(mode="after")
    def _distinct(self) -> Study:
        for kind, names in (
            ("model", [m.label for m in self.models]),
            ("behavior", [b.label for b in self.behaviors]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"the same {kind} is named twice; give one of them a `name` of its own")
        return self

    @model_validator(mode="after")
    def _answers_named(self) -> Study:
        if self.answers is None:
            return self
        for kind, named, known in (
            ("model", self.answers.models, [m.label for m in self.models]),
            ("behavior", self.answers.behaviors, [b.label for b in self.behaviors]),
        ):
            for name in named:
                if name not in known:
                    raise ValueError(
                        f"answers: no {kind} of this study is called {name!r}; they are {', '.join(known)}"
                    )
        return self

    def identity(self, pairs_hashes: list[str]) -> str:
        """Hash of everything that shapes the numbers: the settings and the pairs themselves.

        Not the study's name, the models' groups, nor what is there for planning only.
        """
        beside: Any = {
            "name": True,
            "models": {"__all__": {"groups", "facts"}},
            "behaviors": {"__all__": {"size"}},
        }
        content = self.model_dump(mode="json", exclude=beside) | {"pairs": pairs_hashes}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def make_study(content: Any, source: str = "settings", lines: Mapping[Path_, int] | None = None) -> Study:
    """Validate settings; every problem at once, with its line where there is one.

    Raises:
        SettingError: for unknown keys (with the nearest right one) and wrong values.
    """
    return validate(Study, content, source, lines, _OWNERS)


def read_study(path: Path) -> Study:
    """Read a YAML study file.

    Raises:
        SettingError: when it is missing, is not YAML, or says something wrong.
    """
    content, lines = read_yaml(path, "study file")
    if not isinstance(content, dict):
        raise SettingError(f"{path}: a study file is a mapping of settings, such as `behaviors: [cheerful]`")
    return make_study({"name": path.stem} | content, str(path), lines)


_OWNERS: dict[str, type[BaseModel]] = {
    "": Study,
    "models": ModelSetting,
    "behaviors": BehaviorSetting,
    "split": Split,
    "answers": Answers,
    "facts": ModelFacts,
    "size": PairsSize,
}
