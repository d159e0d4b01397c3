"""The README of a folder whose weights write nothing along a direction any more."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from trimtab.baking._card import header
from trimtab.baking._orthogonal_check import OrthogonalCheck
from trimtab.baking._stream_writers import StreamWriter
from trimtab.models import Backbone, shareable_name
from trimtab.vectors import SteeringVector


def orthogonal_card(
    backbone: Backbone,
    vector: SteeringVector,
    layer: int,
    share: float,
    writers: Sequence[StreamWriter],
    check: OrthogonalCheck,
    dtype: str,
) -> str:
    """A model card in Markdown, with the header that the hub reads.

    Args:
        backbone: What was baked.
        vector: What was removed.
        layer: Its direction at which layer.
        share: α.
        writers: What was edited.
        check: What was measured.
        dtype: Number format of the weights.
    """
    made, name = vector.provenance, shareable_name(backbone.name)
    weights = f"{name} (fingerprint `{backbone.fingerprint or 'unknown'}`)"
    kinds = Counter(re.sub(r"\b\d+\b", "*", writer.name) for writer in writers)
    edited = ", ".join(f"`{kind}` ({count})" if count > 1 else f"`{kind}`" for kind, count in kinds.items())
    kept = "" if share == 1 else (
        f"\n\nWhat is removed is the share {share:g} of what each matrix writes. The shares compound: later matrices "
        "read what the earlier ones wrote, so what is left of the direction in a state is no fixed part of what "
        "was there."
    )  # fmt: skip
    rounded = "" if not check.rounding else (
        f"\n| largest difference that rounding these weights to {dtype} makes | {check.rounding:.2g} |"
    )  # fmt: skip
    compared = f"| largest difference between its logits, before rounding, and {name}'s with hooks that remove the same"
    return f"""{header(backbone)}

# {name} without the direction "{made.behavior}"

The weights are those of {weights}, {dtype}.
From every matrix that writes into the residual stream, and from its bias, the direction of a steering vector at layer
{layer}, counted from 0, was removed: W − α·v̂·v̂ᵀW with α = {share:g} (weight orthogonalization, Arditi et al. 2024,
arXiv 2406.11717). An unembedding that shared the embedding's weights is now stored by itself, unchanged.

The direction is of a vector for "{made.behavior}", made from {shareable_name(made.model)}
(method {made.method}, {made.pairs} pairs).{kept}

**It holds for every token, the first one of a text included**, in prompts and in replies. It cannot be switched off but
by using {name} itself.

Measured in float32 on {check.texts} texts of {check.tokens} tokens that are not about the behavior:

| | |
|---|---|
| largest share of a state's length along the direction, behind any layer | {check.along:.2g} |
| the same in {name} | {check.along_plain:.2g} |
{compared} | {check.largest:.2g} |
| largest difference that removing it makes | {check.effect:.3g} |{rounded}
| divergence of {name} from trimtab's `project_out` behind all layers | {check.asked_effect:.3g} nats a token |
| divergence of this model from trimtab's `project_out` behind all layers | {check.from_asked:.3g} nats a token |
| divergence of this model from the same at every token, the first one too | {check.from_first:.3g} nats a token |

The last lines are of another intervention: `project_out` removes the direction behind the layers, by default at every
token but the first one, and leaves the embedding and what the MLP reads of the attention in the same layer as they are.
What either does to the behavior was not measured here.

Edited: {edited}.
"""
