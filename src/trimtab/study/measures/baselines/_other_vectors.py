"""Vectors by other methods than the study's, made of what its own vector is made of."""

from __future__ import annotations

from functools import partial
from typing import Any

from trimtab.errors import SettingError
from trimtab.study._contrast_parts import vector_source
from trimtab.study._unscored import UnscoredBehavior
from trimtab.study.measures.baselines._comparison import Comparison
from trimtab.study.measures.context import Context
from trimtab.study.measures.grids import trained_layers
from trimtab.study.step_names import training_for_baselines
from trimtab.vectors import AGGREGATIONS, SteeringVector, extract, with_residual_norms


def other_vector(context: Context, compared: Comparison, method: str) -> SteeringVector:
    """Extract or train the vector of a method as the study makes its own.

    Raises:
        SettingError: where the study was given its vector, with no pairs that another could be made of.
        VectorError: where the method makes none of these pairs.
    """
    subject, study, train = context.subject, context.subject.study, context.subject.parts[0]
    if subject.contrast is None and not len(train) and not isinstance(train, UnscoredBehavior):
        raise SettingError("the vectors of the study were given, with no pairs that another could be made of")
    trained: dict[str, Any] = {}
    if AGGREGATIONS.get(method).trained:
        trained = {
            "layers": trained_layers(study, subject.n_layers),
            "training": compared.settings.training_of(study.training_settings),
            "progress": partial(context.progress, training_for_baselines(method, subject.name, subject.model)),
        }
    vector = extract(
        context.model,
        vector_source(train, subject.contrast),
        method=method,
        **{"progress": False, **trained},
        token_position=study.token_position,
        form="auto" if subject.contrast is not None else compared.form,
        balance=study.balance,
        seed=study.seed,
    )
    return with_residual_norms(vector, context.model)
