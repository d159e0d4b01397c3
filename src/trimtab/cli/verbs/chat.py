"""`trimtab chat`: chat with a model and change the steering as you go."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from trimtab.cli.dialogue.chat_screen import show
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
    when_options,
    when_setting,
)
from trimtab.cli.options import refuse_unused, run_options, was_given
from trimtab.cli.progress import waiting
from trimtab.cli.setting.run_setting import setting_of_run
from trimtab.cli.setting.strength_warning import warn_of_strengths
from trimtab.cli.terminal import echo, is_terminal, terminal_columns
from trimtab.engines import load
from trimtab.monitors import PromptCondition
from trimtab.serve import Beginning, Chat, beginning_of, of_run, usual_beginning
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
@click.option(
    "--strength", "-s", metavar="α", type=float, default=None,
    help="How far to push. Without it what the file's run or folder recommends, else the scale's usual strength.",
)  # fmt: skip
@scale_option(push_scales)
@positions_option
@first_token_option
@when_options
@click.option("--compare", is_flag=True, help="Show the unsteered reply too.")
@placement_options
@engine_options
@ask_option
def command(
    run: Path | None,
    behavior: str | None,
    model: str,
    vectors: Path | None,
    layers: tuple[int, ...],
    strength: float | None,
    scale: str,
    positions: Positions,
    first_token: bool,
    when: Path | None,
    when_above: float,
    when_reads: str,
    compare: bool,
    dtype: str,
    device: str,
    quantization: str,
    stream: bool | None,
    engine: str,
    engine_options: dict[str, Any],
    ask: dict[str, Any],
) -> None:
    """Chat in the terminal; /help lists what can be changed between two messages."""
    when_setting(when, when_above, when_reads)  # which refuses options of no condition
    condition = None if when is None else PromptCondition.of_file(when, when_above, when_reads)  # type: ignore[arg-type]  # click has checked it
    if run is not None:
        _talk_with(run, behavior or "", compare, condition)
        return
    refuse_unused({"--behavior": behavior is not None}, "it names a behavior of a run; give --run")
    if vectors is None:
        unused = {"--layer": bool(layers), "--strength": strength is not None, "--compare": compare,
                  "--when": when is not None,
                  "--positions": was_given("positions"), "--first-token": first_token}  # fmt: skip
        refuse_unused(unused, "there is no vector to push along; give --vectors")
    warn_of_strengths(scale, [strength or 0.0])
    setting = SteeringSetting(scale, positions, first_token)
    beginning = None if vectors is None else _beginning(vectors, layers, strength, setting)
    if beginning is not None and condition is not None:
        beginning = replace(beginning, condition=condition)
    with waiting(loading(model)):
        loaded = load(
            model,
            dtype=dtype,  # type: ignore[arg-type]  # click has checked it
            device=device,
            quantization=quantization,
            stream=stream,
            engine=engine,
            engine_options=engine_options,
            **ask,
        )
    with closing(loaded):
        chat = Chat(loaded, compare=compare)
        _talk(chat, chat.settings if beginning is None else chat.begin(beginning))


def _beginning(vectors: Path, layers: tuple[int, ...], strength: float | None, setting: SteeringSetting) -> Beginning:
    """The push that a chat begins with: what was typed, what is recommended for the vector, else what is usual.

    The recommended condition on the prompt stays whatever else was typed: it is no option that was changed.
    """
    recommended = beginning_of(vectors)
    changed = layers or any(was_given(name) for name in ("strength", "scale", "positions", "first_token"))
    if recommended is not None and not changed:
        return recommended
    usual = usual_beginning(recommended.vector if recommended else SteeringVector.load(vectors), layers, setting)
    beginning = usual if strength is None else Beginning(usual.vector, usual.layers, strength, setting)
    return beginning if recommended is None else replace(beginning, condition=recommended.condition)


def _talk_with(run: Path, behavior: str, compare: bool, condition: PromptCondition | None) -> None:
    """Chat at the setting that a run recommends."""
    given = {f"--{name.rstrip('s')}" if name == "layers" else f"--{name.replace('_', '-')}": was_given(name)
             for name in ("vectors", "layers", "strength", "scale", "positions", "first_token", "dtype", "device",
                          "quantization", "stream", "engine", "ask")}  # fmt: skip
    refuse_unused(given, "--run says it")
    model = click.get_current_context().params["model"] if was_given("model") else ""
    use = setting_of_run(run, model, behavior)
    with waiting(loading(use.model.label)):
        loaded = use.load_model()
    with closing(loaded):
        chat = Chat(loaded, compare=compare)
        beginning = of_run(use)
        chat.begin(beginning if condition is None else replace(beginning, condition=condition))
        _talk(chat, chat.settings)


def _talk(chat: Chat, opening: str) -> None:
    echo(f"{opening}\n/help lists the commands, /quit leaves", err=True)
    while not chat.over and (line := _line()) is not None:
        columns = terminal_columns() if is_terminal() else 0
        try:
            with closing(chat.pieces(line)) as pieces:
                show(pieces, lambda text: echo(text, nl=False), columns)
        except KeyboardInterrupt:
            echo("\n(stopped)", err=True)  # the reply, not the conversation


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
