"""One model of a study file: which one, what runs it, and how much of a cluster it takes."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from trimtab.engines import EngineName
from trimtab.errors import TrimtabError
from trimtab.models import DType
from trimtab.runs.checked_yaml import Strict
from trimtab.runs.model_facts import Groups, ModelFacts

_SPREADING = (
    "tensor_parallel_size", "pipeline_parallel_size", "enable_expert_parallel", "distributed_executor_backend",
    "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization", "kv_cache_memory_bytes",
    "block_size", "enable_prefix_caching", "enforce_eager", "cpu_offload_gb", "rows",
)  # fmt: skip
"""Engine options that say how a model is spread over a machine and how much of it it takes; others shape numbers."""

_SPLITS = ("tensor_parallel_size", "pipeline_parallel_size")
"""Engine options that say over how many GPUs vLLM divides a model."""


class Resources(Strict):
    """What a model takes of a cluster while models run side by side; without Ray it takes what there is."""

    gpus: float | None = Field(default=None, ge=0)
    """By default as many as the model is divided over, or one; none where there are none."""
    cpus: float = Field(default=1, gt=0)

    @field_validator("gpus", "cpus")
    @classmethod
    def _whole(cls, value: float | None) -> float | None:
        if value is not None and value > 1 and value != int(value):
            raise ValueError("a part of one or a whole number of them")
        return value


class ModelSetting(Strict):
    """One model of a study."""

    id: str
    """The bundled name, a hub id, a folder or a `.gguf` file."""
    name: str = ""
    """What tables and charts call it; the id by default."""
    dtype: DType = "auto"
    device: str = "auto"
    engine: EngineName = "transformers"
    """What runs it."""
    engine_options: dict[str, Any] = Field(default={})
    """Arguments of vLLM, such as {tensor_parallel_size: 8}."""
    resources: Resources = Resources()
    groups: Groups = Field(default={})
    """For comparing models, such as {training: distilled}; no number of a run depends on them."""
    facts: ModelFacts = ModelFacts()
    """For planning where the model's configuration cannot be reached."""

    @property
    def label(self) -> str:
        """The name in tables and file names."""
        return self.name or self.id

    @property
    def shaping(self) -> dict[str, Any]:
        """Engine options that numbers depend on, such as a quantization, with the model they are of."""
        given = {name: value for name, value in self.engine_options.items() if name not in _SPREADING}
        return {"model": self.label, **given} if given else {}

    @property
    def divided(self) -> int:
        """Over how many GPUs."""
        tensor, pipeline = (int(self.engine_options.get(name, 1)) for name in _SPLITS)
        return tensor * pipeline

    def require_engine(self, *, here: bool) -> None:
        """Refuse what this model's engine could not be started with, before anything is computed.

        Args:
            here: whether it is to run in this environment; elsewhere vLLM need not be installed here.

        Raises:
            SettingError: for options that it does not have.
            ModelError: when it is not installed.
        """
        if self.engine != "vllm":
            return
        from trimtab.engines.vllm.options import check_options, require_vllm

        try:
            if here:
                require_vllm()
            check_options(self.engine_options)
        except TrimtabError as error:
            raise type(error)(f"{self.label}: {error}") from None

    @model_validator(mode="after")
    def _possible(self) -> ModelSetting:
        if self.engine == "transformers" and self.engine_options:
            raise ValueError("engine_options: the default engine has none; write `engine: vllm` too")
        if self.engine == "vllm" and self.device != "auto":
            raise ValueError("device: vLLM finds its devices itself; leave it out")
        for name in _SPLITS:
            count = self.engine_options.get(name, 1)
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"engine_options: {name} is a number from 1 on, not {count!r}")
        return self


def told_apart(models: tuple[ModelSetting, ...]) -> tuple[ModelSetting, ...]:
    """The models of a study, those that vLLM runs named so where the same runs on the other engine as well."""
    engines = {(model.label, model.engine) for model in models}
    return tuple(
        model.model_copy(update={"name": f"{model.id} (vllm)"})
        if model.engine == "vllm" and not model.name and (model.id, "transformers") in engines
        else model
        for model in models
    )
