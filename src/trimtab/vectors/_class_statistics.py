"""What vectors can store of the two sides they were made from, for scales that need more than a direction."""

from __future__ import annotations

from collections.abc import Mapping

STATISTICS: Mapping[str, str] = {
    "negative_mean": "the mean state of the negative side, negative_mean",
    "transport_slope": "the map from the negative side's states to the positive side's, transport_slope and _offset",
    "transport_offset": "the map from the negative side's states to the positive side's, transport_slope and _offset",
}
"""Every statistic by its name in the file: [n_layers, d_model] each, at the tokens that the vector was taken from."""

_WITH_TRANSPORT = (
    "Extract it with that map: trimtab extract --transport measures it, and in Python "
    "trimtab.vectors.maps.with_transport(vector, model, pairs)"
)
HOW_MEASURED: Mapping[str, str] = {
    "negative_mean": (
        "Vectors of earlier versions, made elsewhere, negated or added lack it. Extract the vector again from its "
        "pairs (trimtab extract measures it)"
    ),
    "transport_slope": _WITH_TRANSPORT,
    "transport_offset": _WITH_TRANSPORT,
}
"""What measures each of them, and who lacks it."""
