"""Whether a checkpoint holds the whole model: transformers fills what is missing with random numbers, and continues.

Nothing here is a special case of a file format: folders, shards, the hub and GGUF files all load through
`load_whole`, which asks transformers what it did not find.
"""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

from trimtab.errors import ModelError, TrimtabWarning, shortened

MAX_NAMED = 8
"""Tensors that a message names."""
_INERT = re.compile(r"(masked_bias|inv_freq|position_ids|[qkv]_scale|kv_scale|_extra_state)$")
"""Buffers of older versions, and scales of a quantized cache that is not used here: they shape no number."""
_REPORTED = re.compile(r"^(\S.*?)\s*\|\s*(?:\x1b\[\d+m)*CONVERSION", re.MULTILINE)


def load_whole(load: Callable[..., Any], name: str, **options: Any) -> Any:
    """A model loaded by transformers, with every tensor from its checkpoint.

    Tensors of parts that the model does not have, such as a vision tower beside a text model, are left out with a
    warning.

    Args:
        load: `from_pretrained` of a class, with its path.
        name: of the model, for messages.
        options: of `from_pretrained`.

    Raises:
        ModelError: when tensors are missing or of another shape, or when some belong to a layer that does not use them.
    """
    unconverted: list[str] = []
    try:
        with _conversion_failures(unconverted):
            # Otherwise transformers refuses other shapes itself, and says "see above" of a report that is not shown.
            model, info = load(output_loading_info=True, ignore_mismatched_sizes=True, **options)
    except RuntimeError as error:
        if not unconverted:
            raise
        raise _refusal(name, [f"{key} cannot be made from the tensors there" for key in unconverted]) from error
    require_whole(model, info, name)
    return model


def require_whole(model: Any, info: dict[str, Any], name: str) -> None:
    """Refuse a model whose checkpoint does not hold all of it.

    Args:
        model: as transformers loaded it.
        info: what `output_loading_info` gives.
        name: of the model, for messages.

    Raises:
        ModelError: naming the tensors.
    """
    problems = [f"{key} is missing" for key in sorted(info["missing_keys"])]
    problems += [
        f"{key} has shape {list(found)}, and the model needs {list(wanted)}"
        for key, found, wanted in sorted(info["mismatched_keys"], key=lambda entry: entry[0])
    ]
    if problems:
        raise _refusal(name, problems)
    _check_unused(model, sorted(info["unexpected_keys"]), name)


def _refusal(name: str, problems: Collection[str]) -> ModelError:
    shown = "\n".join(f"  {problem}" for problem in shortened(sorted(problems), MAX_NAMED))
    return ModelError(
        f"model {name!r}: the checkpoint does not hold the whole model, and random numbers would stand in:\n{shown}\n"
        "Get its files again, or check that its config.json belongs to them."
    )


def _check_unused(model: Any, keys: Collection[str], name: str) -> None:
    """Refuse tensors that a layer of the model should have used; tell of those of parts that it does not have."""
    modules = dict(model.named_modules())
    prefix = f"{model.base_model_prefix}."
    groups: dict[str, int] = {}
    ignored = []
    for key in keys:
        if _INERT.search(key):
            continue
        stripped = prefix + key.split(".")[0] in modules  # saved without the name of the model around it
        parts = (prefix + key if stripped else key).split(".")
        inside = [".".join(parts[:end]) for end in range(1, len(parts))]
        known = [path for path in inside if path in modules]
        if any(next(modules[path].parameters(recurse=False), None) is not None for path in known):
            ignored.append(f"{key} is there, and the model has no place for it")
        else:
            # The first module that the model does not have: `vision_tower`, or `model.layers.30`.
            group = ".".join(parts[: len(known) + 1]) if known else key.split(".")[0]
            groups[group] = groups.get(group, 0) + 1
    if ignored:
        shown = "\n".join(f"  {problem}" for problem in shortened(ignored, MAX_NAMED))
        raise ModelError(
            f"model {name!r}: tensors of the checkpoint would be left out of layers that the model has:\n{shown}\n"
            "Its config.json does not belong to these files, or says nothing of how they are quantized."
        )
    if groups:
        told = ", ".join(shortened([f"{group} ({count})" for group, count in groups.items()], MAX_NAMED))
        warnings.warn(
            f"{name}: tensors of the checkpoint that this text model does not use are left out: {told}",
            TrimtabWarning,
            stacklevel=5,
        )


@contextmanager
def _conversion_failures(names: list[str]) -> Iterator[None]:
    """Collect the tensors that transformers could not make from those of the checkpoint; it only logs them."""
    logger = logging.getLogger("transformers.modeling_utils")

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            names.extend(_REPORTED.findall(record.getMessage()))

    handler = Collector(logging.WARNING)
    # Not WARNING: at that level transformers checks plans for tensor parallelism, and tells of them.
    before, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO + 1)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
        logger.propagate = propagate
