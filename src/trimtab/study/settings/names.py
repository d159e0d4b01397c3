"""Names of registries as the types of keys of a study file."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from trimtab.engines import ENGINES
from trimtab.steering import SCALES
from trimtab.vectors import AGGREGATIONS

AggregationName = Annotated[str, AfterValidator(AGGREGATIONS.valid)]
EngineName = Annotated[str, AfterValidator(ENGINES.valid)]
ScaleName = Annotated[str, AfterValidator(SCALES.valid)]
