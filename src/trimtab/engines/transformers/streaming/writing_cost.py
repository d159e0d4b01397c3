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
    each = stream_seconds(backbone)
    hours = tokens * each / 3600
    if hours <= max_hours:
        return
    weights = weights_of(backbone)
    assert weights is not None
    whole = sum(weights.bytes_of(layer) for layer in range(weights.layers)) / 1e9
    raise SettingError(
        f"{backbone.name} is streamed from disk, and writing reads all of its layers for every token: {tokens:,} "
        f"tokens × {whole:,.3g} GB take about {hours:,.3g} hours at {whole / each:.2g} GB/s, more than the "
        f"{max_hours:g} hours that are allowed. Write fewer tokens, load the model with engine vllm on GPUs that hold "
        f"it, or allow it with engine_options {{max_writing_hours: {hours * 1.2:.2g}}}"
    )
