"""Cosines between the vectors of a run's behaviors, read from their files."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from trimtab.store.manifest import Manifest
from trimtab.store.run_folder import RunFolder

VECTOR_COSINES = ("model", "behavior", "other", "layer", "depth", "cosine")
"""A row for each model, pair of behaviors and layer; NaN where one of the vectors is zero."""


def vector_cosines(folder: RunFolder, manifest: Manifest) -> pd.DataFrame | None:
    """The cosine of each two behaviors' vectors at each layer, model by model.

    Vectors whose file is not there are left out: a run that was passed on may come without them.

    Returns:
        The columns `VECTOR_COSINES`; None where no model has two vectors.

    Raises:
        VectorError: when a file is damaged.
    """
    owners = [(entry.model, entry.behavior) for entry in manifest.vectors]
    files = {owner: folder.vector_file(*owner) for owner in owners}
    found = [key for key, file in files.items() if file.is_file()]
    pairs = [(one, other) for one, other in combinations(found, 2) if one[0] == other[0]]
    if not pairs:
        return None
    # Only now: reading vectors takes torch, which takes seconds to import.
    from trimtab.vectors import SteeringVector

    vectors = {key: SteeringVector.load(files[key]) for key in dict.fromkeys(key for pair in pairs for key in pair)}
    rows = [
        (*one, other[1], layer, (layer + 1) / len(values), value)
        for one, other in pairs
        for values in [vectors[one].cosine(vectors[other]).tolist()]
        for layer, value in enumerate(values)
    ]
    table: pd.DataFrame = pd.DataFrame(rows, columns=list(VECTOR_COSINES))
    return table
