"""`trimtab monitor`: fit a detector on pairs, test it on others, read texts with it."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import click

from trimtab.analysis.detection import Detection
from trimtab.cli.options import model_options
from trimtab.cli.progress import progress_bars
from trimtab.data import Balance, Form, Message, dataset
from trimtab.engines import Model, load
from trimtab.errors import DataError, SettingError
from trimtab.models import DType, TokenPosition
from trimtab.monitors import Monitor, Tested, TokenScores, fit_monitor, test_monitor
from trimtab.monitors.conversations import TEMPLATE

FIRES = 0.5
"""Probability from which a token is marked where there are no colors."""

_FILE = click.argument("file", type=click.Path(path_type=Path))
_MODEL = (
    click.option("--model", "-m", default=None, help="Bundled name, hub id, folder or .gguf file; else the file's."),
    click.option("--dtype", default="auto", show_default=True, help="auto, float32, bfloat16 or float16."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps."),
    click.option("--json", "as_json", is_flag=True, help="Everything, as JSON."),
)


def _with_model(verb: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_MODEL):
        verb = option(verb)
    return verb


@click.group()
def command() -> None:
    """Tell token by token whether a text shows a behavior."""


@command.command(short_help="Fit a monitor on pairs and measure it on held-out ones.")
@model_options
@click.option("--out", "-o", type=click.Path(path_type=Path), default=Path("monitor.safetensors"), show_default=True)
@click.option("--form", type=click.Choice(["choice", "text"]), default=None, help="Ask choices by letter or by text.")
@click.option(
    "--token-position", type=click.Choice(["answer", "last", "mean_completion"]), default=None,
    help="Tokens to read: the answer, the last, or all of the completion.",
)  # fmt: skip
@click.option(
    "--balance", type=click.Choice(["both_orders", "subsample", "off"]), default="both_orders", show_default=True
)
def fit(
    model: str,
    behavior: str,
    limit: int | None,
    dtype: str,
    device: str,
    seed: int,
    quiet: bool,
    out: Path,
    form: str | None,
    token_position: str | None,
    balance: str,
) -> None:
    """Fit a probe at every layer on the training part of the pairs, choose a layer on the second, test on the third."""
    train, select, held_out = dataset(behavior, limit=limit, seed=seed).split(seed=seed)
    loaded = load(model, dtype=cast(DType, dtype), device=device)
    with progress_bars(quiet) as progress:
        monitor = fit_monitor(
            loaded, train, select, token_position=cast("TokenPosition | None", token_position),
            form=cast("Form | None", form), balance=cast(Balance, balance), seed=seed, progress=progress,
        )  # fmt: skip
    tested = test_monitor(monitor, loaded, held_out, balance=cast(Balance, balance), seed=seed)
    measured = replace(monitor, provenance=replace(monitor.provenance, held_out=tested.held_out()))
    click.echo(f"{measured!r}, fitted on {len(train)} pairs, chosen and calibrated on {len(select)}")
    _tell([tested], "held-out pairs")
    click.echo(f"monitor: {measured.save(out)}")


@command.command("test", short_help="Measure a monitor on other pairs.")
@_FILE
@click.option(
    "--behavior", "-b", "behaviors", multiple=True, required=True,
    help="Built-in name, pairs file, folder or hub: reference; may be given again.",
)  # fmt: skip
@click.option("--limit", type=int, default=None, help="Use this many pairs of each, a stratified sample.")
@click.option("--form", type=click.Choice(["choice", "text"]), default=None, help="Ask choices by letter or by text.")
@click.option("--layer", "-l", type=int, default=None, help="Read this layer instead of the monitor's.")
@click.option("--seed", type=int, default=0, show_default=True, help="For samples and intervals.")
@_with_model
def test_(
    file: Path,
    behaviors: tuple[str, ...],
    limit: int | None,
    form: str | None,
    layer: int | None,
    seed: int,
    model: str | None,
    dtype: str,
    device: str,
    as_json: bool,
) -> None:
    """Measure FILE on the pairs of other behaviors or files: can it still tell, and believe its probabilities?

    Pairs of prompts that the monitor has seen are left out.
    """
    monitor = _read(file, layer)
    every = [dataset(name, limit=limit, seed=seed) for name in behaviors]
    loaded = _load(monitor, model, dtype, device)
    results = [test_monitor(monitor, loaded, pairs, form=cast("Form | None", form), seed=seed) for pairs in every]
    if as_json:
        click.echo(json.dumps([_plain(result) for result in results], indent=2))
    else:
        click.echo(repr(monitor))
        _tell(results, "pairs")


@command.command(short_help="Read a text or a conversation token by token.")
@_FILE
@click.option("--text", default=None, help="A text, read as the reply to an empty message.")
@click.option("--prompt", default=None, help="What is asked; with --reply.")
@click.option("--reply", default=None, help="What is replied to --prompt.")
@click.option("--file", "conversation", type=click.Path(path_type=Path), default=None, help="Chat messages, as JSON.")
@click.option("--layer", "-l", type=int, default=None, help="Read this layer instead of the monitor's.")
@_with_model
def score(
    file: Path,
    text: str | None,
    prompt: str | None,
    reply: str | None,
    conversation: Path | None,
    layer: int | None,
    model: str | None,
    dtype: str,
    device: str,
    as_json: bool,
) -> None:
    """Read one text or conversation with the monitor in FILE.

    In a terminal red tokens are positive, blue ones negative; elsewhere positive ones stand in [[ ]].
    """
    given = _given(text, prompt, reply, conversation)
    monitor = _read(file, layer)
    found = monitor.score(_load(monitor, model, dtype, device), given)
    if as_json:
        click.echo(json.dumps(_as_json(monitor, found), ensure_ascii=False, indent=2))
    else:
        _show(found, sys.stdout.isatty())


def _read(file: Path, layer: int | None) -> Monitor:
    monitor = Monitor.load(file)
    return monitor if layer is None else monitor.at(layer)


def _load(monitor: Monitor, model: str | None, dtype: str, device: str) -> Model:
    return load(model or monitor.provenance.model, dtype=cast(DType, dtype), device=device)


def _given(text: str | None, prompt: str | None, reply: str | None, conversation: Path | None) -> str | list[Message]:
    """What is to be read: exactly one of the three ways to say it."""
    if sum((text is not None, prompt is not None or reply is not None, conversation is not None)) != 1:
        raise SettingError("give --text, or --prompt and --reply, or --file, one of them")
    if text is not None:
        return text
    if conversation is not None:
        return _messages(conversation)
    if prompt is None or reply is None:
        raise SettingError("--prompt and --reply belong together; for a text alone give --text")
    return [Message(role="user", content=prompt), Message(role="assistant", content=reply)]


def _messages(path: Path) -> list[Message]:
    """Chat messages from a JSON file: a list, or an object with a list of `messages`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable JSON file ({error})") from None
    rows = content.get("messages") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise DataError(f'{path}: write a list of messages, each {{"role": "user", "content": "…"}}')
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("role", "content")):
            raise DataError(f"{path}: message {number} needs a role and a content, both texts")
    return [Message(role=row["role"], content=row["content"]) for row in rows]


def _tell(results: Iterable[Tested], kind: str) -> None:
    """A few lines for each set of pairs, and what to be warned of."""
    for result in results:
        left_out = f" ({result.left_out} left out: it was fitted on their prompts)" if result.left_out else ""
        click.echo(f"\n{result.behavior}: {result.pairs} {kind}{left_out}, read at {result.token_position}")
        click.echo(f"  texts   {_line(result.texts)}; before calibration {result.uncalibrated.calibration_error:.2f}")
        click.echo(f"  tokens  {_line(result.tokens)}")
        for remark in result.texts.remarks():
            click.echo(f"  {remark}")


def _line(found: Detection) -> str:
    limit = "" if math.isnan(found.calibration_limit) else f" (by chance up to {found.calibration_limit:.2f})"
    return (
        f"AUROC {found.auroc:.3f} [{found.auroc_low:.3f}, {found.auroc_high:.3f}]  Brier {found.brier:.3f}  "
        f"calibration error {found.calibration_error:.2f}{limit}"
    )


def _plain(result: Tested) -> dict[str, Any]:
    kinds = {name: _finite(asdict(getattr(result, name))) for name in ("texts", "uncalibrated", "tokens")}
    return {
        "behavior": result.behavior, "pairs": result.pairs, "left_out": result.left_out, "form": result.form,
        "token_position": result.token_position, **kinds,
        "remarks": result.texts.remarks(), "reliability": result.reliability.to_dict("records"),
    }  # fmt: skip


def _finite(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in fields.items()}


def _as_json(monitor: Monitor, found: TokenScores) -> dict[str, Any]:
    rows = zip(found.pieces, found.owner, found.logit.tolist(), found.probability.tolist(), strict=True)
    return {
        "behavior": monitor.provenance.behavior,
        "layer": monitor.layer,
        "messages": [asdict(message) for message in found.messages],
        "tokens": [
            {"text": piece, "message": owner, "logit": logit, "probability": probability}
            for piece, owner, logit, probability in rows
            if owner != TEMPLATE
        ],
    }


def _show(found: TokenScores, colored: bool) -> None:
    """Every message with its probability, then its tokens, colored or marked."""
    probability = found.probability
    for message in found.messages:
        click.echo(click.style(f"{message.role}: {message.probability:.2f}", bold=True))
        mine = [i for i, owner in enumerate(found.owner) if owner == message.number]
        pieces = [(found.pieces[i], float(probability[i])) for i in mine]
        click.echo("".join(_colored(piece, odds) for piece, odds in pieces) if colored else _marked(pieces))


def _colored(piece: str, probability: float) -> str:
    """Blue at 0, white at one half, red at 1."""
    fade = round(255 * (1 - abs(2 * probability - 1)))
    color = (255, fade, fade) if probability > FIRES else (fade, fade, 255)
    return click.style(piece, fg="black", bg=color)


def _marked(pieces: list[tuple[str, float]]) -> str:
    """Runs of positive tokens between [[ and ]]."""
    text, inside = "", False
    for piece, probability in pieces:
        if (probability > FIRES) != inside:
            inside = not inside
            text += "[[" if inside else "]]"
        text += piece
    return text + ("]]" if inside else "")
