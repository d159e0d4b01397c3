"""`trimtab vectors`: vectors of other tools in, ours out, what is in a file, and whether its layer map is right."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import cast

import click

from trimtab.cli.groups import HelpfulGroup
from trimtab.cli.help_examples import example
from trimtab.cli.model_options import NamesOption, model_option, model_options, placement_options
from trimtab.cli.next_command import chat_with, show_next, typed
from trimtab.cli.options import json_option, out_option, refuse_unused, several, was_given
from trimtab.cli.progress import shown_progress
from trimtab.cli.setting.strength_warning import warn_of_strengths
from trimtab.cli.terminal import echo, echo_json, echo_path, echo_table, echo_text
from trimtab.cli.vector_commands.vector_bounds import bounds
from trimtab.cli.vector_commands.vector_export import export
from trimtab.data import dataset
from trimtab.data.builtin import LOADABLE
from trimtab.engines import Model, load
from trimtab.errors import TrimtabError
from trimtab.evaluation import LayerMapTest, check_layer_map
from trimtab.models import BUNDLED, DType
from trimtab.study.step_names import loading
from trimtab.vectors import SteeringVector, describe
from trimtab.vectors.formats import VECTOR_FORMATS
from trimtab.vectors.formats.imported_vectors import AmbiguousFile

_FILE = click.argument("file", type=click.Path(path_type=Path))
_reading = several(
    click.option(
        "--made-by", cls=NamesOption, names=VECTOR_FORMATS.names, default="",
        help="What wrote the file; needed where files of several look alike.",
    ),
    click.option(
        "--layer", "-l", metavar="N", type=int, default=None,
        help="Layer of a file with a single direction; of other files take this layer alone.",
    ),
)  # fmt: skip
_model = several(model_option(None, "none: shape and residual norms stay unchecked"), placement_options)


@click.group(cls=HelpfulGroup, epilog=example("trimtab vectors show evil_response_avg_diff.pt"))
def command() -> None:
    """Bring vectors of other tools in, write them for other programs, show what is in a file, test it, bound it."""


@command.command(
    "import",
    short_help="Make a vector file of trimtab of another tool's.",
    epilog=example(
        "trimtab vectors import control.gguf --made-by repeng -o vectors.safetensors",
        "trimtab vectors import vec_layer_15_model.pt -o vectors.safetensors",
    ),
)
@_FILE
@out_option(path="vectors.safetensors")
@_reading
@_model
def import_(
    file: Path,
    out: Path,
    made_by: str,
    layer: int | None,
    model: str | None,
    dtype: str,
    device: str,
    quantization: str,
    stream: bool | None,
) -> None:
    """Read FILE, of another tool, and write it as a vector file of trimtab, with where it came from.

    FILE may be a folder; FILE#7 is row 7 of those that hold a row for each concept or feature. Nothing in it is run.
    With --model its shape is compared and residual norms are measured.
    """
    vector = _read(file, made_by, layer, model, dtype, device, quantization, stream)
    _show(vector, brief=True)
    echo_path("vectors", vector.save(out))
    show_next(_prove(out, vector), chat_with(out, model=_model_of(vector)))


@command.command(
    short_help="Show what is in a vector file, of trimtab or another tool.",
    epilog=example("trimtab vectors show vectors.safetensors", "trimtab vectors show control.gguf --made-by repeng"),
)
@_FILE
@_reading
@_model
@json_option
def show(
    file: Path,
    made_by: str,
    layer: int | None,
    model: str | None,
    dtype: str,
    device: str,
    quantization: str,
    stream: bool | None,
    as_json: bool,
) -> None:
    """Show what FILE is, its layers, norms and cosines, and what cannot be known from it."""
    try:
        vector = _read(file, made_by, layer, model, dtype, device, quantization, stream)
    except AmbiguousFile as seen:
        if as_json:
            raise
        echo_text(str(seen))
        show_next(["vectors", "show", str(file), "--made-by", "PROGRAM", *typed("vectors show", "made_by")])
        return
    if as_json:
        echo_json(asdict(describe(vector)), indent=2)
    else:
        _show(vector)
        echo("")
        show_next(*([chat_with(file, model=_model_of(vector))] if _is_own(file) else [_import(file)]))


@command.command(
    short_help="Test by steering whether the layer map of a vector is right.",
    epilog=example("trimtab vectors prove control.gguf --made-by repeng --behavior cheerful"),
)
@_FILE
@_reading
@model_options
@click.option(
    "--strength", "-s", metavar="α", type=float, default=0.1, show_default=True,
    help="How far to push both ways, relative to the residual stream.",
)  # fmt: skip
@click.option(
    "--prompts",
    metavar="N",
    type=click.IntRange(min=2),
    default=24,
    show_default=True,
    help="Held-out prompts to score.",
)
@json_option
def prove(
    file: Path,
    made_by: str,
    layer: int | None,
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
    strength: float,
    prompts: int,
    as_json: bool,
) -> None:
    """Compare the directions of FILE at their layers, one layer earlier and one later, by steering and by reading.

    States which of the three the numbers support, or that they cannot tell.
    """
    warn_of_strengths("relative", [strength])
    _, select, _ = dataset(behavior, limit=limit, seed=seed, skip_bad=skip_bad, columns=columns).split(seed=seed)
    with (
        closing(_loaded(model, dtype, device, quantization, stream, quiet)) as loaded,
        shown_progress(quiet) as progress,
    ):
        vector = SteeringVector.read(file, made_by, layer, loaded)
        found = check_layer_map(
            loaded, vector, select, strength=strength, prompts=prompts, seed=seed,
            progress=lambda done, total: progress(f"steering {behavior} in {model}", done, total),
        )  # fmt: skip
    if as_json:
        echo_json(asdict(found), indent=2)
    else:
        _show_test(found)
        echo("")
        there = _is_own(file)
        used = str(file if there else _IMPORTED)
        swept = ["sweep", "--vectors", used, *typed("sweep", "vectors", "out", "layer")]
        show_next(*([swept] if there else [_import(file), swept]))


command.add_command(bounds)
command.add_command(export)

_IMPORTED = Path("vectors.safetensors")


def _is_own(file: Path) -> bool:
    """Whether it is a vector file of trimtab's own, as other verbs take it."""
    try:
        SteeringVector.load(file)
    except TrimtabError:
        return False
    return True


def _import(file: Path) -> list[str]:
    return ["vectors", "import", str(file), "-o", str(_IMPORTED), *typed("vectors import", "out")]


def _prove(file: Path, vector: SteeringVector) -> list[str]:
    """PAIRS are pairs of its behavior, which only a built-in name can say."""
    behavior = vector.provenance.behavior
    pairs = behavior if behavior in LOADABLE else "PAIRS"
    return ["vectors", "prove", str(file), "--behavior", pairs, *_loading(_model_of(vector))]


def _loading(model: str) -> list[str]:
    placed = typed("vectors prove", "made_by", "layer", "model")
    return ["--model", model, *placed] if model else placed


def _model_of(vector: SteeringVector) -> str:
    """The model to load: the one that was named, else the one that the vector names; empty: the bundled one."""
    named = click.get_current_context().params["model"] or vector.provenance.model
    return "" if named == BUNDLED else str(named)


def _read(
    file: Path,
    made_by: str,
    layer: int | None,
    model: str | None,
    dtype: str,
    device: str,
    quantization: str,
    stream: bool | None,
) -> SteeringVector:
    """The vector in a file, compared with a model where one is named."""
    if model is None:
        given = {f"--{name}": was_given(name) for name in ("dtype", "device", "quantization", "stream")}
        refuse_unused(given, "no model is loaded; name --model")
        return SteeringVector.read(file, made_by, layer)
    with closing(_loaded(model, dtype, device, quantization, stream)) as loaded:
        return SteeringVector.read(file, made_by, layer, loaded)


def _loaded(model: str, dtype: str, device: str, quantization: str, stream: bool | None, quiet: bool = False) -> Model:
    with shown_progress(quiet) as progress:
        progress(loading(model), 0, 1)
        loaded = load(model, dtype=cast(DType, dtype), device=device, quantization=quantization, stream=stream)
        progress(loading(model), 1, 1)
    return loaded


def _show(vector: SteeringVector, *, brief: bool = False) -> None:
    """What a vector is; `brief`: without the table of its layers."""
    about = describe(vector)
    for name, text in about.facts.items():
        echo_text(f"{name:<11} {text}")
    for remark in about.remarks:
        echo_text(f"note: {remark}")
    if about.unknown:
        echo_text(f"not known: {'; '.join(about.unknown)}")
    if brief:
        return
    echo("")
    echo_table(
        ("layer", "depth", "norm", "cosine with next", "residual norm"),
        (
            (str(one.layer), _number(one.depth, 2), _number(one.norm, 3), _number(one.next_cosine, 2),
             _number(one.residual_norm, 1))
            for one in about.layers
        ),
    )  # fmt: skip


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _show_test(found: LayerMapTest) -> None:
    """The effects, their differences, and what they say."""
    echo_text(found.summary)
    measures = {"effect of steering": found.steering, "pairs apart (cosine)": found.reading}
    for measure, compared in measures.items():
        for header, ones in (("layer map", compared.effects), ("difference", compared.differences)):
            echo("")
            rows = [(one.name, f"{one.mean:.3f}", f"[{one.low:.3f}, {one.high:.3f}]") for one in ones]
            echo_table((header, measure, "95% interval"), rows)
