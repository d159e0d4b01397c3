"""`trimtab monitor`: fit a linear probe on pairs, test it on others, score texts with it."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import click

from trimtab.cli.groups import HelpfulGroup
from trimtab.cli.help_examples import example
from trimtab.cli.model_options import model_option, model_options, placement_options, token_position_option
from trimtab.cli.next_command import show_next, typed
from trimtab.cli.options import (
    balance_option,
    behavior_option,
    form_option,
    json_option,
    limit_option,
    out_option,
    seed_option,
    several,
)
from trimtab.cli.progress import shown_progress
from trimtab.cli.terminal import Styled, echo, echo_json, echo_path, echo_text, styled
from trimtab.data import Balance, Form, Message, dataset
from trimtab.engines import Model, load
from trimtab.errors import DataError, SettingError
from trimtab.inputs.bounded_files import MIB, FileKind
from trimtab.inputs.json_text import read_json
from trimtab.models import DType, TokenPosition
from trimtab.monitors import TEMPLATE, Monitor, MonitorEvaluation, TokenScores, fit_monitor, test_monitor
from trimtab.stats.detection import Detection
from trimtab.study.step_names import loading

THRESHOLD = 0.5
"""Probability from which a token is marked where there are no colors."""

_CONVERSATION = FileKind("file of chat messages", 10 * MIB, DataError)
_FILE = click.argument("file", type=click.Path(path_type=Path))
_LAYER = click.option(
    "--layer", "-l", metavar="N", type=int, default=None, help="Read this layer instead of the monitor's."
)
_with_model = several(model_option(None, "that of the monitor"), placement_options, json_option)


@click.group(cls=HelpfulGroup, epilog=example("trimtab monitor fit --behavior cheerful -o monitor.safetensors"))
def command() -> None:
    """Score each token of a text with a linear probe."""


@command.command(
    short_help="Fit a monitor on pairs and measure it on held-out ones.",
    epilog=example("trimtab monitor fit --behavior cheerful -o monitor.safetensors"),
)
@model_options
@out_option(path="monitor.safetensors")
@form_option
@token_position_option
@balance_option
def fit(
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
    out: Path,
    form: str,
    token_position: str,
    balance: str,
) -> None:
    """Fit a probe at every layer on the training part of the pairs, choose a layer on the second, test on the third."""
    pairs = dataset(behavior, limit=limit, seed=seed, skip_bad=skip_bad, columns=columns)
    train, select, held_out = pairs.split(seed=seed)
    with shown_progress(quiet) as progress:
        progress(loading(model), 0, 1)
        loaded = load(model, dtype=cast(DType, dtype), device=device, quantization=quantization, stream=stream)
        progress(loading(model), 1, 1)
        monitor = fit_monitor(
            loaded, train, select, token_position=cast("TokenPosition | None", _unless_auto(token_position)),
            form=cast("Form | None", _unless_auto(form)), balance=cast(Balance, balance), seed=seed, progress=progress,
        )  # fmt: skip
    tested = test_monitor(monitor, loaded, held_out, balance=cast(Balance, balance), seed=seed)
    measured = replace(monitor, provenance=replace(monitor.provenance, held_out=tested.held_out()))
    echo_text(f"{measured!r}, fitted on {len(train)} pairs, chosen and calibrated on {len(select)}")
    _print_results([tested], "held-out pairs")
    echo_path("monitor", measured.save(out))
    show_next(_score_with(out))


@command.command(
    "test",
    short_help="Measure a monitor on other pairs.",
    epilog=example("trimtab monitor test monitor.safetensors --behavior others.jsonl"),
)
@_FILE
@behavior_option(many=True)
@limit_option
@form_option
@_LAYER
@seed_option
@_with_model
def test_(
    file: Path,
    behaviors: tuple[str, ...],
    limit: int | None,
    form: str,
    layer: int | None,
    seed: int,
    model: str | None,
    dtype: str,
    device: str,
    quantization: str,
    stream: bool | None,
    as_json: bool,
) -> None:
    """Measure the accuracy and calibration of FILE on the pairs of other behaviors or files.

    Pairs of prompts that the monitor has seen are left out.
    """
    monitor = _read(file, layer)
    every = [dataset(name, limit=limit, seed=seed) for name in behaviors]
    loaded = _load(monitor, model, dtype, device, quantization, stream)
    asked = cast("Form | None", _unless_auto(form))
    results = [test_monitor(monitor, loaded, pairs, form=asked, seed=seed) for pairs in every]
    if as_json:
        echo_json([_plain(result) for result in results], indent=2)
    else:
        echo(repr(monitor))
        _print_results(results, "pairs")
        show_next(_score_with(file))


@command.command(
    short_help="Score a text or a conversation token by token.",
    epilog=example('trimtab monitor score monitor.safetensors --prompt "How are you?" --reply "Wonderful!"'),
)
@_FILE
@click.option("--text", metavar="TEXT", default=None, help="A text, scored as the reply to an empty message.")
@click.option("--prompt", metavar="TEXT", default=None, help="The prompt; with --reply.")
@click.option("--reply", metavar="TEXT", default=None, help="The reply to --prompt.")
@click.option(
    "--file", "conversation", metavar="FILE", type=click.Path(path_type=Path), default=None,
    help="Chat messages, as JSON.",
)  # fmt: skip
@_LAYER
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
    quantization: str,
    stream: bool | None,
    as_json: bool,
) -> None:
    """Score one text or conversation with the monitor in FILE.

    In a terminal red tokens are positive, blue ones negative; elsewhere positive ones stand in [[ ]].
    """
    given = _given(text, prompt, reply, conversation)
    monitor = _read(file, layer)
    found = monitor.score(_load(monitor, model, dtype, device, quantization, stream), given)
    if as_json:
        echo_json(_as_json(monitor, found), indent=2)
    else:
        _show(found, sys.stdout.isatty())


def _score_with(file: Path) -> list[str]:
    return ["monitor", "score", str(file), "--text", "I would love to help you with that!", *typed("monitor score")]


def _read(file: Path, layer: int | None) -> Monitor:
    monitor = Monitor.load(file)
    return monitor if layer is None else monitor.at(layer)


def _load(
    monitor: Monitor, model: str | None, dtype: str, device: str, quantization: str, stream: bool | None
) -> Model:
    with shown_progress() as progress:
        name = model or monitor.provenance.model
        progress(loading(name), 0, 1)
        loaded = load(name, dtype=cast(DType, dtype), device=device, quantization=quantization, stream=stream)
        progress(loading(name), 1, 1)
    return loaded


def _unless_auto(value: str) -> str | None:
    return None if value == "auto" else value


def _given(text: str | None, prompt: str | None, reply: str | None, conversation: Path | None) -> str | list[Message]:
    """The text to score, from exactly one of the three forms."""
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
    content = read_json(path, _CONVERSATION)
    rows = content.get("messages") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not rows:
        raise DataError(f'{path}: write a list of messages, each {{"role": "user", "content": "…"}}')
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("role", "content")):
            raise DataError(f"{path}: message {number} needs a role and a content, both texts")
    return [Message(role=row["role"], content=row["content"]) for row in rows]


def _print_results(results: Iterable[MonitorEvaluation], kind: str) -> None:
    """Print a few lines for each set of pairs, with warnings."""
    for result in results:
        left_out = f" ({result.left_out} left out: it was fitted on their prompts)" if result.left_out else ""
        echo_text(f"\n{result.behavior}: {result.pairs} {kind}{left_out}, read at {result.token_position}")
        echo(f"  texts   {_line(result.texts)}; before calibration {result.uncalibrated.calibration_error:.2f}")
        echo(f"  tokens  {_line(result.tokens)}")
        for remark in result.texts.remarks():
            echo_text(f"  {remark}")


def _line(found: Detection) -> str:
    limit = "" if math.isnan(found.calibration_limit) else f" (by chance up to {found.calibration_limit:.2f})"
    return (
        f"AUROC {found.auroc:.3f} [{found.auroc_low:.3f}, {found.auroc_high:.3f}]  Brier {found.brier:.3f}  "
        f"calibration error {found.calibration_error:.2f}{limit}"
    )


def _plain(result: MonitorEvaluation) -> dict[str, Any]:
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
        echo(styled(f"{message.role}: {message.probability:.2f}", bold=True))
        mine = [i for i, owner in enumerate(found.owner) if owner == message.number]
        pieces = [(found.pieces[i], float(probability[i])) for i in mine]
        echo(*([_colored(piece, odds) for piece, odds in pieces] if colored else [_marked(pieces)]))


def _colored(piece: str, probability: float) -> Styled:
    """Blue at 0, white at one half, red at 1."""
    fade = round(255 * (1 - abs(2 * probability - 1)))
    color = (255, fade, fade) if probability > THRESHOLD else (fade, fade, 255)
    return styled(piece, fg="black", bg=color)


def _marked(pieces: list[tuple[str, float]]) -> str:
    """Runs of positive tokens between [[ and ]]."""
    text, inside = "", False
    for piece, probability in pieces:
        if (probability > THRESHOLD) != inside:
            inside = not inside
            text += "[[" if inside else "]]"
        text += piece
    return text + ("]]" if inside else "")
