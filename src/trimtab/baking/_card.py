"""The README of a baked folder: what was done to the model, and what was measured."""

from __future__ import annotations

import json
from collections.abc import Sequence

from trimtab.baking._bake_check import Asked, BakeCheck
from trimtab.models import Backbone, hub_id, shareable_name
from trimtab.vectors import SteeringVector

TAGS = ("steering-vector", "activation-steering", "trimtab")


def header(backbone: Backbone) -> str:
    """What the hub reads of a card: the model underneath, where it is on the hub, and tags."""
    base = hub_id(backbone.name)
    lines = ["---", *([f"base_model: {json.dumps(base)}"] if base else []), "library_name: transformers", "tags:"]
    return "\n".join([*lines, *(f"- {tag}" for tag in TAGS), "---"])


def card(
    backbone: Backbone,
    vector: SteeringVector,
    pushes: Sequence[tuple[int, float]],
    asked: Asked,
    check: BakeCheck,
    dtype: str,
) -> str:
    """A model card in Markdown, with the header that the hub reads.

    Args:
        backbone: What was baked.
        vector: What was pushed along.
        pushes: Layer and length of what is added behind it.
        asked: As it would be steered without baking.
        check: What was measured.
        dtype: Number format of the weights.
    """
    made = vector.provenance
    name = shareable_name(backbone.name)
    weights = f"{name} (fingerprint `{backbone.fingerprint or 'unknown'}`)"
    added = "\n".join(f"| {layer} | {length:.4g} |" for layer, length in pushes)
    return f"""{header(backbone)}

# {name}, steered along "{made.behavior}"

The weights are those of {weights}, {dtype}, with a steering vector baked in as a bias of the last matrix of
these decoder layers, counted from 0:

| behind layer | length of what is added |
|---|---|
{added}

Asked for was strength {asked.strength:g} ({asked.setting.scale}) along a vector for "{made.behavior}", made from
{shareable_name(made.model)} (method {made.method}, {made.pairs} pairs).

**Every token is pushed, the first one of a text included**, in prompts and in replies, by the same amount whatever its
state. It cannot be switched off but by using {name} itself.

Measured in float32 on {check.texts} texts of {check.tokens} tokens that are not about the behavior:

| | |
|---|---|
| largest difference between the logits of this model and of {name} steered by the same constant | {check.largest:.2g} |
| largest difference that the push makes | {check.effect:.3g} |
| divergence of {name}, unsteered, from steering as asked | {check.asked_effect:.3g} nats a token |
| divergence of this model from steering as asked | {check.from_asked:.3g} nats a token |

What the vector does to the behavior was not measured here; a run of trimtab says it.
"""
