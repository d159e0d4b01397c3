"""What it takes to write texts with streamed weights: all of them are read for every token."""

from __future__ import annotations

from trimtab.engines.transformers.streaming.together import weights_of
from trimtab.errors import SettingError
from trimtab.models import Backbone

MAX_WRITING_HOURS = 0.5
DISK_BYTES_PER_SECOND = 2e9
"""Of a disk that has not been measured: an ordinary NVMe drive reads that fast, most laptops' a little faster."""


def stream_seconds(backbone: Backbone) -> float:
    """How long it takes to read all layers once, by what reading took so far; 0 where weights are in memory."""
    weights = weights_of(backbone)
    if weights is None:
        return 0.0
    whole = sum(weights.bytes_of(layer) for layer in range(weights.layers))
    measured = weights.bytes_read and weights.seconds_reading
    speed = weights.bytes_read / weights.seconds_reading if measured else DISK_BYTES_PER_SECOND
    return whole / speed


def require_worth(backbone: Backbone, tokens: int, max_hours: float) -> None:
    """Refuse to write a text with streamed weights that would take too long.

    Args:
        backbone: the model.
        tokens: most of the text; texts that are written side by side take no longer than the longest of them.
        max_hours: what is agreed to.

    Raises:
        SettingError: with what it would take, and how to write it nevertheless.
    """
    weights = weights_of(backbone)
    if weights is None:
        return
    whole = sum(weights.bytes_of(layer) for layer in range(weights.layers))
    if reason := refusal(backbone.name, tokens, whole, stream_seconds(backbone), max_hours):
        raise SettingError(reason)


def refusal(name: str, tokens: int, layer_bytes: int, seconds: float, max_hours: float) -> str:
    """Why a text is not written with streamed weights, with what it would take and how to allow it; "" where it is.

    Args:
        name: of the model.
        tokens: most of the text.
        layer_bytes: what one stream reads.
        seconds: what that takes.
        max_hours: what is agreed to.
    """
    hours = tokens * seconds / 3600
    if hours <= max_hours:
        return ""
    whole, enough = layer_bytes / 1e9, f"{hours * 1.2:.2g}"
    return (
        f"{name} is streamed from disk, and writing reads all of its layers for every token: {tokens:,} "
        f"tokens × {whole:,.3g} GB take about {hours:,.3g} hours at {whole / seconds:.2g} GB/s, more than the "
        f"{max_hours:g} hours that are allowed. Write fewer tokens, load the model with engine vllm on GPUs that hold "
        f"it, or allow it: --engine-option max_writing_hours={enough} on the command line, "
        f"engine_options: {{max_writing_hours: {enough}}} in a study or in Python"
    )
