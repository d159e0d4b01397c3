"""`trimtab vectors bounds`: strengths of cap and floor from percentiles of projections."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast, get_args

import click

from trimtab.cli.help_examples import example
from trimtab.cli.model_options import layers_option, model_options, token_position_option
from trimtab.cli.next_command import show_next, typed
from trimtab.cli.options import choice, json_option
from trimtab.cli.progress import shown_progress
from trimtab.cli.terminal import echo, echo_json, echo_table, echo_text
from trimtab.data import contrast
from trimtab.engines import load
from trimtab.evaluation import BoundSide, ProjectionBounds, layers_of, projection_bounds
from trimtab.models import DType
from trimtab.study.step_names import loading
from trimtab.vectors import SteeringVector

_SHOWN = (5, 25, 50, 75, 95)
"""Percentiles of each side that are always shown."""
_SIDES: tuple[BoundSide, ...] = ("positive", "negative")


@click.command(
    "bounds",
    short_help="Strengths of cap and floor from percentiles of projections.",
    epilog=example(
        "trimtab vectors bounds vectors.safetensors --behavior cheerful",
        "trimtab vectors bounds vectors.safetensors -b cheerful --percentile 75 --side negative "
        "--token-position each_token --layers 17",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@model_options
@click.option(
    "--percentile", metavar="P", type=float, default=25, show_default=True,
    help="The bound: this percentage of the projections is below it.",
)  # fmt: skip
@choice(
    "--side", choices=get_args(BoundSide), default="both", show_default=True,
    help="Whose projections: of the texts that show the behavior, of the others, or of all.",
)  # fmt: skip
@layers_option("all")
@token_position_option
@json_option
def bounds(
    file: Path,
    model: str,
    behavior: str,
    limit: int | None,
    skip_bad: bool,
    columns: dict[str, str],
    dtype: str,
    device: str,
    quantization: str,
    stream: bool | None,
    seed: int,
    quiet: bool,
    percentile: float,
    side: BoundSide,
    layers: str,
    token_position: Any,
    as_json: bool,
) -> None:
    """Project the texts of PAIRS on the vector in FILE and print, for each layer, the strength that bounds them.

    The number is --strength of the scales cap, floor and clamp. By default texts are read where the vector was;
    --token-position each_token makes each token of their completions count, as a cap acts on tokens.
    """
    ProjectionBounds.require_percentile(percentile)  # before anything is loaded
    data = contrast(behavior, limit=limit, seed=seed, skip_bad=skip_bad, columns=columns)
    vector = SteeringVector.load(file)
    with shown_progress(quiet) as progress:
        progress(loading(model), 0, 1)
        loaded = load(model, dtype=cast(DType, dtype), device=device, quantization=quantization, stream=stream)
        progress(loading(model), 1, 1)
        with closing(loaded):
            named = {layer for some in layers_of(layers, loaded.facts.layers, vector) for layer in some}
            found = projection_bounds(
                loaded, vector, data, layers=sorted(named), token_position=token_position,
                progress=lambda done, total: progress(f"reading {data.name} in {model}", done, total),
            )  # fmt: skip
    bound = found.at(percentile, side)
    if as_json:
        _as_json(found, percentile, side, bound)
        return
    rows = {"positive": len(found.positive), "negative": len(found.negative)}
    counted = " + ".join(f"{rows[one]:,} {one}" for one in _SIDES)
    echo_text(f"projections of {data.name} ({counted}, read at {found.token_position}), in units of the vector's norm")
    echo_text(f"strength: percentile {percentile:g} of {'both sides' if side == 'both' else f'the {side} side'}")
    echo("")
    echo_table(("layer", "strength", "side", *(f"p{p}" for p in _SHOWN)), _rows(found, bound))
    echo("")
    show_next(_chat(file, bound, vector.n_layers))


def _rows(found: ProjectionBounds, bound: dict[int, float]) -> Iterator[tuple[str, ...]]:
    """Two for each layer: the strength with the positive side, and the negative side."""
    shown = {one: [found.at(p, one) for p in _SHOWN] for one in _SIDES}
    for layer in found.layers:
        for one in _SIDES:
            named = (str(layer), f"{bound[layer]:.4g}") if one == _SIDES[0] else ("", "")
            yield (*named, one, *(f"{values[layer]:.3g}" for values in shown[one]))


def _chat(file: Path, bound: dict[int, float], n_layers: int) -> list[str]:
    """A chat under the cap at the layer nearest to three fifths of the depth, where chats begin by default."""
    layer = min(bound, key=lambda one: abs(one - round(0.6 * n_layers)))
    use = ["--layer", str(layer), f"--strength={bound[layer]:.4g}", "--scale", "cap"]
    return ["chat", "--vectors", str(file), *use, *typed("chat", "vectors", "behavior", "layers")]


def _as_json(found: ProjectionBounds, percentile: float, side: str, bound: dict[int, float]) -> None:
    echo_json(
        {
            "data": found.name,
            "token_position": found.token_position,
            "rows": {"positive": len(found.positive), "negative": len(found.negative)},
            "percentile": percentile,
            "side": side,
            "strength": bound,
            "percentiles": {one: {f"p{p}": found.at(p, one) for p in _SHOWN} for one in _SIDES},
        },
        indent=2,
    )
