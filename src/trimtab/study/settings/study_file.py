"""The study file: what to run, validated key by key with the line it stands on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    create_model,
    field_validator,
    model_serializer,
    model_validator,
)

from trimtab.data import Balance
from trimtab.errors import SettingError
from trimtab.inputs.yaml_text import Place
from trimtab.models import BUNDLED, ExamplePosition, TokenPosition
from trimtab.monitors import PromptCondition
from trimtab.steering import DEFAULT_SCALE, SCALES, SteeringOptions, SteeringSetting, usual_strengths
from trimtab.steering.scales.percentiles import PERCENTILE_OF
from trimtab.store.model_facts import ModelFacts
from trimtab.store.yaml_file import read_yaml, validate
from trimtab.study.measures.answers.settings import Answers
from trimtab.study.measures.baselines.settings import Baselines
from trimtab.study.measures.diagnosis.settings import Diagnosis
from trimtab.study.measures.projection.settings import OnByItself, Projections
from trimtab.study.measures.registry import MEASURES
from trimtab.study.measures.replies.settings import Replies
from trimtab.study.measures.robustness.settings import Robustness
from trimtab.study.measures.settings import MeasureSettings, Switched
from trimtab.study.measures.side_effects.settings import SideEffects
from trimtab.study.settings._push_checks import require_bounds, require_condition
from trimtab.study.settings.behavior_setting import BehaviorSetting, PairsSize, Split
from trimtab.study.settings.bound_setting import Bound, named_bound, percentiles_of
from trimtab.study.settings.cell_settings import Layers, Strengths
from trimtab.study.settings.identity import ADDS, NO_NUMBERS, SHAPES, Marked, Shapes, shaping_part
from trimtab.study.settings.model_setting import ModelSetting, Resources, with_distinct_names
from trimtab.study.settings.names import AggregationName, PositionsText, ScaleName, require_trainable
from trimtab.study.settings.when_setting import When

MAX_SEED = 2**32 - 1


def _named(key: str) -> BeforeValidator:
    """Allow a bare string for an object that needs no more than its name."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, str) else value)


class Study(Marked):
    """Models × behaviors × layers × strengths, and what is measured of them.

    The keys of measures that other packages register are added by `make_study`; see `Study.measures`.
    """

    name: Annotated[str, NO_NUMBERS] = Field(default="study", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=80)
    models: Annotated[tuple[Annotated[ModelSetting, _named("id")], ...], SHAPES] = Field(
        default=(ModelSetting(id=BUNDLED),), min_length=1
    )
    behaviors: Annotated[tuple[Annotated[BehaviorSetting, _named("source")], ...], SHAPES] = Field(min_length=1)
    layers: Annotated[Layers, SHAPES] = "all"
    """`all`, `9,13,17`, `9:18`, `0.33:` (from that depth on), `9+10` (steered together)."""
    strengths: Annotated[Strengths, SHAPES] = usual_strengths(DEFAULT_SCALE)
    """By default what is usual for the scale: ±0.1 for `relative`, ±1 for `raw`."""
    bound: Annotated[Bound | None, BeforeValidator(named_bound), Shapes(unless=None)] = None
    """In place of strengths, with `scale: cap` or `floor`: percentiles of each layer's projections, such as `p25`."""
    scale: Annotated[ScaleName, SHAPES] = DEFAULT_SCALE
    """`relative`, `raw`, …; `kl`: each strength is a KL divergence from the unsteered model, in nats."""
    positions: Annotated[PositionsText, SHAPES] = "all"
    """`all`, `after_prompt`, `prompt`, `generated`, `first:8`, `after:8`, `thinking`, `response`, `tokens:3,-1`."""
    first_token: Annotated[bool, SHAPES] = False
    """Steer the first token, the attention sink, too."""
    share_strength: Annotated[bool, SHAPES] = False
    """Divide the strength among layers steered together, as 9+10; else each is pushed by all of it."""
    vector_layer: Annotated[int | None, SHAPES] = Field(default=None, ge=0)
    """Push along this layer's direction at every layer; None: along each layer's own."""
    when: Annotated[When | None, _named("monitor"), Shapes(unless=None)] = None
    """Push only texts whose prompt this monitor scores above a threshold: a file, or `{monitor: FILE, above: 0.8}`."""
    method: Annotated[AggregationName, SHAPES] = "mean"
    training: Annotated[dict[str, bool | int | float | str], Shapes(unless={})] = Field(default_factory=dict)
    """Of trained methods, such as `ssv`: `{steps: 100, norm_bound: 0.3}`; see docs/choosing.md."""
    token_position: Annotated[TokenPosition | ExamplePosition | Literal["auto"], SHAPES] = "auto"
    balance: Annotated[Balance, SHAPES] = "both_orders"
    split: Annotated[Split, SHAPES] = Split()
    sweep: Annotated[bool, ADDS] = True
    """Score every held-out pair in every cell; without, only pairs and vectors are diagnosed."""
    dose: Annotated[bool, ADDS] = False
    """Measure how far each cell moves the model on neutral prompts; always done with the scale `kl`."""
    answers: Annotated[Answers | None, Switched, SHAPES] = None
    replies: Annotated[Replies | None, Switched, SHAPES] = None
    projection: Annotated[Projections | None, SerializeAsAny(), OnByItself, ADDS] = None
    """Project held-out examples on the vector; None: only where a behavior has no pairs that could be scored."""
    diagnosis: Annotated[Diagnosis | None, Switched, ADDS] = None
    side_effects: Annotated[SideEffects | None, Switched, ADDS] = None
    robustness: Annotated[Robustness | None, Switched, ADDS] = None
    baselines: Annotated[Baselines | None, Switched, ADDS] = None
    seed: Annotated[int, SHAPES] = Field(default=0, ge=0, le=MAX_SEED)
    folder: Annotated[Path, NO_NUMBERS] = Field(default=Path(), exclude=True)
    """The folder that relative paths begin at; the current one by default."""

    _models = field_validator("models")(with_distinct_names)

    @property
    def measures(self) -> dict[str, MeasureSettings]:
        """The settings of everything that is measured beside the sweep, by the key in the study file."""
        given = ((name, getattr(self, name, None)) for name in MEASURES.names())
        return {name: settings for name, settings in given if isinstance(settings, MeasureSettings)}

    @model_validator(mode="before")
    @classmethod
    def _usual_strengths(cls, content: Any) -> Any:
        """Without strengths, those that are usual for the scale that was given; with a bound its percentiles."""
        if isinstance(content, Mapping) and (percentiles := percentiles_of(content)) is not None:
            given = content.get("strengths", percentiles)  # a study that is read again has them
            if not isinstance(given, list | tuple) or tuple(given) != percentiles:
                raise ValueError("bound: it says how far, in place of strengths; leave strengths out")
            return {**content, "strengths": percentiles}
        if not isinstance(content, Mapping) or "strengths" in content or content.get("scale") not in SCALES.names():
            return content
        return {**content, "strengths": usual_strengths(content["scale"])}

    @model_validator(mode="after")
    def _shareable(self) -> Study:
        for scale in self.scales:
            if self.share_strength and not SCALES.get(scale).shares_strength:
                raise ValueError(f"share_strength: the scale {scale} sets a projection, which layers cannot share")
        return self

    @model_validator(mode="after")
    def _along_a_direction(self) -> Study:
        """Refuse comparisons of directions where the push has none."""
        comparing = {
            "baselines": self.baselines is not None,
            "side_effects: random directions (leave them out with random: 0)": getattr(self.side_effects, "random", 0),
            "diagnosis: methods": getattr(self.diagnosis, "methods", False),
        }
        for scale in self.scales:
            for asked in (key for key, wanted in comparing.items() if wanted and SCALES.get(scale).per_neuron):
                raise ValueError(f"{asked}: the scale {scale} uses no direction, so vectors of all methods push alike")
        return self

    @model_validator(mode="after")
    def _pushable(self) -> Study:
        require_bounds(self)
        require_condition(self)
        return self

    @property
    def condition(self) -> PromptCondition | None:
        """The condition on the prompt under which texts are pushed; None: always.

        Raises:
            VectorError: When its file is missing or damaged.
        """
        return None if self.when is None else self.when.condition(self.folder)

    @property
    def scales(self) -> tuple[str, ...]:
        """The scales by which the study steers."""
        return (self.scale,) if self.replies is None or self.replies.scale is None else (self.scale, self.replies.scale)

    @model_validator(mode="after")
    def _trainable(self) -> Study:
        in_vllm = [model.label for model in self.models if model.by_requests]
        require_trainable(self.method, self.training, self.training_settings, in_vllm)
        return self

    @property
    def training_settings(self) -> dict[str, Any]:
        """Of a trained method: those of the study file, and the positions at which the study steers."""
        return {"positions": self.positions, "first_token": self.first_token, **self.training}

    @model_validator(mode="after")
    def _distinct(self) -> Study:
        for kind, names in (
            ("model", [m.label for m in self.models]),
            ("behavior", [b.label for b in self.behaviors]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"the same {kind} is named twice; give one of them its own `name`")
        return self

    @model_validator(mode="after")
    def _measurable(self) -> Study:
        models, behaviors = [m.label for m in self.models], [b.label for b in self.behaviors]
        for key, settings in self.measures.items():
            settings.check_study(key, sweep=self.sweep)
            settings.check_names(key, models, behaviors)
        return self

    def steering(self, scale: str | None = None) -> SteeringSetting:
        """How vectors are pushed with in the sweep; with another scale, as replies may have.

        Raises:
            VectorError: When the file of its condition on the prompt is missing or damaged.
        """
        options = {name: getattr(self, name) for name in SteeringOptions.__annotations__}
        if self.bound is not None:
            options["scale"] = PERCENTILE_OF[self.scale]
        how = SteeringSetting.from_mapping(options if scale is None else options | {"scale": scale})
        return how if self.condition is None else replace(how, gate=self.condition.gate)

    def identity(self, pairs_hashes: list[str]) -> str:
        """Hash of everything that shapes the numbers: the settings marked `SHAPES`, and the pairs themselves."""
        content = shaping_part(self) | {"pairs": pairs_hashes}
        # Only where there are any: most studies are as they were.
        if shaping := [model.shaping for model in self.models if model.shaping]:
            content["engine_options"] = shaping
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @model_serializer(mode="wrap")
    def _without_unused_keys(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out measures of other packages that are not used, so that who lacks these packages reads the rest."""
        return without_unused_measures(dump(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as settings: a class with keys of other packages has no place that another process could import."""
        return make_study, ({**self.model_dump(mode="json"), "folder": self.folder},)


def without_unused_measures(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a study without the keys of other packages that hold nothing."""
    return {key: value for key, value in settings.items() if value is not None or key in Study.model_fields}


def study_type() -> type[Study]:
    """The settings of a study with a key for every registered measure."""
    return _with_keys(tuple((name, MEASURES.get(name).settings) for name in _other_measures()))


def _other_measures() -> list[str]:
    """Names of the measures of other packages.

    Raises:
        SettingError: When one is called like a key of `Study` itself.
    """
    names = [name for name in MEASURES.names() if name not in MEASURES.built_in]
    if taken := [name for name in names if name in Study.model_fields or hasattr(Study, name)]:
        raise SettingError(f"the measure {taken[0]!r} has the name of a key of every study; give it another one")
    return names


@cache
def _with_keys(measures: tuple[tuple[str, type[MeasureSettings]], ...]) -> type[Study]:
    if not measures:
        return Study
    keys: dict[str, Any] = {name: (Annotated[settings | None, Switched, ADDS], None) for name, settings in measures}
    return create_model("Study", __base__=Study, __module__=__name__, **keys)


def require_names_of_their_own(names: Sequence[str]) -> None:
    """Refuse behaviors of one name, such as two files of one name: their results could not be distinguished.

    Raises:
        SettingError: with the name.
    """
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"two behaviors are called {name!r}; give one of them its own `name`")


def make_study(content: Any, source: str = "settings", lines: Mapping[Place, int] | None = None) -> Study:
    """Validate settings; every problem at once, with its line where there is one.

    Raises:
        SettingError: For unknown keys (with the nearest right one) and wrong values.
    """
    kind = study_type()
    return validate(kind, content, source, lines, _owners(kind))


def read_study(path: str | Path) -> Study:
    """Read a YAML study file.

    Raises:
        SettingError: When it is missing, is not YAML, or holds a wrong setting.
    """
    path = Path(path)
    content, lines = read_yaml(path, "study file")
    if not isinstance(content, dict):
        raise SettingError(f"{path}: a study file is a mapping of settings, such as `behaviors: [cheerful]`")
    return make_study({"name": path.stem} | content, str(path), lines)


def _owners(kind: type[Study]) -> dict[str, type[BaseModel]]:
    """The settings class under each key, "" for the top; for naming the nearest right key."""
    built_in: dict[str, type[BaseModel]] = {
        "": kind,
        "models": ModelSetting,
        "behaviors": BehaviorSetting,
        "split": Split,
        "when": When,
        "bound": Bound,
        "facts": ModelFacts,
        "resources": Resources,
        "size": PairsSize,
    }
    measures = (name for name in MEASURES.names() if name in kind.model_fields)
    return built_in | {name: settings for name in measures if (settings := MEASURES.get(name).settings)}
