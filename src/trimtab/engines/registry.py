"""Engines: what can run a model, by name.

An engine from outside this package is a subclass of `EngineType`, registered with `ENGINES.register` or by an entry
point in the group `trimtab.engines`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from trimtab._util.registry import Entry, Registry
from trimtab.errors import SettingError
from trimtab.models import Device, DType, Identity, Quantization

if TYPE_CHECKING:
    from trimtab.engines.base import Engine

DEFAULT_ENGINE = "transformers"


@dataclass(frozen=True)
class LoadOptions:
    """How a model is loaded; the arguments of `trimtab.load`."""

    dtype: DType = "auto"
    device: Device = "auto"
    memory_bytes: int | None = None
    trust_remote_code: bool = False
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    quantization: Quantization = ""
    stream: bool | None = None
    tensor_parallel: bool = False


class EngineType(ABC):
    """What is known of an engine before it runs: what it takes, and how it is started. Importing it is cheap."""

    name: ClassVar[str]
    by_requests: ClassVar[bool] = False
    """Whether every cell of every text is a request that runs all of its tokens; else cells share passes."""
    placement_options: ClassVar[tuple[str, ...]] = ()
    """Engine options for how a model is spread over a machine and how much it takes of it; others shape numbers."""
    split_options: ClassVar[tuple[str, ...]] = ()
    """Engine options that say over how many GPUs the model is divided; each a number, their product the GPUs."""
    streams: ClassVar[bool] = False
    """Whether it can run a model whose layers are read from its files as they are needed."""

    def require_installed(self) -> None:  # noqa: B027  # what trimtab depends on anyway is installed
        """Refuse an engine that is not installed here.

        Raises:
            ModelError: With what to install.
        """

    @abstractmethod
    def check_options(self, engine_options: Mapping[str, Any]) -> None:
        """Refuse engine options that it does not have; as far as that can be known where it is not installed.

        Raises:
            SettingError: For the first of them.
        """

    def check_placement(  # noqa: B027  # most take any
        self, device: Device, memory_bytes: int | None = None, quantization: Quantization = ""
    ) -> None:
        """Refuse a device, a memory limit or a quantization where the engine finds them itself.

        Raises:
            SettingError: With what to leave out.
        """

    def check_stream(self, stream: bool | None) -> None:
        """Refuse to stream a model where the engine holds all of it.

        Raises:
            SettingError: With what to leave out.
        """
        if stream and not self.streams:
            raise SettingError(f"stream is of the default engine; {self.name} holds the whole model: leave it out")

    @abstractmethod
    def start(self, name: str, options: LoadOptions) -> tuple[Identity, Engine]:
        """Load a model; what the engine holds outside of this process ends with `Engine.close`.

        Raises:
            ModelError: When the model cannot be found, read or understood, or the engine is not installed.
            SettingError: For options that cannot be.
        """


ENGINES: Registry[EngineType] = Registry(
    "engine",
    "trimtab.engines",
    {
        "transformers": Entry(
            "trimtab.engines.transformers.transformers_type:TRANSFORMERS", "transformers in this process, any device."
        ),
        "vllm": Entry("trimtab.engines.vllm.vllm_type:VLLM", "vLLM, for larger models and amounts of work."),
    },
)
"""Every engine by name."""
