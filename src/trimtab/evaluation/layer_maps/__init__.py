"""Whether the layer map of a vector from elsewhere is right."""

from trimtab.evaluation.layer_maps._map_effects import check_layer_map
from trimtab.evaluation.layer_maps._map_verdict import (
    EARLIER,
    LATER,
    MAPS,
    STATED,
    LayerMapTest,
    MapComparison,
    compare_maps,
    judged,
)

__all__ = [
    "EARLIER",
    "LATER",
    "MAPS",
    "STATED",
    "LayerMapTest",
    "MapComparison",
    "check_layer_map",
    "compare_maps",
    "judged",
]
