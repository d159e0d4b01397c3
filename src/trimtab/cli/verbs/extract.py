"""`trimtab extract`: the vectors of one behavior in one model."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import click

from trimtab.cli.help_examples import example
from trimtab.cli.model_options import ask_option, engine_options, extraction_options, model_options
from trimtab.cli.next_command import chat_with, show_next, typed
from trimtab.cli.options import out_option, refuse_unused, was_given
from trimtab.cli.progress import shown_progress
from trimtab.cli.terminal import echo, echo_path
from trimtab.data import Behavior, Form, contrast
from trimtab.engines import load
from trimtab.evaluation import form_of, parse_layers, resolve_scoring
from trimtab.study import make_study
from trimtab.study.step_names import extracting, loading, mapping
from trimtab.vectors import AGGREGATIONS, extract
from trimtab.vectors.maps import with_transport


@click.command("extract", epilog=example("trimtab extract --behavior cheerful -o vectors.safetensors"))
@model_options
@engine_options
@ask_option
@extraction_options
@out_option(path="vectors.safetensors")
@click.option(
    "--layers", metavar="LAYERS", default="all", show_default=True,
    help="Of a trained method: which layers to train, such as 9:18 or 0.33: (by depth).",
)  # fmt: skip
@click.option(
    "--transport",
    is_flag=True,
    help="Measure the map from the negative states to the positive, too, for the scale transport; reads them again.",
)
@click.option(
    "--all-pairs", is_flag=True, help="Use every pair, not only the training part: no prompt is held out then."
)
def command(
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
    engine: str,
    engine_options: dict[str, Any],
    ask: dict[str, Any],
    method: str,
    training: dict[str, Any],
    token_position: str,
    balance: str,
    scoring: str,
    out: Path,
    layers: str,
    transport: bool,
    all_pairs: bool,
) -> None:
    """Extract a vector at every layer and write them to a safetensors file.

    Uses the training part of the pairs, the same that `sweep` leaves out when given the same seed. Takes contrasts
    between prompts and between two lists, too.
    """
    study = make_study(
        {
            "models": [
                {
                    "id": model, "dtype": dtype, "device": device, "quantization": quantization, "stream": stream,
                    "engine": engine, "engine_options": engine_options, **ask,
                }
            ],
            "behaviors": [
                {"source": behavior, "scoring": scoring, "limit": limit, "skip_bad": skip_bad, "map": columns}
            ],
            "method": method, "training": training, "token_position": token_position, "balance": balance, "seed": seed,
        },
        "options",
    )  # fmt: skip
    given = contrast(behavior, limit=limit, seed=seed, skip_bad=skip_bad, columns=columns)
    form: Form | Literal["auto"] = "auto"
    if isinstance(given, Behavior):
        form = form_of(resolve_scoring(given, study.behaviors[0].scoring))
    else:
        unused = {"--scoring": was_given("scoring"), "--balance": was_given("balance")}
        refuse_unused(unused, "only pairs of completions have scores and answer letters")
    trained = AGGREGATIONS.get(study.method).trained
    if not trained:
        refuse_unused({"--layers": was_given("layers")}, f"method {study.method} gives every layer a direction")
    train = given if all_pairs else given.split(seed=seed)[0]
    (setting,) = study.models
    with shown_progress(quiet) as progress:
        progress(loading(model), 0, 1)
        loaded = load(model, **setting.load_options)
        progress(loading(model), 1, 1)
        with closing(loaded):
            chosen = {layer for some in parse_layers(layers, loaded.facts.layers) for layer in some}
            vectors = extract(
                loaded, train, method=study.method, token_position=study.token_position, form=form,
                balance=study.balance, seed=seed, layers=chosen if trained else None, training=study.training,
                progress=lambda done, total: progress(extracting(given.name, model, study.method), done, total),
            )  # fmt: skip
            if transport:
                vectors = with_transport(
                    vectors, loaded, train, seed=seed,
                    progress=lambda done, total: progress(mapping(given.name, model), done, total),
                )  # fmt: skip
    echo(repr(vectors))
    echo_path("vectors", vectors.save(out))
    if all_pairs or not isinstance(given, Behavior):  # nothing is held out, or nothing can be scored
        show_next(chat_with(out))
    else:
        show_next(["sweep", "--vectors", str(out), *typed("sweep", "vectors", "out", "method", "token_position")])
