"""The default engine before it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from trimtab.engines.base import Engine
from trimtab.engines.registry import EngineType, LoadOptions
from trimtab.errors import SettingError
from trimtab.models import Device, Identity, Quantization, check_quantization, load_backbone

HOURS = "max_writing_hours"


class TransformersType(EngineType):
    """transformers in this process."""

    name = "transformers"
    streams = True
    placement_options = (HOURS,)  # it allows writing, and changes no number

    def check_options(self, engine_options: Mapping[str, Any]) -> None:
        """Refuse all options but the hours that writing a text with streamed weights may take."""
        others = [str(name) for name in engine_options if name != HOURS]
        if others:
            raise SettingError(
                f"the default engine has no engine_options but {HOURS}, so not {', '.join(others)}; "
                "write `engine: vllm` too"
            )
        hours = engine_options.get(HOURS, 0.0)
        if isinstance(hours, bool) or not isinstance(hours, int | float) or not 0 <= hours < math.inf:
            raise SettingError(f"{HOURS} is a number of hours, not {hours!r}")

    def check_placement(self, device: Device, memory_bytes: int | None = None, quantization: Quantization = "") -> None:
        """Refuse a quantization that is unknown; the device is tried when a model is loaded."""
        check_quantization(quantization)

    def start(self, name: str, options: LoadOptions) -> tuple[Identity, Engine]:
        """Load the weights into this process."""
        from trimtab.engines.transformers.engine import TransformersEngine
        from trimtab.engines.transformers.streaming.writing_cost import MAX_WRITING_HOURS

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
        hours = float(options.engine_options.get(HOURS, MAX_WRITING_HOURS))
        return backbone, TransformersEngine(backbone, memory_bytes=options.memory_bytes, max_writing_hours=hours)


TRANSFORMERS = TransformersType()
