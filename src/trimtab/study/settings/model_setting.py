"""One model of a study file: which one, what runs it, and how much of a cluster it takes."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from trimtab.engines import DEFAULT_ENGINE, ENGINES, EngineType
from trimtab.errors import SettingError, TrimtabError
from trimtab.models import Asking, DType, SystemRole, Template, Thinking, gpus_of
from trimtab.store.model_facts import Groups, ModelFacts
from trimtab.store.yaml_file import Strict
from trimtab.study.settings.identity import NO_NUMBERS, SHAPES, Marked, Shapes
from trimtab.study.settings.names import EngineName


class Resources(Strict):
    """What a model takes of a cluster while models run in parallel; without Ray it takes what there is."""

    gpus: float | None = Field(default=None, ge=0)
    """By default as many as the model is divided over, or one; none where there are none."""
    cpus: float = Field(default=1, gt=0)
    workers: int | None = Field(default=None, ge=1)
    """Processes that share its sweeps, each with these resources; by default as many as the run is given."""

    @field_validator("gpus", "cpus")
    @classmethod
    def _whole(cls, value: float | None) -> float | None:
        if value is not None and value > 1 and value != int(value):
            raise ValueError("a part of one or a whole number of them")
        return value


class ModelSetting(Marked):
    """One model of a study."""

    id: Annotated[str, SHAPES]
    """The bundled name, a hub id, a folder or a `.gguf` file."""
    name: Annotated[str, SHAPES] = ""
    """The name in tables and charts; the id by default."""
    dtype: Annotated[DType, SHAPES] = "auto"
    device: Annotated[str | dict[str, str | int], SHAPES] = "auto"
    """A device, a way of spreading layers over several, or a device for each part by its name."""
    quantization: Annotated[str | dict[str, Any], Shapes(unless="")] = ""
    """A format of fewer bits for the weights, such as bnb-4bit, or the settings of one that transformers has."""
    stream: Annotated[bool | None, NO_NUMBERS] = None
    """Whether its layers are read from its files as they are needed; by default where they do not fit into memory."""
    tensor_parallel: Annotated[int, Shapes(unless=1)] = Field(default=1, ge=1)
    """Over how many processes each of its layers is divided, one GPU each."""
    engine: Annotated[EngineName, SHAPES] = DEFAULT_ENGINE
    """The engine that runs it."""
    engine_options: Annotated[dict[str, Any], NO_NUMBERS] = Field(default={})
    """Options of the engine, such as {tensor_parallel_size: 8}; `shaping` are those that numbers depend on."""
    template: Annotated[Template, Shapes(unless="chat")] = "chat"
    """`chat`: prompts are put into the chat template; `none`: they are text as they are."""
    thinking: Annotated[Thinking, Shapes(unless="off")] = "off"
    """Whether a model that can think before it replies does."""
    system_role: Annotated[SystemRole, Shapes(unless="system")] = "system"
    """`user`: system prompts stand at the beginning of the first user message."""
    resources: Annotated[Resources, NO_NUMBERS] = Resources()
    groups: Annotated[Groups, NO_NUMBERS] = Field(default={})
    """For comparing models, such as {training: distilled}."""
    facts: Annotated[ModelFacts, NO_NUMBERS] = ModelFacts()
    """For planning where the model's configuration cannot be reached."""

    @property
    def label(self) -> str:
        """The name in tables and file names."""
        return self.name or self.id

    @property
    def asking(self) -> Asking:
        """How it is asked."""
        return Asking(self.template, self.thinking, self.system_role)

    @property
    def load_options(self) -> dict[str, Any]:
        """Arguments of `trimtab.load`, beside which model."""
        return {
            "dtype": self.dtype,
            "device": self.device,
            "quantization": self.quantization,
            "stream": self.stream,
            "tensor_parallel": self.tensor_parallel > 1,
            "engine": self.engine,
            "engine_options": self.engine_options,
            **asdict(self.asking),
        }

    @property
    def shaping(self) -> dict[str, Any]:
        """Engine options that numbers depend on, such as a quantization, with the model they are of."""
        given = {
            name: value for name, value in self.engine_options.items() if name not in self._engine.placement_options
        }
        return {"model": self.label, **given} if given else {}

    @property
    def divided(self) -> int:
        """Over how many GPUs."""
        if (named := gpus_of(self.device)) is not None:
            return named
        if self.tensor_parallel > 1:
            return self.tensor_parallel
        return math.prod(int(self.engine_options.get(name, 1)) for name in self._engine.split_options)

    @property
    def by_requests(self) -> bool:
        """Whether every cell of every text is a request that runs all of its tokens."""
        return self._engine.by_requests

    @property
    def _engine(self) -> EngineType:
        return ENGINES.get(self.engine)

    def _check_division(self) -> None:
        if self.tensor_parallel == 1:
            return
        if self.engine != DEFAULT_ENGINE:
            raise SettingError(f"tensor_parallel is of the default engine; for {self.engine}, use its engine_options")
        if self.device != "auto" or self.quantization or self.stream:
            raise SettingError(
                "tensor_parallel: each process takes its own GPU; leave out device, quantization, stream"
            )

    def require_engine(self, *, here: bool) -> None:
        """Refuse options that this model's engine cannot be started with, before anything is computed.

        Args:
            here: whether it runs in this environment; for another one the engine need not be installed here.

        Raises:
            SettingError: for options that it does not have.
            ModelError: when it is not installed.
        """
        try:
            if here:
                self._engine.require_installed()
            self._engine.check_options(self.engine_options)
        except TrimtabError as error:
            raise type(error)(f"{self.label}: {error}") from None

    @model_validator(mode="after")
    def _possible(self) -> ModelSetting:
        try:
            if self.engine == DEFAULT_ENGINE:
                self._engine.check_options(self.engine_options)
            self._engine.check_placement(self.device, quantization=self.quantization)
            self._engine.check_stream(self.stream)
            if self.stream and self.quantization:
                raise SettingError("a streamed model cannot be quantized when it is loaded; leave one of them out")
            self._check_division()
        except SettingError as error:
            raise ValueError(str(error)) from None
        for name in self._engine.split_options:
            count = self.engine_options.get(name, 1)
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"engine_options: {name} is a number from 1 on, not {count!r}")
        return self


def with_distinct_names(models: tuple[ModelSetting, ...]) -> tuple[ModelSetting, ...]:
    """The models of a study; one in another engine gets a name of its own where the default engine runs it too."""
    engines = {(model.label, model.engine) for model in models}
    return tuple(
        model.model_copy(update={"name": f"{model.id} ({model.engine})"})
        if model.engine != DEFAULT_ENGINE and not model.name and (model.id, DEFAULT_ENGINE) in engines
        else model
        for model in models
    )
