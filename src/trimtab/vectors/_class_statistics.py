"""What vectors can store of the two sides they were made from, for scales that need more than a direction."""

from __future__ import annotations

from collections.abc import Mapping

STATISTICS: Mapping[str, str] = {
    "negative_mean": "the mean state of the negative side, negative_mean",
}
"""Every statistic by its name in the file: [n_layers, d_model] each, at the tokens that the vector was taken from."""

HOW_MEASURED: Mapping[str, str] = {
    "negative_mean": "trimtab extract measures it",
}
"""What measures each of them."""
