"""The README of a shared folder: what the vector does, how sure that is, and how it is used without trimtab."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.inputs.secrets import without_secrets
from trimtab.vectors import Provenance
from trimtab.vectors.formats.published.shared_folders import (
    CONTROL_VECTOR,
    MONITOR,
    STEERING,
    VECTORS,
    SharedEffect,
    Steering,
)

TAGS = ("steering-vector", "activation-steering", "control-vector", "trimtab")


@dataclass(frozen=True)
class Measured:
    """What a run shows about the setting."""

    effect: SharedEffect
    findings: tuple[str, ...]
    """What is shown, and what is not, in sentences."""
    warnings: tuple[str, ...]
    """Cautions of the report, then warnings of the run."""
    chosen_by: str
    """`replies` or `scores`."""


def vector_card(
    steering: Steering, made: Provenance, measured: Measured | None, notes: Sequence[str], usage: Sequence[str]
) -> str:
    """A model card in Markdown, with the header that the hub reads.

    Args:
        steering: What the folder says for programs.
        made: Where the vector came from.
        measured: What a run shows; None where nothing was measured.
        notes: What was left out or is lost.
        usage: What to type in llama.cpp; none where there is no control vector.
    """
    model, use = steering.model, steering.setting
    header = [f"base_model: {json.dumps(model.base_model)}", "base_model_relation: adapter"] if model.base_model else []
    header += ["library_name: trimtab", "tags:", *(f"- {tag}" for tag in TAGS)]
    layers = " and ".join(map(str, use.layers))
    parts = [
        "\n".join(["---", *header, "---"]),
        f"# A steering vector for “{_plain(steering.behavior)}” in {_plain(model.name)}",
        *(_measured(measured) if measured else [_UNMEASURED]),
        "## The setting",
        f"Push behind decoder layer {layers}, counted from 0, at strength {use.strength:+g} ({use.unit}). "
        f"{_formula(steering)}",
        *_condition(steering),
        _files(steering),
        "## How to use it",
        f"With trimtab: `trimtab hub pull FOLDER_OR_OWNER/NAME -o {VECTORS}` checks the files and prints what to type.",
    ]
    if usage:
        parts += ["With llama.cpp (1 is the strength to use):", "\n".join(["```", *usage, "```"])]
    parts += ["## Where it comes from", _origin(steering, made)]
    if notes:
        parts += ["## What is lost or left out", _listed(notes)]
    return "\n\n".join(parts) + "\n"


_UNMEASURED = (
    "**What the vector does was not measured.** Layer and strength are what somebody chose by hand; no effect, no side "
    "effect and no interval is known."
)


def _measured(found: Measured) -> list[str]:
    effect = found.effect
    interval = "too few prompts for an interval"
    if effect.low is not None and effect.high is not None:
        interval = f"95% interval {effect.low:.3g} to {effect.high:.3g}"
    numbers = f"Measured by {effect.measure}: a change of {effect.change:+.3g} {effect.unit} ({interval})."
    parts = [_plain(effect.statement), f"{numbers} The setting was chosen by {found.chosen_by}."]
    warnings = _listed(found.warnings) if found.warnings else "The run has none."
    parts += ["## Warnings", warnings]
    return parts + (["## Findings", _listed(found.findings)] if found.findings else [])


def _formula(steering: Steering) -> str:
    """What is added, in symbols."""
    use = steering.setting
    first = "" if use.first_token else ", the first token of the text left alone"
    what = "α·v" if use.unit == "raw" else "α·‖h‖·v/‖v‖"
    text = f"To the state h of each token (positions: {use.positions}{first}) {what} is added, α being the strength."
    known = [f"{length:.4g} behind layer {layer}" for layer, length in zip(use.layers, use.lengths, strict=True)
             if length is not None]  # fmt: skip
    return f"{text} A constant that does the same on average has length {', '.join(known)}." if known else text


def _condition(steering: Steering) -> list[str]:
    """When that is done, where it depends on the prompt."""
    when = steering.setting.when
    if when is None:
        return []
    read = "the mean state of its tokens behind the first" if when.reads == "mean" else "the state of its last token"
    return [
        f"**Only behind prompts that meet a condition**, decided once for each text: with h {read} in the model as it "
        f"is, 1 / (1 + exp(−(w·h + b))) has to be above {when.above}. `{MONITOR}` holds w and b of each layer, and "
        "in its header the layer that is read. Texts behind other prompts are left alone."
    ]


def _files(steering: Steering) -> str:
    rows = [
        f"| `{VECTORS}` | one tensor `direction` [{steering.model.n_layers}, {steering.model.width}]; row N is v of "
        "decoder layer N, zero where there is none |",
        f"| `{STEERING}` | setting, effect, layer map, hashes of the files |",
    ]
    if CONTROL_VECTOR in steering.files:
        rows.append(f"| `{CONTROL_VECTOR}` | the push at this setting for llama.cpp |")
    if MONITOR in steering.files:
        rows.append(f"| `{MONITOR}` | the linear probes of the condition on the prompt |")
    return "\n".join(["| file | |", "|---|---|", *rows])


def _origin(steering: Steering, made: Provenance) -> str:
    model, how = steering.model, steering.vector
    pairs = "an unknown number of" if how.pairs is None else f"{how.pairs:,}"
    base = f", on the hub {model.base_model}," if model.base_model not in ("", model.name) else ""
    text = (
        f"Made from {_plain(model.name)}{base} (fingerprint of the weights `{model.fingerprint or 'unknown'}`), method "
        f"{_plain(how.method or 'unknown')}, token position {_plain(how.token_position or 'unknown')}, {pairs} pairs."
    )
    if made.origin is not None:
        text += f" trimtab did not make it: it came in from {_plain(made.origin.made_by)} ({_plain(made.origin.file)})."
    return text


def _listed(texts: Sequence[str]) -> str:
    return "\n".join(f"- {_plain(text)}" for text in texts)


def _plain(text: str) -> str:
    """A text as one line of Markdown that holds no HTML and no key."""
    line = " ".join(without_secrets(text).split())
    return line.replace("&", "&amp;").replace("<", "&lt;")
