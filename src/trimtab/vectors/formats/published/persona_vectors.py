"""persona_vectors: `{trait}_{prompt_avg,response_avg,prompt_last}_diff.pt`, a tensor `[n_layers + 1, d_model]`.

Its rows are those of transformers' `hidden_states`: the embeddings, then the output of each block, the last one behind
the final norm.
"""

from __future__ import annotations

import re
from typing import ClassVar

from trimtab.vectors.formats.base import Container, Directions, Match, VectorFile, VectorFormat, Wanted, only
from trimtab.vectors.formats.published.plain_tensors import one_tensor, shape_hint

_NAME = re.compile(r"(?P<trait>.+)_(?P<place>prompt_avg|response_avg|prompt_last)_diff\.pt")


class PersonaVectors(VectorFormat):
    """A row for the embeddings and for each layer."""

    title: ClassVar[str] = "persona_vectors"
    containers: ClassVar[frozenset[Container]] = frozenset({"torch", "numpy"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By its name; without one, a row more than the model has layers."""
        if _NAME.fullmatch(file.path.name):
            return Match.CERTAIN
        found = one_tensor(file)
        if found is None or found.dim() != 2 or len(found) < 3:
            return Match.NO
        return Match.POSSIBLE if wanted.n_layers in (None, len(found) - 1) else Match.NO

    def hints(self, file: VectorFile) -> list[str]:
        """Its shape."""
        return shape_hint(file)

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Rows from the second on, without the last.

        Raises:
            VectorError: for another shape.
        """
        found, name = one_tensor(file), _NAME.fullmatch(file.path.name)
        if found is None or found.dim() != 2 or len(found) < 3:
            raise file.fault("holds no tensor [n_layers + 1, d_model] of at least 3 rows")
        layers = len(found) - 1
        if wanted.n_layers not in (None, layers):
            raise file.fault(f"has {len(found)} rows, so its model has {layers} layers, and this one {wanted.n_layers}")
        rows = {layer: found[layer + 1] for layer in range(layers - 1)}
        return Directions(
            only(rows, wanted),
            "row R is the output of block R−1, layer R−1 of trimtab",
            n_layers=layers,
            behavior=name["trait"] if name else "",
            method="mean" if name else "",
            token_position=name["place"] if name else "",
            notes=(
                "row 0 is left out: the embeddings",
                f"row {layers} is left out: the last layer, read behind the final norm",
            ),
        )


PERSONA_VECTORS = PersonaVectors()
