"""What a vector is, layer by layer, and what cannot be known of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from trimtab._util.wording import plural
from trimtab.vectors._provenance import layer_ranges
from trimtab.vectors._training_record import TrainingRecord
from trimtab.vectors.steering_vector import SteeringVector

NORMED = 1e-3
"""Norms that differ from 1 by less were made to be 1."""


@dataclass(frozen=True)
class LayerFacts:
    """One direction in numbers."""

    layer: int
    depth: float | None
    """(layer + 1) ÷ n_layers; None where the model's number of layers is unknown."""
    norm: float
    next_cosine: float | None
    """Cosine with the direction of the next layer; None where there is none."""
    residual_norm: float | None
    """Mean norm of the residual stream; None where it is unknown."""


@dataclass(frozen=True)
class VectorDescription:
    """A vector in words and numbers."""

    facts: dict[str, str]
    """What is known, by what it is."""
    layers: tuple[LayerFacts, ...]
    """Of every layer with a direction."""
    remarks: tuple[str, ...]
    """What was left out of its file, and what the norms say."""
    unknown: tuple[str, ...]
    """What cannot be known from it."""


def describe(vector: SteeringVector) -> VectorDescription:
    """Put together what a vector says of itself and what its numbers show."""
    made, origin = vector.provenance, vector.provenance.origin
    known = {
        "name": made.behavior,
        "model": made.model,
        "method": made.method,
        "read at": made.token_position,
        "pairs": "" if made.pairs is None else f"{made.pairs:,}",
    }
    facts = {name: text for name, text in known.items() if text}
    if made.training is not None:
        facts |= _training(made.training)
    facts["directions"] = f"{layer_ranges(vector.layers)}, of width {vector.direction.shape[1]}"
    unknown = [name for name, text in known.items() if not text]
    if origin is not None:
        facts |= {"made by": origin.made_by, "layer map": origin.layer_map}
        facts |= {"file": f"{origin.file} (sha256 {origin.sha256})"} if origin.file else {}
    if not vector.is_whole:
        unknown.append(f"how many layers the model has (at least {vector.n_layers})")
    if not made.fingerprint:
        unknown.append("the weights that it was made from")
    if vector.residual_norm is None:
        unknown.append("residual norms: --model measures them")
    norms = vector.norm[list(vector.layers)]
    remarks = list(() if origin is None else origin.notes)
    if bool((norms - 1).abs().max() < NORMED):
        remarks.append("every norm is 1: how strong the directions were is lost, so use relative strengths")
    return VectorDescription(facts, tuple(_rows(vector)), tuple(remarks), tuple(unknown))


def _training(record: TrainingRecord) -> dict[str, str]:
    """How the vectors were trained, and how far their loss fell."""
    taken = max((len(curve) for curve in record.loss), default=0)
    steps = f"{plural(taken, 'step')} of at most {record.settings.get('steps', taken)}"
    held = f", {record.held_back} held back to choose the step" if record.held_back else ", none held back"
    facts = {"trained": f"{steps} on {plural(record.fit_pairs, 'pair')}{held}, {record.seconds:,.0f} s"}
    falls = {
        layer: min(checked) for layer, checked in zip(record.layers, record.checked_loss, strict=True) if checked
    } or {layer: curve[-1] for layer, curve in zip(record.layers, record.loss, strict=True) if curve}
    if falls:
        best = min(falls, key=falls.__getitem__)
        where = "of the pairs held back" if record.held_back else "of the last batch"
        step = record.best_step[record.layers.index(best)]
        facts["loss"] = (
            f"{record.unsteered_loss:.3f} unsteered; {where} lowest at layer {best}: {falls[best]:.3f} "
            f"after step {step}"
        )
    if record.stopped:
        facts["stopped"] = "; ".join(f"layer {layer}: {why}" for layer, why in record.stopped.items())
    return facts


def _rows(vector: SteeringVector) -> list[LayerFacts]:
    there, norms, residual = set(vector.layers), vector.norm.tolist(), vector.residual_norm
    unit = torch.nn.functional.normalize(vector.direction, dim=1)
    return [
        LayerFacts(
            layer,
            (layer + 1) / vector.n_layers if vector.is_whole else None,
            norms[layer],
            float(unit[layer] @ unit[layer + 1]) if layer + 1 in there else None,
            None if residual is None else float(residual[layer]),
        )
        for layer in vector.layers
    ]
