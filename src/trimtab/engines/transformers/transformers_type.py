"""The default engine before it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.engines.base import Engine
from trimtab.engines.registry import EngineType, LoadOptions
from trimtab.errors import SettingError
from trimtab.models import Device, Identity, Quantization, check_quantization, load_backbone


class TransformersType(EngineType):
    """transformers in this process."""

    name = "transformers"
    streams = True

    def check_options(self, engine_options: Mapping[str, Any]) -> None:
        """Refuse every option: there are none."""
        if engine_options:
            names = ", ".join(map(str, engine_options))
            raise SettingError(f"the default engine has no engine_options, so not {names}; write `engine: vllm` too")

    def check_placement(self, device: Device, memory_bytes: int | None = None, quantization: Quantization = "") -> None:
        """Refuse a quantization that is unknown; the device is tried when a model is loaded."""
        check_quantization(quantization)

    def start(self, name: str, options: LoadOptions) -> tuple[Identity, Engine]:
        """Load the weights into this process."""
        from trimtab.engines.transformers.engine import TransformersEngine

        self.check_options(options.engine_options)
        backbone = load_backbone(
            name,
            dtype=options.dtype,
            device=options.device,
            trust_remote_code=options.trust_remote_code,
            quantization=options.quantization,
            stream=options.stream,
            tensor_parallel=options.tensor_parallel,
        )
        return backbone, TransformersEngine(backbone, memory_bytes=options.memory_bytes)


TRANSFORMERS = TransformersType()
