"""Settings of the diagnosis."""

from __future__ import annotations

from typing import Annotated

from trimtab.study.measures.settings import MeasureSettings
from trimtab.study.settings.identity import ADDS


class Diagnosis(MeasureSettings):
    """Check the pairs, the stability of the vector and the layers that heuristics pick."""

    methods: Annotated[bool, ADDS] = False
    """Sweep the vectors of every other extraction method too."""

    def check_study(self, key: str, *, sweep: bool) -> None:
        """Refuse a comparison of methods without a sweep; the rest of the diagnosis needs none."""
        if not sweep and self.methods:
            raise ValueError(f"{key}: methods are compared on a sweep: leave `sweep: false` out")
