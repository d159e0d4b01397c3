"""lm-evaluation-harness' steered models: a dict with a vector, a coefficient and an action for `layers.15`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from trimtab.vectors.formats._containers import number_tensor
from trimtab.vectors.formats.base import Container, Directions, Match, VectorFile, VectorFormat, Wanted, only

_HOOK = re.compile(r"layers\.(\d{1,6})")


class LmEval(VectorFormat):
    """What `--model steered` takes as a .pt file."""

    title: ClassVar[str] = "lm-evaluation-harness"
    containers: ClassVar[frozenset[Container]] = frozenset({"torch"})

    def match(self, file: VectorFile, wanted: Wanted) -> Match:
        """By its keys."""
        content = file.content
        fits = isinstance(content, dict) and content and all(
            isinstance(value, dict) and "steering_vector" in value for value in content.values()
        )  # fmt: skip
        return Match.CERTAIN if fits else Match.NO

    def read(self, file: VectorFile, wanted: Wanted) -> Directions:
        """Each vector times its coefficient, which is what is added there at strength 1.

        Raises:
            VectorError: for other hook points than layers, other actions than adding, or single heads.
        """
        content: Mapping[Any, Any] = file.content if isinstance(file.content, dict) else {}
        rows: dict[int, Tensor] = {}
        for name, value in content.items():
            if not (hook := _HOOK.fullmatch(str(name))):
                raise file.fault(f"is of the site {str(name)[:60]!r}; trimtab steers behind decoder layers (layers.15)")
            rows[int(hook[1])] = self._push(file, str(name), value if isinstance(value, dict) else {})
        if not rows:
            raise file.fault("holds no hook point")
        return Directions(
            only(dict(sorted(rows.items())), wanted),
            "layers.N is the output of block N, layer N of trimtab",
            notes=("directions are its steering vectors times their coefficients",),
        )

    def _push(self, file: VectorFile, name: str, value: Mapping[str, Any]) -> Tensor:
        row, coefficient = number_tensor(value.get("steering_vector")), value.get("steering_coefficient", 1.0)
        if row is not None and row.dim() == 2 and len(row) == 1:
            row = row[0]
        if row is None or row.dim() != 1:
            raise file.fault(f"{name}: its steering_vector is no direction [d_model]")
        if (action := value.get("action", "add")) != "add":
            raise file.fault(f"{name}: its action is {action!s:.40}; trimtab reads those that are added")
        if value.get("head_index") is not None:
            raise file.fault(f"{name}: is of the attention head {value['head_index']!s:.40}, which is another site")
        if isinstance(coefficient, Tensor) and coefficient.numel() == 1:
            coefficient = coefficient.item()
        if not isinstance(coefficient, int | float) or isinstance(coefficient, bool):
            raise file.fault(f"{name}: its steering_coefficient is no number")
        return row * float(coefficient)


LM_EVAL = LmEval()
