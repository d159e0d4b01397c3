"""Names of registries as the types of keys of a study file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from trimtab.engines import ENGINES
from trimtab.steering import SCALES, valid_positions
from trimtab.vectors import AGGREGATIONS

AggregationName = Annotated[str, AfterValidator(AGGREGATIONS.valid)]
EngineName = Annotated[str, AfterValidator(ENGINES.valid)]
PositionsText = Annotated[str, AfterValidator(valid_positions)]
ScaleName = Annotated[str, AfterValidator(SCALES.valid)]
