"""Training the vectors of many layers at once: batches, gradients, steps, and when to stop."""

from __future__ import annotations

import math
import random
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from torch import Tensor

from trimtab._util.callbacks import Progress
from trimtab.data import Balance, Behavior, Form
from trimtab.errors import SettingError, TrimtabWarning, VectorError
from trimtab.models import EncodedPair, Text
from trimtab.vectors._difference_sums import DifferenceSums
from trimtab.vectors._provenance import layer_ranges
from trimtab.vectors._training_record import TrainingRecord
from trimtab.vectors.state_reading import Reading, Source, prepare
from trimtab.vectors.steering_vector import SteeringVector
from trimtab.vectors.training._batches import MIN_PAIRS, Batches, divide
from trimtab.vectors.training._layers import LayerVectors
from trimtab.vectors.training.base import CompletionScores, GradientPasses, Trainable, TrainedAggregation, TrainingPart
from trimtab.vectors.training.settings import TrainingSettings


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
    settings = method.settings(training or {})
    chosen = _layers(layers, model.facts.layers)
    if not hasattr(model, "gradient_passes"):
        raise SettingError(f"method {method.name}: this model computes no gradients; train with trimtab.load")
    reading = prepare(model, behavior, token_position, form, balance, seed)
    items = [_texts(pair, method.uses_negative) for pair in reading.encoded]
    passes = cast(Trainable, model).gradient_passes(items, settings.positions, settings.first_token)
    sums = DifferenceSums(reading.weights, reading.signs)
    for batch in reading.batches(None):
        sums.add(batch.rows, batch.difference, batch.norm)
    started = time.monotonic()
    norms = sums.residual_norm
    vectors = LayerVectors(
        chosen, norms[list(chosen)], model.facts.width, zero=method.starts_at_zero, seed=seed, settings=settings
    )
    work = Training(method, settings, reading, items, passes, vectors, seed)
    work.run(progress)
    found = torch.zeros(model.facts.layers, model.facts.width)
    for layer, curve in vectors.curves.items():
        if curve.best is not None:
            found[layer] = curve.best
    if not bool(found.any()):
        raise VectorError(f"method {method.name}: no layer could be trained: {_reasons(vectors)}")
    made = replace(
        reading.provenance(norms),
        method=method.name,
        letter=sums.letter_leakage(found),
        seed=seed,
        training=work.record(time.monotonic() - started),
    )
    return SteeringVector(found, norms, made)


class Training:
    """One training: its state, and the steps that change it."""

    def __init__(
        self,
        method: TrainedAggregation,
        settings: TrainingSettings,
        reading: Reading,
        items: Sequence[Sequence[Text]],
        passes: GradientPasses,
        vectors: LayerVectors,
        seed: int,
    ):
        self.method, self.settings, self.passes, self.vectors, self.seed = method, settings, passes, vectors, seed
        self.items, self.weights = items, torch.tensor(reading.weights)
        self.name = reading.behavior.name
        self.batches: Batches = divide(reading.presented, settings.held_back, settings.batch_size, seed)
        every = tuple(row for batch in self.batches.batches for row in batch)
        self.decides = self.batches.held_back or every
        self.unsteered_loss: tuple[float, ...] = ()

    def run(self, progress: Progress | None) -> None:
        """Train until every layer has stopped."""
        settings, vectors = self.settings, self.vectors
        if not self.batches.held_back:
            self._warn(
                f"none of the {self.batches.fit_pairs} pairs is held back to decide when to stop"
                + (f" (fewer than {MIN_PAIRS})" if settings.held_back else "")
                + f": the vector is that of the last of at most {settings.steps} steps"
            )
        self.unsteered_loss = tuple(self.loss(self.decides, self.vectors.layers, steered=False).tolist())
        for step in range(settings.steps):
            active = vectors.active
            if not active:
                break
            if progress:
                progress(step, settings.steps)
            loss, gradient = self.gradient(self.batches.at(step, self.seed), active, step)
            self._note(active, loss, gradient, step)
            vectors.step(gradient.nan_to_num(0.0, 0.0, 0.0), step)
            self._stop_where_done(loss, active, step)
            if (step + 1) % settings.check_every == 0 or step + 1 == settings.steps:
                self._look(step + 1)
        if progress:
            progress(settings.steps, settings.steps)
        self._say_what_failed()

    def gradient(self, rows: Sequence[int], layers: Sequence[int], step: int) -> tuple[Tensor, Tensor]:
        """Loss of a batch at some layers, [layers], and its gradient by all vectors' free parameters."""
        drawn = random.Random(f"{self.seed} {step}").random()
        factor = self.method.factor_at(self.settings, drawn)
        gradient = torch.zeros_like(self.vectors.free)
        losses = dict.fromkeys(layers, torch.zeros(()))
        for part, loss in self._losses(rows, layers, factor):
            (found,) = torch.autograd.grad(loss.sum(), self.vectors.free)
            gradient += found
            for layer, value in zip(part.layers, loss.detach(), strict=True):
                losses[layer] = losses[layer] + value
        return torch.stack([losses[layer] for layer in layers]), gradient

    @torch.no_grad()
    def loss(self, rows: Sequence[int], layers: Sequence[int], *, steered: bool = True) -> Tensor:
        """Loss of some rows at some layers, [layers], pushed by strength 1 or along zeros."""
        losses = dict.fromkeys(layers, torch.zeros(()))
        for part, loss in self._losses(rows, layers, 1.0, steered=steered):
            for layer, value in zip(part.layers, loss, strict=True):
                losses[layer] = losses[layer] + value
        return torch.stack([losses[layer] for layer in layers])

    def record(self, seconds: float) -> TrainingRecord:
        """What the provenance says of it."""
        curves = self.vectors.curves
        return TrainingRecord(
            settings=self.settings.as_record,
            layers=self.vectors.layers,
            fit_pairs=self.batches.fit_pairs,
            held_back=self.batches.held_pairs,
            unsteered_loss=self.unsteered_loss,
            loss=tuple(tuple(curve.losses) for curve in curves.values()),
            checked_at=tuple(tuple(curve.checked_at) for curve in curves.values()),
            checked_loss=tuple(tuple(curve.checked) for curve in curves.values()),
            best_step=tuple(curve.best_step for curve in curves.values()),
            seconds=round(seconds, 3),
            stopped={str(layer): curve.stopped for layer, curve in curves.items() if curve.stopped},
        )

    def _losses(
        self, rows: Sequence[int], layers: Sequence[int], factor: float, *, steered: bool = True
    ) -> Iterator[tuple[TrainingPart, Tensor]]:
        """Weighted losses [layers] of parts of a batch, which add up to its mean."""
        pushes = self.method.pushes(self.settings, factor)
        total = self.weights[list(rows)].sum()
        for part in self.passes.parts(rows, layers, len(pushes)):
            vectors = self.vectors.vectors(part.layers) * float(steered)
            log_probs = self.passes.log_probs(part, vectors, pushes)
            scores = self._scores(part.items, log_probs)
            weights = self.weights[list(part.items)].to(log_probs.device)
            yield part, (self.method.losses(scores, self.settings) * weights).sum(dim=1) / total

    def _scores(self, rows: Sequence[int], steered: Tensor) -> CompletionScores:
        owners: list[int] = []
        positive: list[bool] = []
        for number, row in enumerate(rows):
            for side, text in enumerate(self.items[row]):
                count = len(text.tokens) - text.prompt_length
                owners += [number] * count
                positive += [side == 0] * count
        device = steered.device
        return CompletionScores(
            steered,
            self.passes.unsteered(rows).to(device),
            torch.tensor(owners, device=device),
            torch.tensor(positive, device=device),
            len(rows),
        )

    def _note(self, layers: Sequence[int], loss: Tensor, gradient: Tensor, step: int) -> None:
        """Write down the losses of a step; a layer whose loss or gradient is no number ends with what it had."""
        for layer, value in zip(layers, loss.tolist(), strict=True):
            if not math.isfinite(value):
                self.vectors.end(layer, f"the loss of step {step + 1} is not a finite number")
            elif not bool(torch.isfinite(gradient[self.vectors.rows([layer])]).all()):
                self.vectors.end(layer, f"the gradient of step {step + 1} is not a finite number")
            else:
                self.vectors.note(layer, value, step)

    def _stop_where_done(self, loss: Tensor, layers: Sequence[int], step: int) -> None:
        """End the layers whose loss, before this step, was low enough for the method."""
        for layer, value in zip(layers, loss.tolist(), strict=True):
            curve = self.vectors.curves[layer]
            if not curve.stopped and step > 0 and self.method.is_done(value, self.settings):
                curve.stopped = f"the loss of step {step + 1}, {value:.3g}, is low enough"
                if not self.batches.held_back or curve.best is None:
                    self.vectors.keep(layer, step + 1)

    def _look(self, step: int) -> None:
        """Look at the pairs that were held back after some steps."""
        layers = self.vectors.active
        if not self.batches.held_back:
            for layer in layers:
                self.vectors.keep(layer, step)
            return
        if not layers:
            return
        for layer, value in zip(layers, self.loss(self.batches.held_back, layers).tolist(), strict=True):
            curve = self.vectors.curves[layer]
            if not math.isfinite(value):
                self.vectors.end(layer, f"the loss of the pairs held back is not a finite number after step {step}")
                continue
            better = not curve.checked or value < min(curve.checked)
            curve.checked_at.append(step)
            curve.checked.append(value)
            if better:
                self.vectors.keep(layer, step)
                continue
            curve.worse += 1
            if curve.worse >= self.settings.patience and step < self.settings.steps:
                curve.stopped = f"{curve.worse} looks without a better loss than after step {curve.best_step}"

    def _say_what_failed(self) -> None:
        curves = self.vectors.curves
        broken = [layer for layer, curve in curves.items() if "not a finite number" in curve.stopped]
        if broken:
            lost = [layer for layer in broken if curves[layer].best is None]
            rest = "the vectors there are those of the best steps before"
            if lost:
                rest = f"{layer_ranges(lost)} {'has' if len(lost) == 1 else 'have'} no vector"
            self._warn(
                f"{curves[broken[0]].stopped} at {layer_ranges(broken)}; {rest}. Use a smaller learning_rate or "
                "norm_bound, or load the model in float32"
            )
        if not self.batches.held_back:
            return
        worse = [
            layer
            for layer, before in zip(self.vectors.layers, self.unsteered_loss, strict=True)
            if curves[layer].checked and min(curves[layer].checked) >= before
        ]
        if worse:
            self._warn(
                f"no step at {layer_ranges(worse)} made the pairs held back more likely than no push does; "
                f"the vector{'s' * (len(worse) > 1)} there {'are' if len(worse) > 1 else 'is'} of little use"
            )

    def _warn(self, what: str) -> None:
        warnings.warn(f"{self.name}, {self.method.name}: {what}", TrimtabWarning, stacklevel=4)


def _texts(pair: EncodedPair, both: bool) -> tuple[Text, ...]:
    """The completions of a pair behind their prompt, the positive one first."""
    texts = (Text(pair.positive, pair.prompt_length), Text(pair.negative, pair.prompt_length))
    return texts if both else texts[:1]


def _layers(layers: Iterable[int] | None, n_layers: int) -> tuple[int, ...]:
    chosen = tuple(range(n_layers)) if layers is None else tuple(sorted(set(layers)))
    if not chosen:
        raise SettingError("no layers to train a vector at; name at least one")
    for layer in chosen:
        if not 0 <= layer < n_layers:
            raise SettingError(f"layer {layer} is out of range: this model has layers 0 to {n_layers - 1}")
    return chosen


def _reasons(vectors: LayerVectors) -> str:
    reasons = dict.fromkeys(curve.stopped or "the vector is zero" for curve in vectors.curves.values())
    return "; ".join(reasons)
