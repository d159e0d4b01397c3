"""Projection: held-out examples of each behavior on its vector, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pandas as pd

from trimtab._util.callbacks import StepName
from trimtab.engines import run_side_by_side
from trimtab.evaluation import form_of
from trimtab.evaluation.projection import projected
from trimtab.study._unscored import examples_of
from trimtab.study.measures._stored_tables import stored_tables
from trimtab.study.measures.base import Measure, Subject, Unit
from trimtab.study.measures.context import Context
from trimtab.study.measures.projection.settings import Projections
from trimtab.study.measures.work import ReadExamples, ReadPairs, Work

EXAMPLES = "examples"


class ProjectionMeasure(Measure[Projections]):
    """How well each layer of a vector tells held-out examples apart."""

    name = "projection"
    settings = Projections
    tables = stored_tables("projection")
    needs_scores = False

    def units(self, settings: Projections, subject: Subject) -> Iterator[Unit]:
        """One unit: the examples that choose the layer, and those that report."""
        _, *held_out = subject.parts
        yield Unit(
            table=EXAMPLES,
            work=tuple(_work(subject, examples_of(part)) for part in held_out),
            compute=_projected,
            key=lambda context: [*context.shaping(None), *context.vector_key, *(part.hash for part in held_out)],
        )


PROJECTION = ProjectionMeasure()


def _work(subject: Subject, part: Any) -> Work:
    if part.shape != "completions":
        return ReadExamples([*part.positive, *part.negative])
    # A vector of another contrast may be read where pairs of completions have no position.
    return ReadPairs(part, subject.scoring, "auto" if subject.setting.contrast else None)


def _projected(context: Context) -> pd.DataFrame:
    subject, model, study = context.subject, context.model, context.subject.study

    def read(split: str, part: Any) -> pd.DataFrame:
        what = StepName(f"read held-out examples of {subject.name}, {split}", "texts", model=subject.model)
        return projected(
            model, context.vector, examples_of(part), split,
            form=form_of(subject.scoring), balance=study.balance, seed=study.seed,
            progress=lambda done, total: context.progress(what, done, total),
        )  # fmt: skip

    frames = run_side_by_side(
        model, [partial(read, *one) for one in zip(("select", "test"), subject.parts[1:], strict=True)]
    )
    table = pd.concat(frames, ignore_index=True)
    # What is resampled together, as a number: the texts that tell groups apart may be long.
    numbers = pd.factorize(table["split"] + "\n" + table["group"])[0]
    owner = {"model": subject.model, "behavior": subject.name, "engine": model.engine.name}
    whole: pd.DataFrame = table.assign(**owner, group=numbers)[list(PROJECTION.tables[EXAMPLES].schema)]
    return whole
