"""`trimtab bake`: write a model whose weights hold a push."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, get_args

import click

from trimtab.baking import BAKED_SCALES, PROJECT_OUT, Baked, OrthogonalCheck, SaveDType, bake
from trimtab.cli.help_examples import example
from trimtab.cli.model_options import (
    ask_option,
    device_option,
    model_option,
    positions_option,
    scale_option,
    vectors_option,
)
from trimtab.cli.next_command import show_next, typed
from trimtab.cli.options import choice, out_option, quiet_option, refuse_unused, run_options, was_given
from trimtab.cli.progress import shown_progress
from trimtab.cli.setting.run_setting import setting_of_run
from trimtab.cli.setting.strength_warning import warn_of_strengths
from trimtab.cli.terminal import echo, echo_path, echo_text
from trimtab.engines import load
from trimtab.errors import SettingError
from trimtab.study.setting_to_use import SettingToUse
from trimtab.study.step_names import loading
from trimtab.vectors import SteeringVector


@click.command(
    "bake",
    epilog=example(
        "trimtab bake --run runs/quickstart -o cheerful-smollm2",
        "trimtab bake --vectors vectors.safetensors --layer 17 --strength 0.3 -o cheerful-smollm2",
        "trimtab bake --vectors vectors.safetensors --layer 17 --scale project_out --strength 1 -o plain-smollm2",
    ),
)
@run_options
@model_option()
@vectors_option
@click.option(
    "--layer", "-l", "layers", metavar="N", type=int, multiple=True,
    help="Push behind this layer; for project_out, whose direction is removed. May be given again.",
)  # fmt: skip
@click.option("--strength", "-s", metavar="α", type=float, default=None, help="How far to push.")
@scale_option(lambda: BAKED_SCALES)
@positions_option
@out_option("", required=True)
@choice(
    "--save-dtype", choices=get_args(SaveDType), default="auto", show_default=True,
    help="Number format of the folder: auto is the one of fewest bits that holds the weights exactly.",
)  # fmt: skip
@device_option
@ask_option
@quiet_option
def command(
    run: Path | None,
    behavior: str | None,
    model: str,
    vectors: Path | None,
    layers: tuple[int, ...],
    strength: float | None,
    scale: str,
    positions: str,
    out: Path,
    save_dtype: SaveDType,
    device: str,
    ask: dict[str, Any],
    quiet: bool,
) -> None:
    """Write a model folder that is steered wherever it runs: transformers, llama.cpp, Ollama.

    The push becomes a bias of the layer's last matrix. It acts on every token, the first one too. The folder is
    compared with steering before it appears. With project_out the layer's direction is removed from every matrix that
    writes into the residual stream: another intervention than steering behind layers, and what sets them apart is
    measured.
    """
    source, name, options = model, model, {"device": device, **ask}
    how: dict[str, Any] = {"layer": list(layers), "strength": strength, "scale": scale, "positions": positions}
    if run is not None:
        refuse_unused(
            {f"--{one.replace('_', '-')}": was_given(given) for one, given in _OF_A_RUN.items()}, "--run says it"
        )
        use = setting_of_run(run, model if was_given("model") else "", behavior or "")
        source, name, vectors, options = use.model_id, use.model.label, use.vectors, use.model.load_options
        _require_same_push(run, use)
        use.require_always("baked weights")
        how = {
            "layer": use.layers, "strength": use.strength, "scale": use.steering.scale,
            "positions": positions if was_given("positions") else use.steering.positions,
            "share_strength": use.steering.share_strength, "first_token": use.steering.first_token,
        }  # fmt: skip
    else:
        refuse_unused({"--behavior": behavior is not None}, "it names a behavior of a run; give --run")
        _require_all({"--vectors": vectors is not None, "--layer": bool(layers), "--strength": strength is not None})
        warn_of_strengths(scale, [float(how["strength"])])
    assert vectors is not None
    vector = SteeringVector.load(vectors)
    with shown_progress(quiet) as progress:
        progress(loading(name), 0, 1)
        loaded = load(source, **(options | {"dtype": "float32", "stream": False}))
        progress(loading(name), 1, 1)
        with closing(loaded):
            progress("bake and compare", 0, 1)
            made = bake(loaded, vector, out, save_dtype=save_dtype, **how)
            progress("bake and compare", 1, 1)
    if isinstance(made.check, OrthogonalCheck):
        _report_removal(made, made.check, float(how["strength"]))
    else:
        _report_push(made, str(how["scale"]), first_token=bool(how.get("first_token")))
    echo_path("model", made.folder)
    echo_text(f"In Python: transformers.AutoModelForCausalLM.from_pretrained({str(made.folder)!r})")
    show_next(["chat", "--model", str(made.folder), *typed("chat", "run", "behavior", "model", "vectors", *_PUSH)])


def _report_push(made: Baked, scale: str, *, first_token: bool) -> None:
    check = made.check
    pushed = ", ".join(f"{length:.3g} behind layer {layer}" for layer, length in made.pushes.items())
    echo(f"Baked: a constant of length {pushed}, at every token, the first one of a text too.")
    echo(
        f"On {check.texts} texts its logits and those of the steered model are equal within {check.largest:.1g}; the "
        f"push changes them by up to {check.effect:.2g}."
    )
    echo(
        f"From steering as asked ({scale}{'' if first_token else ', not at the first token'}) it diverges by "
        f"{check.from_asked:.2g} nats a token; the unsteered model by {check.asked_effect:.2g}."
    )


def _report_removal(made: Baked, check: OrthogonalCheck, share: float) -> None:
    removed = "The direction was" if share == 1 else f"The share {share:g} of the direction was"
    echo(f"{removed} removed from {len(made.edited)} matrices, for every token, the first one of a text too.")
    echo(
        f"On {check.texts} texts at most {check.along:.1g} of a state's length is along it behind any layer "
        f"({check.along_plain:.2g} before)."
    )
    if share != 1:
        echo("The shares compound: later matrices read what the earlier ones wrote.")
    echo(
        f"The edited weights' logits and those of hooks that remove it are equal within {check.largest:.1g}; removing "
        f"it changes them by up to {check.effect:.2g}."
    )
    if check.rounding:
        echo(f"Rounding the weights to the folder's 16 bits changes them by up to {check.rounding:.2g}.")
    echo(
        f"From steering with {PROJECT_OUT} behind all layers, which is another intervention, it diverges by "
        f"{check.from_asked:.2g} nats a token ({check.from_first:.2g} where the first token is steered too); the "
        f"unsteered model by {check.asked_effect:.2g}."
    )


_PUSH = ("layers", "strength", "scale", "positions")
_OF_A_RUN = {"vectors": "vectors", "layer": "layers", "strength": "strength", "scale": "scale", "device": "device",
             "ask": "ask"}  # fmt: skip


def _require_same_push(run: Path, use: SettingToUse) -> None:
    """Refuse a run's setting that weights would do something else for."""
    if use.steering.scale == PROJECT_OUT:
        raise SettingError(
            f"{run}: it measured {PROJECT_OUT} behind layers, and weights remove a direction everywhere, which is "
            f"another intervention; to make that, give --vectors {use.vectors} --layer N --scale {PROJECT_OUT} "
            "--strength 1, and measure the folder"
        )
    use.require_own_directions()


def _require_all(given: dict[str, bool]) -> None:
    if missing := [option for option, is_given in given.items() if not is_given]:
        raise click.UsageError(f"{' and '.join(missing)} missing: give a vector, a layer and a strength, or --run")
