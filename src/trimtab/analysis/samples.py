"""The samples table, one row for each prompt, option order and cell, and what every analysis does first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from trimtab.errors import DataError, SettingError

COLUMNS = (
    "model", "behavior", "engine", "layer", "layers", "depth", "scale", "strength", "positions", "scoring",
    "split", "prompt_id", "order", "label", "weight", "score",
)  # fmt: skip
"""Columns of a samples table. `layer` is the (first) steered layer, -1 on the unsteered rows, which all layers share;
`layers` names a whole set, as 9+10; `score` is the logit difference, or the text score, by `scoring`. A column
`run` may come on top, where several runs are put together."""

BASELINE = ("run", "engine", "model", "behavior", "split", "scoring")
"""What steered and unsteered rows have in common; the unsteered scores serve every cell under it."""

CELL = ("scale", "positions", "layers", "layer", "depth")
"""What a steered row adds to it, strength aside."""


def present(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """Those of `columns` that the table has: `run` is there only where runs were put together."""
    return [column for column in columns if column in table.columns]


def records(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """The rows as plain dicts; no table, no rows."""
    return [] if table is None else [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def checked(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples, or an error that names the columns they lack."""
    missing = [column for column in COLUMNS if column not in samples.columns]
    if missing:
        raise SettingError(f"the samples table lacks the columns {', '.join(missing)}")
    return samples


def steered(samples: pd.DataFrame) -> pd.DataFrame:
    """The rows of steered passes."""
    rows: pd.DataFrame = samples[samples["strength"] != 0]
    return rows


def unsteered(samples: pd.DataFrame) -> pd.DataFrame:
    """The rows of unsteered passes, each prompt and order once, even where a run stored them repeatedly."""
    rows: pd.DataFrame = samples[samples["strength"] == 0]
    once: pd.DataFrame = rows.drop_duplicates([*present(rows, BASELINE), "prompt_id", "order"])
    return once


def prompt_scores(samples: pd.DataFrame) -> pd.DataFrame:
    """One score for each prompt and cell: the option orders of a prompt averaged by weight.

    The prompt, not the row, is the unit of every interval: the two orders of one prompt are not independent.
    A prompt that lacks one of its orders at a cell, or has a score there that is not finite, gets NaN at that
    cell, because the letter would not cancel.
    """
    _require_once(checked(samples))
    zero = unsteered(samples).assign(scale="", positions="", layers="", layer=-1, depth=0.0)
    rows = pd.concat([zero, steered(samples)], ignore_index=True)
    owner = present(rows, BASELINE)
    keys = [*owner, *CELL, "strength", "prompt_id"]
    finite = np.isfinite(rows["score"])
    rows = rows.assign(
        weighted=np.where(finite, rows["weight"] * rows["score"], 0.0),
        broken=~finite,
        rows=1,
        **{name: rows[name].astype("category") for name in [*owner, "scale", "positions", "layers", "prompt_id"]},
    )
    sums = rows.groupby(keys, observed=True, sort=False)[["weighted", "weight", "broken", "rows"]].sum().reset_index()
    orders = rows.drop_duplicates([*owner, "prompt_id", "order"]).groupby([*owner, "prompt_id"], observed=True).size()
    expected = orders.reindex(pd.MultiIndex.from_frame(sums[[*owner, "prompt_id"]])).to_numpy()
    usable = (sums["broken"] == 0) & (sums["rows"] == expected) & (sums["weight"] > 0)
    score = sums["weighted"] / sums["weight"].where(sums["weight"] > 0)
    scores: pd.DataFrame = sums[keys].assign(score=score.where(usable), weight=sums["weight"] / sums["rows"])
    return scores


def _require_once(samples: pd.DataFrame) -> None:
    """Refuse steered rows that are there twice: their average would pass for one measurement.

    Raises:
        DataError: with the first of them.
    """
    rows = steered(samples)
    keys = [*present(rows, BASELINE), "scale", "positions", "layers", "strength", "prompt_id", "order"]
    again = rows.duplicated(keys)
    if again.any():
        first = rows[again].iloc[0]
        raise DataError(
            f"{int(again.sum())} rows of the samples are there twice, the first at {first['model']}, "
            f"{first['behavior']}, layer {first['layers']}, strength {first['strength']:g}, "
            f"prompt {first['prompt_id']}, order {first['order']}; "
            "remove them, or give repeated measurements orders of their own"
        )


def rows_at(samples: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """The samples at the layers of `cells`, at every strength, with the unsteered rows that belong to them.

    Args:
        samples: The samples table.
        cells: Rows with the columns of an effects table, such as `best_cells` returns.

    Returns:
        Samples rows with a column `cell`: the position in `cells` of the cell that a row belongs to. An
        unsteered row appears once for each cell that it serves.
    """
    checked(samples)
    owner = present(samples, BASELINE)
    wanted = cells.reset_index(drop=True).rename_axis("cell").reset_index()
    on = [*owner, "scale", "positions", "layers"]
    moved = steered(samples).merge(wanted[["cell", *on]], on=on)
    still = unsteered(samples).merge(wanted[["cell", *owner]], on=owner)
    rows: pd.DataFrame = pd.concat([still, moved], ignore_index=True)
    return rows


def scores_at(scores: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """What `prompt_scores` returned, at the layers of `cells`: one row for each cell, strength and prompt.

    Args:
        scores: One score for each prompt and cell.
        cells: Rows with the columns of an effects table, such as `best_cells` returns.

    Returns:
        Columns cell (the position in `cells`), strength, prompt_id, weight, score; the unsteered score of a prompt
        appears once for each cell that it serves.
    """
    owner = present(scores, BASELINE)
    keys = [*owner, "scale", "positions", "layers"]
    wanted = cells.reset_index(drop=True).rename_axis("cell").reset_index()[["cell", *keys]]
    plain = scores.astype(dict.fromkeys([*keys, "prompt_id"], str))
    moved = plain[plain["strength"] != 0].merge(wanted, on=keys)
    still = plain[plain["strength"] == 0].merge(wanted[["cell", *owner]], on=owner)
    rows: pd.DataFrame = pd.concat([still, moved], ignore_index=True)[
        ["cell", "strength", "prompt_id", "weight", "score"]
    ]
    return rows


def several(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Those columns of a table that distinguish its rows: run, engine, scoring and the like, where there are several.

    Not the engine where each model has one of its own: there the name of the model is enough.
    """
    found = [name for name in names if name in table.columns and table[name].nunique() > 1]
    if "engine" in found and "model" in table.columns and table.groupby("model")["engine"].nunique().max() == 1:
        found.remove("engine")
    return found
