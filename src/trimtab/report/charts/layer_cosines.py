"""How alike the directions of a vector are at different layers."""

from __future__ import annotations

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trimtab.analysis.formatting import fixed
from trimtab.report.charts.base import NUMBER, Chart, finished, readable, slugged, source

TOWARD, NEUTRAL, AWAY = "#2f7fc1", "#f4f4f4", "#c9601a"
SIDE = 340
NAMES = {"layer": "layer", "other": "other layer", "cosine": "cosine"}


def layer_cosines(cosines: NDArray[np.float64], title: str) -> Chart:
    """Cosines between the directions of all layers.

    Args:
        cosines: [n_layers, n_layers]; NaN where a direction is zero.
        title: what the vector is called.
    """
    count = len(cosines)
    rows = [{"layer": i, "other": j, "cosine": float(cosines[i, j])} for i in range(count) for j in range(count)]
    neighbors = np.array([cosines[i, i + 1] for i in range(count - 1)])
    known = neighbors[np.isfinite(neighbors)]
    words = f" Neighboring layers: median {fixed(float(np.median(known)))}." if len(known) else ""
    axis = alt.Axis(labelOverlap=True, grid=False)
    color = alt.Color(
        "cosine:Q", title="cosine", scale=alt.Scale(domain=[-1, 0, 1], range=[AWAY, NEUTRAL, TOWARD]),
        legend=alt.Legend(gradientLength=120),
    )  # fmt: skip
    tooltip = [
        alt.Tooltip("layer:O", title="layer"), alt.Tooltip("other:O", title="other layer"),
        alt.Tooltip("cosine:Q", title="cosine", format=NUMBER),
    ]  # fmt: skip
    chart = alt.layer(
        alt.Chart(source())
        .mark_rect()
        .encode(
            x=alt.X("layer:O", title="layer", axis=axis),
            y=alt.Y("other:O", title="layer", axis=axis, sort="descending"),
            color=color,
            tooltip=tooltip,
        )
    )
    return finished(
        chart,
        rows,
        readable(rows, NAMES) if rows else pd.DataFrame(columns=list(NAMES.values())),
        slug=slugged("layer-cosines", title),
        title=title,
        alt_text=f"Heatmap for {title}: cosine between the directions of {count} layers.{words}",
        height=SIDE,
    )
