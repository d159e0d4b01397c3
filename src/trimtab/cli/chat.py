"""`trimtab chat`: talk with a model while its steering is under the hand."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from trimtab.cli.options import engine_options
from trimtab.engines import load
from trimtab.models import BUNDLED
from trimtab.serve import Chat
from trimtab.steering import Scale
from trimtab.vectors import SteeringVector


@click.command("chat")
@click.option("--model", "-m", default=BUNDLED, show_default=True, help="Bundled name, hub id, folder or .gguf file.")
@click.option("--vector", "-v", type=click.Path(path_type=Path), default=None, help="From `trimtab extract`.")
@click.option("--layer", "-l", "layers", type=int, multiple=True, help="Push behind this layer; may be repeated.")
@click.option("--strength", "-s", type=float, default=0.0, show_default=True, help="How far to push.")
@click.option("--scale", default="relative", show_default=True, help="raw, relative, rotate, project_out or clamp.")
@click.option("--compare", is_flag=True, help="Show the unsteered answer first.")
@click.option("--dtype", default="auto", show_default=True, help="auto, float32, bfloat16 or float16.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps.")
@engine_options
def command(
    model: str,
    vector: Path | None,
    layers: tuple[int, ...],
    strength: float,
    scale: Scale,
    compare: bool,
    dtype: str,
    device: str,
    engine: str,
    engine_options: dict[str, Any],
) -> None:
    """Chat in the terminal; /help lists what can be changed between two messages."""
    taken = SteeringVector.load(vector) if vector else None
    loaded = load(
        model,
        dtype=dtype,  # type: ignore[arg-type]  # load names the known ones
        device=device,
        engine=engine,  # type: ignore[arg-type]
        engine_options=engine_options,
    )
    with closing(loaded):
        _talk(Chat(loaded, taken, list(layers), strength, scale, compare=compare))


def _talk(chat: Chat) -> None:
    click.echo(f"{chat.settings}\n/help lists the commands, /quit leaves", err=True)
    while not chat.over and (line := _line()) is not None:
        try:
            for piece in chat.say(line):
                click.echo(piece, nl=False)
        except KeyboardInterrupt:
            click.echo("\n(stopped)", err=True)  # the answer, not the conversation


def _line() -> str | None:
    """What the person types next; None at the end of the input."""
    if sys.stdin.isatty():
        click.echo("> ", nl=False, err=True)
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        return ""
    except KeyboardInterrupt:
        return None
    return line if line else None
