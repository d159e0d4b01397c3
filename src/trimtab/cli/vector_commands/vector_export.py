"""`trimtab vectors export`: write a vector for another program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from trimtab.cli.help_examples import example
from trimtab.cli.model_options import NamesOption, positions_option, scale_option
from trimtab.cli.next_command import show_next_lines
from trimtab.cli.options import out_option, refuse_unused, run_options, was_given
from trimtab.cli.setting.run_setting import setting_of_run
from trimtab.cli.setting.strength_warning import warn_of_strengths
from trimtab.cli.terminal import echo, echo_path, echo_text
from trimtab.vectors import SteeringVector
from trimtab.vectors.constant_pushes import CONSTANT_SCALES
from trimtab.vectors.exports import VECTOR_EXPORTS, Exported, VectorExport
from trimtab.vectors.exports.exported_vectors import export_vector


@click.command(
    "export",
    short_help="Write a vector for llama.cpp, EasySteer, lm-eval and others.",
    epilog=example(
        "trimtab vectors export --run runs/quickstart -o cheerful.gguf",
        "trimtab vectors export vectors.safetensors --layer 17 --strength 0.3 -o cheerful.gguf",
    ),
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@run_options
@click.option("--model", "-m", metavar="NAME", default=None, help="With --run: which model, where it has several.")
@click.option("--to", cls=NamesOption, names=VECTOR_EXPORTS.names, default="gguf", show_default=True, help="For what.")
@out_option(required=True)
@click.option(
    "--layer", "-l", "layers", metavar="N", type=int, multiple=True,
    help="Take this layer; all without it. May be given again.",
)  # fmt: skip
@click.option(
    "--strength", "-s", metavar="α", type=float, default=None,
    help="Write what is added at this strength; without it the directions as they are.",
)  # fmt: skip
@scale_option(lambda: CONSTANT_SCALES)
@positions_option
def export(
    file: Path | None,
    run: Path | None,
    behavior: str | None,
    model: str | None,
    to: str,
    out: Path,
    layers: tuple[int, ...],
    strength: float | None,
    scale: str,
    positions: str,
) -> None:
    """Write the vector in FILE, or the one that a run recommends, for another program, and say what is lost.

    Relative strengths become raw by each layer's mean residual norm.
    """
    how: dict[str, Any] = {"layer": list(layers) or None, "strength": strength, "scale": scale, "positions": positions}
    if run is not None:
        of_a_run = {"FILE": file is not None, "--layer": bool(layers), "--strength": strength is not None}
        refuse_unused(
            of_a_run | {"--scale": was_given("scale"), "--positions": was_given("positions")}, "--run says it"
        )
        use = setting_of_run(run, model or "", behavior or "")
        use.require_own_directions()
        use.require_always("another program")
        file, steering = use.vectors, use.steering
        how = {
            "layer": use.layers, "scale": steering.scale, "positions": steering.positions,
            "strength": steering.strength_of_each(use.strength, len(use.layers)), "first_token": steering.first_token,
        }  # fmt: skip
    else:
        of_run = {"--behavior": behavior is not None, "--model": model is not None}
        refuse_unused(of_run, "it names what a run has several of; give --run")
        refuse_unused({"--scale": was_given("scale") and strength is None}, "it is of a strength; give --strength")
        warn_of_strengths(scale, [] if strength is None else [strength])
        if file is None:
            raise click.UsageError("name the FILE of a vector, or a --run")
    made = export_vector(SteeringVector.read(file), out, to, **how)
    _show(made, VECTOR_EXPORTS.get(to))


def _show(made: Exported, form: VectorExport) -> None:
    for loss in made.losses:
        echo_text(f"note: {loss}")
    echo_path("vector", made.path)
    if form.is_typed:
        show_next_lines(*made.usage)
    else:
        for line in made.usage:
            echo(line)
