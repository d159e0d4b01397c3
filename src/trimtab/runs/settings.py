"""The study file: what to run, validated key by key with the line it stands on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, field_validator, model_validator

from trimtab.data import Balance
from trimtab.engines import Scoring
from trimtab.errors import SettingError
from trimtab.evaluation import GridScale
from trimtab.models import BUNDLED, TokenPosition
from trimtab.runs.asking import Answers, Judging, Replies, given_layers, given_strengths
from trimtab.runs.checked_yaml import Path_, Strict, read_yaml, validate
from trimtab.runs.checks import (
    Diagnosis,
    DiagnosisSetting,
    Robustness,
    RobustnessSetting,
    SideEffects,
    SideEffectsSetting,
)
from trimtab.runs.model_facts import ModelFacts
from trimtab.runs.model_setting import ModelSetting, Resources, told_apart
from trimtab.steering import Positions
from trimtab.vectors import Method


def _named(key: str) -> BeforeValidator:
    """Allow a bare string for an object that needs no more than its name."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


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


class Study(Strict):
    """Models × behaviors × layers × strengths."""

    name: str = Field(default="study", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)
    models: tuple[Annotated[ModelSetting, _named("id")], ...] = Field(default=(ModelSetting(id=BUNDLED),), min_length=1)
    behaviors: tuple[Annotated[BehaviorSetting, _named("source")], ...] = Field(min_length=1)
    layers: str = "all"
    """`all`, `9,13,17`, `9:18`, `0.33:` (from that depth on), `9+10` (steered together)."""
    strengths: tuple[float, ...] = (-1.0, 1.0)
    scale: GridScale = "raw"
    """`raw`, `relative`, …; `kl`: strengths are how far each cell is to move the model, in nats."""
    positions: Positions = "all"
    first_token: bool = False
    share_strength: bool = False
    """Whether layers steered together, as 9+10, share the strength; else each is pushed by all of it."""
    vector_layer: int | None = Field(default=None, ge=0)
    """Push along this layer's direction at every layer; None: along each layer's own."""
    method: Method = "mean"
    token_position: TokenPosition | Literal["auto"] = "auto"
    balance: Balance = "both_orders"
    split: Split = Split()
    answers: Answers | None = None
    """Whether models are also asked choice questions, and their answers read."""
    replies: Replies | None = None
    """Whether models also reply to open prompts, and their replies are judged."""
    dose: bool = False
    """Whether it is measured how far each cell moves the model on neutral prompts; with the scale `kl` it always is."""
    sweep: bool = True
    """Whether layers and strengths are swept; without, pairs and vectors are diagnosed only."""
    diagnosis: DiagnosisSetting = None
    """Whether pairs and vectors are diagnosed."""
    side_effects: SideEffectsSetting = None
    """Whether it is measured what else the vectors move."""
    robustness: RobustnessSetting = None
    """Whether effects are measured under other ways of asking."""
    seed: int = 0
    folder: Path = Field(default=Path(), exclude=True)
    """Where relative paths begin; the current folder by default. Shapes no number, so it is no part of the identity."""

    _models = field_validator("models")(told_apart)
    _layers = field_validator("layers", mode="before")(given_layers)
    _strengths = field_validator("strengths", mode="before")(given_strengths)

    @model_validator(mode="after")
    def _shareable(self) -> Study:
        for scale in (self.scale, self.replies.scale if self.replies else None):
            if self.share_strength and scale in ("clamp", "project_out"):
                raise ValueError(f"share_strength: the scale {scale} sets a projection, which layers cannot share")
        return self

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
    def _sweeps_what_it_asks(self) -> Study:
        asked = [key for key in ("answers", "replies", "side_effects", "robustness") if getattr(self, key) is not None]
        if not self.sweep and asked:
            raise ValueError(f"{asked[0]} needs the sweep: leave `sweep: false` out")
        if not self.sweep and self.diagnosis is not None and self.diagnosis.methods:
            raise ValueError("diagnosis: methods are compared on a sweep: leave `sweep: false` out")
        return self

    @model_validator(mode="after")
    def _asked_are_named(self) -> Study:
        models, behaviors = [m.label for m in self.models], [b.label for b in self.behaviors]
        for key, asking in (
            ("answers", self.answers),
            ("replies", self.replies),
            ("diagnosis", self.diagnosis),
            ("side_effects", self.side_effects),
            ("robustness", self.robustness),
        ):
            if asking is not None:
                asking.check_names(key, models, behaviors)
        return self

    def identity(self, pairs_hashes: list[str]) -> str:
        """Hash of everything that shapes the numbers: the settings and the pairs themselves.

        Not the study's name, the models' groups, how an engine is spread over a machine, nor what is there for
        planning only; nor who judges replies, how cells are searched and by how many prompts, whether doses are
        measured, and what is checked: that adds to a run.
        """
        beside: Any = {
            "name": True,
            "models": {"__all__": {"engine_options", "resources", "groups", "facts"}},
            "behaviors": {"__all__": {"size"}},
            "replies": {"judges", "search", "floor", "prompts"},
            "dose": True,
            "sweep": True,
            "diagnosis": True,
            "side_effects": True,
            "robustness": True,
        }
        content = self.model_dump(mode="json", exclude=beside) | {"pairs": pairs_hashes}
        # Only where there are any: most studies are as they were.
        if shaping := [model.shaping for model in self.models if model.shaping]:
            content["engine_options"] = shaping
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def require_names_of_their_own(names: Sequence[str]) -> None:
    """Refuse behaviors of one name, such as two files that are called alike: their results could not be told apart.

    Raises:
        SettingError: with the name.
    """
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"two behaviors are called {name!r}; give one of them a `name` of its own")


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
    "replies": Replies,
    "diagnosis": Diagnosis,
    "side_effects": SideEffects,
    "robustness": Robustness,
    "judges": Judging,
    "facts": ModelFacts,
    "resources": Resources,
    "size": PairsSize,
}
