"""Trained vectors of a behavior: what is read and run for them, and what they say of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

from trimtab._util.callbacks import Progress
from trimtab.data import Balance, Behavior, Form
from trimtab.errors import SettingError, VectorError
from trimtab.models import EncodedPair, Text
from trimtab.vectors._difference_sums import DifferenceSums
from trimtab.vectors.state_reading import Source, prepare
from trimtab.vectors.steering_vector import SteeringVector
from trimtab.vectors.training._layers import LayerVectors
from trimtab.vectors.training._training_steps import Training
from trimtab.vectors.training.base import Trainable, TrainedAggregation, TrainingItem


def train(
    model: Source,
    behavior: Behavior,
    method: TrainedAggregation,
    *,
    layers: Iterable[int] | None = None,
    training: Mapping[str, Any] | None = None,
    token_position: str = "auto",
    form: Form | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    progress: Progress | None = None,
) -> SteeringVector:
    """Train a vector at each of some layers, all of them in the same passes of the model.

    The pairs' states are read once, for the residual norms by which learning rate and norm bound are scaled, and for
    the letter's leakage. A part of the pairs is held back; a layer's vector is that of the step at which their loss was
    least.

    Args:
        model: from `trimtab.load`, on an engine that computes gradients.
        behavior: the pairs.
        method: what is minimised.
        layers: the layers to train; the others have no direction. None: all.
        training: settings of the method by name, see `TrainingSettings`.
        token_position: where residual norms are read.
        form: as in `extract`.
        balance: as in `extract`: by default each choice pair is there in both option orders, in the same batch.
        seed: of batches, of the part that is held back, and of what the method draws.
        progress: called with (steps taken, steps at most).

    Warns:
        TrimtabWarning: where there are too few pairs to hold some back, a layer's loss turned NaN, or no step of a
            layer was better than no push.

    Raises:
        SettingError: for settings that the method does not have, a layer out of range, or an engine without gradients.
        VectorError: when no layer could be trained.
    """
    work = begin(model, behavior, method, layers, training or {}, token_position, form, balance, seed)
    started = time.monotonic()
    work.run(progress)
    found = work.vectors.best(model.facts.layers)
    if not bool(found.any()):
        raise VectorError(f"method {method.name}: no layer could be trained: {work.vectors.reasons}")
    norms = work.sums.residual_norm
    made = replace(
        work.reading.provenance(norms),
        method=method.name,
        letter=work.sums.letter_leakage(found),
        seed=seed,
        training=work.record(time.monotonic() - started),
    )
    return SteeringVector(found, norms, made)


def begin(
    model: Source,
    behavior: Behavior,
    method: TrainedAggregation,
    layers: Iterable[int] | None,
    training: Mapping[str, Any],
    token_position: str,
    form: Form | Literal["auto"],
    balance: Balance,
    seed: int,
) -> Training:
    """Everything that a training needs, before its first step; arguments and errors as in `train`."""
    settings = method.settings(training)
    chosen = _layers(layers, model.facts.layers)
    if not hasattr(model, "gradient_passes"):
        raise SettingError(f"method {method.name}: this model computes no gradients; train with trimtab.load")
    reading = prepare(model, behavior, token_position, form, balance, seed)
    items = [training_item(pair, method, reading.form) for pair in reading.encoded]
    passes = cast(Trainable, model).gradient_passes(items, settings.positions, settings.first_token)
    sums = DifferenceSums(reading.weights, reading.signs)
    for batch in reading.batches(None):
        sums.add(batch.rows, batch.difference, batch.norm)
    norms, width = sums.residual_norm[list(chosen)], model.facts.width
    vectors = LayerVectors(chosen, norms, width, zero=method.starts_at_zero, seed=seed, settings=settings)
    return Training(method, settings, reading, sums, items, passes, vectors, seed)


def training_item(pair: EncodedPair, method: TrainedAggregation, form: Form) -> TrainingItem:
    """The completions of a pair that a method uses; of a choice, the answers' first differing tokens."""
    if form == "choice":
        texts = [Text(text[: pair.shared + 1], pair.shared) for text in (pair.positive, pair.negative)]
    else:
        start = pair.shared if method.negative_from_parting else pair.prompt_length
        texts = [Text(pair.positive, pair.prompt_length)]
        if start < len(pair.negative):  # else nothing of it is not in the positive one, too
            texts.append(Text(pair.negative, start))
    return TrainingItem(tuple(texts if method.uses_negative else texts[:1]), pair.prompt_length)


def _layers(layers: Iterable[int] | None, n_layers: int) -> tuple[int, ...]:
    chosen = tuple(range(n_layers)) if layers is None else tuple(sorted(set(layers)))
    if not chosen:
        raise SettingError("no layers to train a vector at; name at least one")
    for layer in chosen:
        if not 0 <= layer < n_layers:
            raise SettingError(f"layer {layer} is out of range: this model has layers 0 to {n_layers - 1}")
    return chosen
