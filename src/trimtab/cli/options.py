"""Options that several verbs share, and how they become settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
import yaml

from trimtab.models import BUNDLED

_MODEL = (
    click.option(
        "--model", "-m", default=BUNDLED, show_default=True, help="Bundled name, hub id, folder or .gguf file."
    ),
    click.option("--limit", type=int, default=None, help="Use this many pairs, a stratified sample."),
    click.option("--dtype", default="auto", show_default=True, help="auto, float32, bfloat16 or float16."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps."),
    click.option("--seed", type=int, default=0, show_default=True, help="For splits and samples."),
    click.option("--quiet", "-q", is_flag=True, help="No progress."),
)

_EXTRACTION = (
    click.option("--method", default="mean", show_default=True, help="mean, pca, probe, lda, median, single, random."),
    click.option("--token-position", default="auto", show_default=True, help="answer, last or mean_completion."),
    click.option("--balance", default="both_orders", show_default=True, help="both_orders, subsample or off."),
    click.option("--scoring", default="auto", show_default=True, help="choice, text or text_sum."),
)


def _as_mapping(ctx: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, Any]:
    """KEY=VALUE as a mapping; values as a study file would have them, so that 8 is a number."""
    found = {}
    for text in given:
        key, sign, value = text.partition("=")
        if not key or not sign:
            raise click.BadParameter(f"{text!r} is not KEY=VALUE, such as tensor_parallel_size=8")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise click.BadParameter(f"{text!r}: the value cannot be read") from None
    return found


_ENGINE = (
    click.option("--engine", default="transformers", show_default=True, help="transformers or vllm."),
    click.option(
        "--engine-option", "engine_options", multiple=True, metavar="KEY=VALUE", callback=_as_mapping,
        help="Of vLLM, such as tensor_parallel_size=8; may be given again.",
    ),
)  # fmt: skip


def engine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What runs the model."""
    return _all(command, _ENGINE)


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which model, which pairs."""
    return _all(command, (_behavior(required=True), *_MODEL))


def unless_run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which model, which pairs, for a verb that takes a run folder instead."""
    return _all(command, (_behavior(required=False), *_MODEL))


def _behavior(*, required: bool) -> Callable[..., Any]:
    return click.option(
        "--behavior", "-b", required=required, help="Built-in name, pairs file, folder or hub: reference."
    )


def extraction_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How the vector is made."""
    return _all(command, _EXTRACTION)


def _all(command: Callable[..., Any], options: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
