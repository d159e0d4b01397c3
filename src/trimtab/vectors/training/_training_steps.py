"""The steps of a training: losses and gradients of batches, looks at what is held back, and when a layer stops."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from trimtab._util.callbacks import Noted, Progress
from trimtab.errors import TrimtabWarning
from trimtab.vectors._difference_sums import DifferenceSums
from trimtab.vectors._provenance import layer_ranges
from trimtab.vectors._training_record import TrainingRecord
from trimtab.vectors.state_reading import Reading
from trimtab.vectors.training._held_back import MIN_PAIRS, Batches, divide
from trimtab.vectors.training._layers import LayerVectors
from trimtab.vectors.training.base import (
    CompletionScores,
    GradientPasses,
    TrainedAggregation,
    TrainingItem,
    TrainingPart,
)
from trimtab.vectors.training.settings import TrainingSettings


class Training:
    """One training: its state, and the steps that change it."""

    def __init__(
        self,
        method: TrainedAggregation,
        settings: TrainingSettings,
        reading: Reading,
        sums: DifferenceSums,
        items: Sequence[TrainingItem],
        passes: GradientPasses,
        vectors: LayerVectors,
        seed: int,
    ):
        self.method, self.settings, self.passes, self.vectors, self.seed = method, settings, passes, vectors, seed
        self.reading, self.sums = reading, sums
        self.items, self.weights = items, torch.tensor(reading.weights)
        self.name = reading.behavior.name
        self.batches: Batches = divide(reading.presented, settings.held_back, settings.batch_size, seed)
        every = tuple(row for batch in self.batches.batches for row in batch)
        self.decides = self.batches.held_back or every
        self.unsteered_loss = math.nan

    def run(self, progress: Progress | None) -> None:
        """Train until every layer has stopped."""
        settings, vectors = self.settings, self.vectors
        if not self.batches.held_back:
            self._warn(
                f"none of the {self.batches.fit_pairs} pairs is held back to decide when to stop"
                + (f" (fewer than {MIN_PAIRS})" if settings.held_back else "")
                + f": the vector is that of the last of at most {settings.steps} steps"
            )
        # Without a push every layer's loss is the same, so the highest tells it, with the fewest layers above.
        (self.unsteered_loss,) = self.loss(self.decides, self.vectors.layers[-1:], steered=False).tolist()
        for step in range(settings.steps):
            active = vectors.active
            if not active:
                break
            if progress:
                progress(Noted(step, self._loss_so_far()), settings.steps)
            loss, gradient = self.gradient(self.batches.at(step, self.seed), active, step)
            self._note(active, loss, gradient, step)
            vectors.step(gradient.nan_to_num(0.0, 0.0, 0.0), step)
            self._stop_where_done(loss, active, step)
            if (step + 1) % settings.check_every == 0 or step + 1 == settings.steps:
                self._look(step + 1)
        if progress:
            progress(Noted(settings.steps, self._loss_so_far()), settings.steps)
        self._say_what_failed()

    def _loss_so_far(self) -> str:
        """The last loss, averaged over the layers: of the pairs held back where they have been looked at."""
        for name, curves in (
            ("loss held back", [curve.checked for curve in self.vectors.curves.values()]),
            ("loss", [curve.losses for curve in self.vectors.curves.values()]),
        ):
            last = [curve[-1] for curve in curves if curve]
            if last:
                return f"{name} {sum(last) / len(last):.3g}"
        return ""

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
            for side, text in enumerate(self.items[row].texts):
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
            layer for layer, curve in curves.items() if curve.checked and min(curve.checked) >= self.unsteered_loss
        ]
        if worse:
            self._warn(
                f"no step at {layer_ranges(worse)} made the pairs held back more likely than no push does; "
                f"the vector{'s' * (len(worse) > 1)} there {'are' if len(worse) > 1 else 'is'} of little use"
            )

    def _warn(self, what: str) -> None:
        warnings.warn(f"{self.name}, {self.method.name}: {what}", TrimtabWarning, stacklevel=4)
