"""A study of objects: a model that is loaded, pairs and vectors in memory; run as any other study is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from trimtab._util.callbacks import NamedProgress
from trimtab._util.progress_bars import named_progress_of
from trimtab.data import AnyContrast, Behavior
from trimtab.engines import Model
from trimtab.report import RunTables
from trimtab.study import make_study, run_study
from trimtab.study.given import Given
from trimtab.study.reporting import read_run
from trimtab.study.run import Approve
from trimtab.vectors import SteeringVector


def run_given(
    name: str,
    model: Model,
    parts: tuple[Behavior | None, Behavior | None, Behavior | None],
    settings: Mapping[str, Any],
    *,
    contrast: AnyContrast | None = None,
    vectors: SteeringVector | None = None,
    out: str | Path | None = None,
    progress: NamedProgress | bool = True,
    approve: Approve = lambda cost: True,
    finished: Callable[[Path], None] = lambda folder: None,
) -> RunTables:
    """Run a study of one model and one behavior, and return its tables.

    Args:
        name: of the run, where it has no folder of its own.
        model: the loaded model.
        parts: pairs for the vector, for choosing and for reporting; None where there are none.
        settings: of the study, besides its models and behaviors; those that are None have their defaults.
        contrast: what the vector is made of instead of pairs; None: the pairs.
        vectors: steer with these; None: extract them from the pairs for the vector.
        out: the run folder, which is resumed; by default one that is deleted when its tables are read.
        progress: True: bars where somebody watches; False: none; or what is called with (what, done, total).
        approve: called with what judging would cost at most, before anything is spent.
        finished: called with the run folder, which is there until it returns.
    """
    label = contrast.name if contrast is not None else next(part.name for part in parts if part is not None)
    scoring = settings.get("scoring") or "auto"
    given = {key: value for key, value in settings.items() if value is not None and key != "scoring"}
    study = make_study(
        {
            "name": name,
            "models": [{"id": model.name, "engine": model.engine.name}],
            "behaviors": [{"source": label, "scoring": scoring}],
            **given,
        },
        "settings",
    )
    train, select, test = (Behavior(label, ()) if part is None else replace(part, name=label) for part in parts)
    made_of = {} if contrast is None else {label: contrast}
    objects = Given({model.name: model}, {label: (train, select, test)}, made_of)
    with named_progress_of(progress) as advance, tempfile.TemporaryDirectory(prefix="trimtab-") as folder:
        path = Path(folder) / name if out is None else Path(out)
        run_study(study, path, vectors=vectors, given=objects, progress=advance, approve=approve)
        finished(path)
        return read_run(path)
