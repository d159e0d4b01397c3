"""`recommended.yaml`: the setting to use of each model and behavior of a run, and what was measured at it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, field_validator, model_validator

from trimtab._util.atomic_files import write_whole
from trimtab.errors import RunError, SettingError
from trimtab.monitors import PromptCondition
from trimtab.steering import (
    Positions,
    SteeringOptions,
    SteeringSetting,
    check_strength,
    layers_label,
    parse_positions,
)
from trimtab.store.yaml_file import Strict, read_yaml, validate
from trimtab.study.settings.model_setting import ModelSetting
from trimtab.study.settings.names import ScaleName
from trimtab.study.settings.when_setting import When

RECOMMENDED = "recommended.yaml"
"""Its name in a run folder."""
LAYOUT: Literal["trimtab-recommended-1"] = "trimtab-recommended-1"

_ABOUT = """\
# The settings that this run recommends; chat, bake, vectors export, hub push and others take them from here (--run).
# layers, strength, scale (the unit of the strength), positions and the rest may be changed by hand; commands then say
# that something else was measured, which stays below `measured`.
"""


class Pushed(Strict):
    """Everything that a push is made of, beside the model."""

    vector: str = Field(min_length=1)
    """File of the vector; a relative path begins at the folder of the file."""
    layers: tuple[int, ...] = Field(min_length=1)
    """Steered together if several."""
    strength: float
    scale: ScaleName
    positions: Positions
    first_token: bool
    share_strength: bool
    vector_layer: int | None
    when: When | None = None
    """The condition on the prompt; a relative path of its monitor begins at the folder of the file, too."""

    @field_validator("layers")
    @classmethod
    def _different(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if min(layers) < 0 or len(set(layers)) < len(layers):
            raise ValueError("are different layers, counted from 0")
        return layers

    @field_validator("strength")
    @classmethod
    def _a_push(cls, strength: float) -> float:
        try:
            check_strength(strength)
        except SettingError as error:
            raise ValueError(str(error)) from None
        if not strength:
            raise ValueError("is 0, which pushes nothing")
        return strength

    @field_validator("positions")
    @classmethod
    def _known_positions(cls, positions: str) -> str:
        try:
            return parse_positions(positions).text
        except SettingError as error:
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _possible(self) -> Pushed:
        try:
            _ = self._options
        except SettingError as error:
            raise ValueError(f"scale: {error}") from None
        return self

    def condition(self, folder: Path) -> PromptCondition | None:
        """The condition on the prompt under which is pushed; None: always.

        Args:
            folder: That of the file.

        Raises:
            VectorError: When the file of its monitor is missing or damaged.
        """
        return None if self.when is None else self.when.condition(folder)

    def steering(self, folder: Path) -> SteeringSetting:
        """Scale, positions and the other options, the condition among them; as `condition`."""
        condition = self.condition(folder)
        return self._options if condition is None else replace(self._options, gate=condition.gate)

    @property
    def _options(self) -> SteeringSetting:
        return SteeringSetting.from_mapping({name: getattr(self, name) for name in SteeringOptions.__annotations__})

    def changes(self, measured: Pushed) -> str:
        """What is other than in `measured`, in words; empty where nothing is."""
        here, there = (_shown(one) for one in (self, measured))
        return ", ".join(f"{name} {here[name]} instead of {there[name]}" for name in here if here[name] != there[name])


class Effect(Strict):
    """What was measured at a setting."""

    measure: str
    unit: str
    change: float
    low: float | None
    """Of the 95% interval; null where there are too few prompts for one."""
    high: float | None


class MeasuredSetting(Strict):
    """A setting as the run chose it, and what it measured there."""

    at: Pushed
    chosen_by: Literal["replies", "scores"]
    judge: str = ""
    """Whose judgements chose it, where replies did."""
    effect: Effect
    prompts: int
    held_out: bool
    """Whether these prompts are others than those that chose the setting; if not, the effect is optimistic."""
    statement: str
    """The verdict of the report."""
    quality: dict[str, float] = Field(default_factory=dict)
    """Coherence, fluency and on-topic of the replies there, of 10, as far as they were measured; and unsteered."""


class RecommendedSetting(Pushed):
    """The setting to use for one behavior in one model."""

    behavior: str
    model: str
    """Its name in the run."""
    load: ModelSetting
    """What to load, and how."""
    measured: MeasuredSetting | None = None
    """null for a setting that was added by hand."""
    warnings: tuple[str, ...] = ()

    @property
    def edited(self) -> str:
        """How the setting differs from the one that was measured, in words; empty where it does not."""
        if self.measured is None:
            return "nothing was measured at it"
        changes = self.changes(self.measured.at)
        return f"{changes}; the run measured the latter" if changes else ""


class WithoutSetting(Strict):
    """A behavior in a model for which the run recommends nothing."""

    behavior: str
    model: str
    statement: str


class RecommendedFile(Strict):
    """What `recommended.yaml` says."""

    format: Literal["trimtab-recommended-1"]
    tables: str
    """Hash of what the run held when this was computed; see `tables_hash`."""
    settings: tuple[RecommendedSetting, ...]
    none_shown: tuple[WithoutSetting, ...] = ()
    """Behaviors and models with no setting that is shown to work."""

    @model_validator(mode="after")
    def _each_once(self) -> RecommendedFile:
        names = [(one.behavior, one.model) for one in self.settings]
        for behavior, model in names:
            if names.count((behavior, model)) > 1:
                raise ValueError(f"settings: {behavior} in {model} stands twice; keep one")
        return self


def read_recommended(path: Path) -> RecommendedFile:
    """What a `recommended.yaml` says.

    Raises:
        SettingError: When it is missing, no YAML, or says something that cannot be; with its lines.
    """
    content, lines = read_yaml(path, RECOMMENDED)
    if not isinstance(content, dict) or content.get("format") != LAYOUT:
        said = str(content.get("format"))[:40] if isinstance(content, dict) else type(content).__name__
        line = f":{lines[('format',)]}" if ("format",) in lines else ""
        raise SettingError(f"{path}{line}: format is {said}, not {LAYOUT}: no {RECOMMENDED} of this version")
    return validate(RecommendedFile, content, str(path), lines, _OWNERS)


def write_recommended(found: RecommendedFile, folder: Path) -> None:
    """Write the file into a run folder, whole or not at all.

    Raises:
        RunError: When it cannot be written.
    """
    content = found.model_dump(mode="json")
    content["settings"] = [_entry(one) for one in found.settings]
    text = yaml.dump(
        content, Dumper=_Writer, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )  # fmt: skip
    write_whole(folder / RECOMMENDED, (_ABOUT + text).encode(), inside=folder, error=RunError)


def finite(value: Any) -> float | None:
    """A number as files have it, in six digits: NaN is null."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _shown(pushed: Pushed) -> Mapping[str, str]:
    """Each part of a push as a person writes it."""
    return {
        "vector": pushed.vector,
        "layer": layers_label(pushed.layers),
        "strength": f"{pushed.strength:+g}",
        "scale": pushed.scale,
        "positions": pushed.positions,
        "first_token": str(pushed.first_token).lower(),
        "share_strength": str(pushed.share_strength).lower(),
        "vector_layer": "own" if pushed.vector_layer is None else str(pushed.vector_layer),
        "when": "always" if pushed.when is None else pushed.when.in_words(),
    }


def _entry(setting: RecommendedSetting) -> dict[str, Any]:
    """A setting with its name first, and what fits beside each other in one line."""
    content = _without_none(setting.model_dump(mode="json"), "when")
    content["load"] = setting.load.model_dump(mode="json", exclude_defaults=True)
    content["warnings"] = _Lines(content["warnings"])
    if content["measured"] is not None:
        measured = {key: value for key, value in content["measured"].items() if value not in ("", {})}
        content["measured"] = {**measured, "at": _Beside(_without_none(measured["at"], "when"))}
    return {"behavior": setting.behavior, "model": setting.model, **content}


def _without_none(content: dict[str, Any], name: str) -> dict[str, Any]:
    """Without a key that says nothing, so that versions before it read the file."""
    return {key: value for key, value in content.items() if key != name or value is not None}


class _Lines(list[str]):
    """Texts that stand one a line."""


class _Beside(dict[str, Any]):
    """Names and values that stand in one line."""


class _Writer(yaml.SafeDumper):
    """Sentences one a line, numbers and names beside each other."""


_Writer.add_representer(
    _Lines, lambda writer, texts: writer.represent_sequence("tag:yaml.org,2002:seq", texts, flow_style=not texts)
)
_Writer.add_representer(
    _Beside, lambda writer, names: writer.represent_mapping("tag:yaml.org,2002:map", names, flow_style=True)
)

_OWNERS: Mapping[str, type[BaseModel]] = {
    "": RecommendedFile, "settings": RecommendedSetting, "load": ModelSetting, "measured": MeasuredSetting,
    "at": Pushed, "when": When, "effect": Effect, "none_shown": WithoutSetting,
}  # fmt: skip
