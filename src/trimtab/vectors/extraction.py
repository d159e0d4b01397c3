"""From pairs to a vector at every layer: differences streamed in, a direction out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Literal, cast

from trimtab._util.callbacks import Progress
from trimtab._util.progress_bars import progress_of
from trimtab.data import AnyContrast, Balance, Behavior, Form, SetContrast
from trimtab.errors import SettingError
from trimtab.models import ExamplePosition, TokenPosition
from trimtab.vectors._difference_sums import DifferenceSums, require_direction
from trimtab.vectors.aggregations import AGGREGATIONS, StreamedAggregation
from trimtab.vectors.contrast_states import read_contrast
from trimtab.vectors.pair_differences import read_differences
from trimtab.vectors.state_reading import Source, prepare, require_pairs_position
from trimtab.vectors.steering_vector import SteeringVector
from trimtab.vectors.training import TrainedAggregation, train


def extract(
    model: Source,
    behavior: AnyContrast,
    *,
    method: str = "mean",
    token_position: TokenPosition | ExamplePosition | Literal["auto"] = "auto",
    form: Form | Literal["auto"] = "auto",
    balance: Balance = "both_orders",
    seed: int = 0,
    layers: Iterable[int] | None = None,
    training: Mapping[str, Any] | None = None,
    progress: Progress | bool = True,
) -> SteeringVector:
    """One vector at every layer from one forward pass over the pairs, or trained on them.

    `mean` holds nothing but sums; the other methods hold every row's difference meanwhile, see `read_differences`.
    Trained methods (`ssv`, …) optimise the vectors of all layers side by side and take many passes, see
    `trimtab.vectors.training`; a part of the pairs decides when they stop.

    Args:
        model: from `trimtab.load`.
        behavior: the pairs, best the `train` part of a split; or a contrast between prompts or lists.
        method: a name of `trimtab.vectors.AGGREGATIONS`, such as `mean`, `pca`, `probe`, `lda`, `median`.
        token_position: `answer` (the first differing token), `last`, `mean_completion`, or of models that think
            `mean_thinking`, `mean_response`. `auto`: `answer` for choices, `mean_completion` for texts. For contrasts
            between prompts or lists see `read_contrast`.
        form: ask choice pairs with their options and answer by letter (`choice`), or answer by text (`text`).
            `auto`: `choice` for choice pairs.
        balance: how the answer letter is balanced out of the vector; see `trimtab.data.present`. Only pairs of
            completions have one.
        seed: for `balance="subsample"` and the methods that draw, such as `single`, `random` and trained ones.
        layers: of trained methods: the layers to train; the others have no direction then. None: all.
        training: of trained methods: settings by name, such as `{"steps": 100, "norm_bound": 0.3}`, see
            `trimtab.vectors.training.TrainingSettings`.
        progress: True: a bar where somebody watches, in a terminal or a notebook; False: none; or what is called with
            (rows done, rows in all).

    Raises:
        SettingError: for an unknown method, form `choice` for open pairs, or what a contrast does not have: a form, a
            token position, and pairs for a method that needs them; for `layers` or `training` of a method that is not
            trained, settings of a training out of range, or a trained method on an engine without gradients.
        DataError: when a pair's completions become the same tokens.
        VectorError: when positive and negative states are the same everywhere.
    """
    aggregation = AGGREGATIONS.get(method)
    if not isinstance(aggregation, TrainedAggregation):
        _require_untrained(method, layers, training)
    what = f"extracting {behavior.name} from {model.name}"
    if not isinstance(behavior, Behavior):
        if form != "auto":
            raise SettingError(
                f"{behavior.name}: form {form!r} is for pairs of completions, not a contrast of {behavior.shape}"
            )
        if isinstance(aggregation, TrainedAggregation):
            raise aggregation.needs_completions(behavior.shape)
        where = cast(ExamplePosition, token_position)  # `answer` is refused by name
        if isinstance(behavior, SetContrast):
            aggregation.require_sets()  # before anything is run
        with progress_of(progress, what) as advance:
            states = read_contrast(model, behavior, token_position=where, progress=advance)
        return states.vector(method, seed)
    if isinstance(aggregation, TrainedAggregation):
        with progress_of(progress, f"training {method} of {behavior.name} in {model.name}") as advance:
            return train(
                model, behavior, aggregation, layers=layers, training=training, token_position=token_position,
                form=form, balance=balance, seed=seed, progress=advance,
            )  # fmt: skip
    if not isinstance(aggregation, StreamedAggregation):
        with progress_of(progress, what) as advance:
            differences = read_differences(
                model,
                behavior,
                token_position=require_pairs_position(behavior, token_position),
                form=form,
                balance=balance,
                seed=seed,
                progress=advance,
                hold_negative=False,
            )
        return differences.vector(method, seed)
    reading = prepare(model, behavior, token_position, form, balance, seed)
    sums = DifferenceSums(reading.weights, reading.signs)
    with progress_of(progress, what) as advance:
        for batch in reading.batches(advance):
            sums.add(batch.rows, batch.difference, batch.norm, batch.negative)
    found = aggregation.from_mean(sums.mean, seed)
    made = replace(
        reading.provenance(sums.residual_norm),
        method=method,
        letter=sums.letter_leakage(found),
        seed=seed if aggregation.draws else None,
    )
    known = {"negative_mean": sums.negative_mean}
    return SteeringVector(require_direction(found), sums.residual_norm, made, known)


def _require_untrained(method: str, layers: Iterable[int] | None, training: Mapping[str, Any] | None) -> None:
    """Refuse settings that would do nothing."""
    if layers is not None:
        raise SettingError(f"method {method}: it gives every layer a direction; `layers` are for trained methods")
    if training:
        raise SettingError(f"method {method}: it is not trained, so {', '.join(training)} would set nothing")
