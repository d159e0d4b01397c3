"""`trimtab chat`: chat with a model and change the steering as you go."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from trimtab.cli.help_examples import example
from trimtab.cli.model_options import (
    ask_option,
    engine_options,
    first_token_option,
    model_option,
    placement_options,
    positions_option,
    scale_option,
    vectors_option,
)
from trimtab.cli.options import refuse_unused, run_options, was_given
from trimtab.cli.progress import shown_progress
from trimtab.cli.setting.run_setting import setting_of_run
from trimtab.cli.setting.strength_warning import warn_of_strengths
from trimtab.cli.terminal import echo
from trimtab.engines import load
from trimtab.serve import Chat
from trimtab.steering import Positions, SteeringSetting, push_scales
from trimtab.study.step_names import loading
from trimtab.vectors import SteeringVector


@click.command(
    "chat",
    epilog=example(
        "trimtab chat --run runs/quickstart",
        "trimtab chat --vectors vectors.safetensors --layer 20 --strength 0.3 --compare",
    ),
)
@run_options
@model_option()
@vectors_option
@click.option(
    "--layer", "-l", "layers", metavar="N", type=int, multiple=True, help="Push behind this layer. May be given again."
)
@click.option("--strength", "-s", metavar="α", type=float, default=0.0, show_default=True, help="How far to push.")
@scale_option(push_scales)
@positions_option
@first_token_option
@click.option("--compare", is_flag=True, help="Show the unsteered answer first.")
@placement_options
@engine_options
@ask_option
def command(
    run: Path | None,
    behavior: str | None,
    model: str,
    vectors: Path | None,
    layers: tuple[int, ...],
    strength: float,
    scale: str,
    positions: Positions,
    first_token: bool,
    compare: bool,
    dtype: str,
    device: str,
    quantization: str,
    engine: str,
    engine_options: dict[str, Any],
    ask: dict[str, Any],
) -> None:
    """Chat in the terminal; /help lists what can be changed between two messages."""
    if run is not None:
        _talk_with(run, behavior or "", compare)
        return
    refuse_unused({"--behavior": behavior is not None}, "it names a behavior of a run; give --run")
    if vectors is None:
        unused = {"--layer": bool(layers), "--strength": strength != 0, "--compare": compare,
                  "--positions": was_given("positions"), "--first-token": first_token}  # fmt: skip
        refuse_unused(unused, "there is no vector to push along; give --vectors")
    warn_of_strengths(scale, [strength])
    taken = SteeringVector.load(vectors) if vectors else None
    with shown_progress() as progress:
        progress(loading(model), 0, 1)
        loaded = load(
            model,
            dtype=dtype,  # type: ignore[arg-type]  # click has checked it
            device=device,
            quantization=quantization,
            engine=engine,
            engine_options=engine_options,
            **ask,
        )
        progress(loading(model), 1, 1)
    with closing(loaded):
        setting = SteeringSetting(scale, positions, first_token)
        _talk(Chat(loaded, taken, list(layers), strength, setting, compare=compare))


def _talk_with(run: Path, behavior: str, compare: bool) -> None:
    """Chat at the setting that a run recommends."""
    given = {f"--{name.rstrip('s')}" if name == "layers" else f"--{name.replace('_', '-')}": was_given(name)
             for name in ("vectors", "layers", "strength", "scale", "positions", "first_token", "dtype", "device",
                          "quantization", "engine", "ask")}  # fmt: skip
    refuse_unused(given, "--run says it")
    model = click.get_current_context().params["model"] if was_given("model") else ""
    use = setting_of_run(run, model, behavior)
    with shown_progress() as progress:
        progress(loading(use.model.label), 0, 1)
        loaded = use.load_model()
        progress(loading(use.model.label), 1, 1)
    with closing(loaded):
        _talk(Chat(loaded, use.vector, use.layers, use.strength, use.steering, compare=compare))


def _talk(chat: Chat) -> None:
    echo(f"{chat.settings}\n/help lists the commands, /quit leaves", err=True)
    while not chat.over and (line := _line()) is not None:
        try:
            for piece in chat.say(line):
                echo(piece, nl=False)
        except KeyboardInterrupt:
            echo("\n(stopped)", err=True)  # the answer, not the conversation


def _line() -> str | None:
    """What the person types next; None at the end of the input."""
    if sys.stdin.isatty():
        echo("> ", nl=False, err=True)
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        return ""
    except KeyboardInterrupt:
        return None
    return line if line else None
